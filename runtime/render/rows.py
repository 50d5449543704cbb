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
    return _run(runner, rows, {runner.inputs[1].name: bias})


def run_single(runner: Runner, rows: Float32) -> Float32:
    """Run a one-input network over (N, inputs) rows in batches: (N, outputs) float32."""
    return _run(runner, rows, {})


def _run(runner: Runner, rows: Float32, constant: dict[str, Float32]) -> Float32:
    name, output = runner.inputs[0].name, runner.outputs[0]
    width = output.shape[-1]
    assert isinstance(width, int)
    result = np.empty((len(rows), width), np.float32)
    for start in range(0, len(rows), BATCH):
        batch = {name: rows[start : start + BATCH], **constant}
        result[start : start + BATCH] = runner.run(batch)[output.name]
    return result
