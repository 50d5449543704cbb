"""Running a network over many rows with bounded memory."""

from __future__ import annotations

import numpy as np

from ...contract.data import Float32
from ..backends.protocol import Runner

BATCH = 16_384
"""Rows a run: beyond this ONNX Runtime's matrix products leave the cache and become slower."""


def run_rows(runner: Runner, rows: Float32, bias: Float32) -> Float32:
    """Run a two-input network ``(rows, bias) → one output`` in batches.

    Args:
        rows: (N, inputs) float32.
        bias: (1, hidden) float32 of the first layer.

    Returns:
        (N, outputs) float32.
    """
    rows_name, bias_name = (spec.name for spec in runner.inputs)
    width = runner.outputs[0].shape[-1]
    assert isinstance(width, int)
    result = np.empty((len(rows), width), np.float32)
    for start in range(0, len(rows), BATCH):
        batch = {rows_name: rows[start : start + BATCH], bias_name: bias}
        result[start : start + BATCH] = runner.run(batch)[runner.outputs[0].name]
    return result
