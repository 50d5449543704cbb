"""How far an exported stage may be from the PyTorch reference: the one table, with its reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Tolerance:
    """A limit and why it stands where it does.

    Attributes:
        relative_l2: largest relative L2 over whole outputs (`contract.measure.relative_l2`).
        reason: what sets the limit, in words; printed in reports.
    """

    relative_l2: float
    reason: str


ANY_STAGE = "*"

TOLERANCES: Mapping[tuple[str, str], Tolerance] = {
    ("fp32", ANY_STAGE): Tolerance(
        1e-5,
        "Both sides are float32 and differ only in the order of their sums. Measured: 1e-7 for the "
        "field networks, 1e-6 for the demo's speech encoder, 2e-6 for a HuBERT of base size; the "
        "rest is room for other processors. A wrong weight or axis is thousands of times larger.",
    ),
}
"""Limits by (precision, stage); `ANY_STAGE` holds for stages without their own line."""


def tolerance(stage: str, precision: str) -> Tolerance:
    """The limit for ``stage`` at ``precision``.

    Raises:
        KeyError: nobody has said yet what that precision may cost.
    """
    own = TOLERANCES.get((precision, stage))
    return own if own is not None else TOLERANCES[precision, ANY_STAGE]
