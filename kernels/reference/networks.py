"""The fields' networks, a matrix product a layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...contract.field import HEAD_CODE_SLOPE, MlpSpec, TorsoSpec
from ...contract.weights import head_code_layers
from ..arrays import Float32

Weights = Mapping[str, NDArray[Any]]


def evaluate(weights: Weights, network: MlpSpec, rows: Float32, bias: Float32) -> Float32:
    """A network's outputs (N, outputs) for inputs (N, inputs), without an activation behind them.

    Args:
        bias: (hidden,) of the first layer.
    """
    last = len(network.widths) - 2
    for i in range(last + 1):
        rows = rows @ weights[f"{network.name}.{i}.weight"].T
        if i > 0 and network.bias:
            bias = weights[f"{network.name}.{i}.bias"]
        if i == 0 or network.bias:
            rows = rows + bias
        if i < last:
            rows = np.maximum(rows, np.float32(0.0))
    return rows


def head_code(weights: Weights, torso: TorsoSpec, head: Float32) -> Float32:
    """The torso's code (N, head_code) of a head's premultiplied colour and opacity (N, 4)."""
    code = head
    for i, layer in enumerate(head_code_layers(torso)):
        if i > 0:
            code = np.where(code < 0.0, code * np.float32(HEAD_CODE_SLOPE), code)
        code = code @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"]
    return code


def sigmoid(x: Float32) -> Float32:
    made: Float32 = np.float32(1.0) / (np.float32(1.0) + np.exp(-x))
    return made


def bounded_offset(torso: TorsoSpec, raw: Float32) -> Float32:
    """The torso's offset (N, 2) of what its network gave."""
    bounded = np.tanh(raw) if torso.offset == "tanh" else raw
    offset: Float32 = bounded * np.float32(torso.deform_range)
    return offset
