"""One comparer for any two runners of a stage."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..contract.errors import Failure
from ..contract.measure import relative_l2
from ..contract.stages import Signature
from ..runtime.backends.protocol import Array, Runner
from .examples import example_inputs


@dataclass(frozen=True)
class OutputDifference:
    """How far one output is from the reference at one length.

    Attributes:
        output: the tensor's name.
        length: of the varying dimension.
        relative_l2: |value - reference| / |reference|, over the whole tensor.
        max_abs_over_scale: largest |value - reference| over the largest |reference|.
        nan_count: values that are not finite.
    """

    output: str
    length: int
    relative_l2: float
    max_abs_over_scale: float
    nan_count: int


def compare(
    stage: str,
    signature: Signature,
    candidate: Runner,
    reference: Runner,
    lengths: Iterable[int],
) -> tuple[OutputDifference, ...]:
    """Run both on the example inputs of every length and measure every output.

    Raises:
        Failure: an output has another shape than the reference's.
    """
    found = []
    for length in lengths:
        feeds = example_inputs(stage, signature, length)
        values, references = candidate.run(feeds), reference.run(feeds)
        for spec in signature.outputs:
            found.append(
                difference(stage, spec.name, length, values[spec.name], references[spec.name])
            )
    return tuple(found)


def difference(
    stage: str,
    output: str,
    length: int,
    value: Array,
    reference: Array,
) -> OutputDifference:
    """Measure one output."""
    if value.shape != reference.shape:
        raise Failure(
            f"stage {stage}, output {output}, length {length}",
            expected=f"shape {reference.shape}",
            found=f"{value.shape}",
            remedy="the exported graph kept a length it was traced with",
        )
    value64, reference64 = value.astype(np.float64), reference.astype(np.float64)
    scale = float(np.abs(reference64).max(initial=0.0)) or 1.0
    return OutputDifference(
        output,
        length,
        relative_l2(value64, reference64),
        float(np.abs(value64 - reference64).max(initial=0.0)) / scale,
        int(np.count_nonzero(~np.isfinite(value64))),
    )


def worst(differences: Iterable[OutputDifference]) -> float:
    """The largest relative L2; NaN if any is."""
    return float(np.max([d.relative_l2 for d in differences]))


def within(differences: Iterable[OutputDifference], limit: float) -> bool:
    """Whether all stay under ``limit`` and every value is finite."""
    return all(d.relative_l2 <= limit and d.nan_count == 0 for d in differences)
