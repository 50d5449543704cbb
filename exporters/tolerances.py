"""How far an exported stage may be from the PyTorch reference: the one table, with its reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..contract.stages import HUBERT


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
    ("fp16", ANY_STAGE): Tolerance(
        5e-3,
        "Every result is rounded to 11 bits, 2e-4 on average, and the roundings of a chain add up. "
        "Measured in true half arithmetic: up to 1e-3 for motion and the field networks, 2e-3 for "
        "the speech encoder. What that moves on the screen is measured end to end besides.",
    ),
    ("bf16", ANY_STAGE): Tolerance(
        4e-2,
        "Eight times coarser than fp16 (8 bits instead of 11), so eight times its limit. Measured: "
        "2e-3 to 8e-3, 1.5e-2 for the speech encoder. For networks whose values leave the range "
        "of fp16; the end-to-end error decides whether the pictures bear it.",
    ),
    ("int8", HUBERT): Tolerance(
        2e-2,
        "Products of 8-bit numbers with a scale a row: 7e-3 to 1.5e-2 measured, on speech and on "
        "noise. It moves single landmarks by up to half a pixel in a picture of 512; at 4e-2, "
        "where fixed ranges for Conv end, it is three pixels, which is seen.",
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
