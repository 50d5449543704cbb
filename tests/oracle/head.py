"""The head field: condition, attention, two tiled grids, three networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .encodings import harmonics, tiled
from .sequences import convolved

Float64 = NDArray[np.float64]
Tensors = Mapping[str, Float64]


def leaky(x: Float64) -> Float64:
    """Of slope 0.02, as in every encoder of the fields."""
    return np.where(x > 0, x, 0.02 * x)


def perceptron(t: Tensors, name: str, x: Float64) -> Float64:
    """A bias-free network with ReLUs between its layers, (N, in) → (N, out)."""
    layers = sorted(n for n in t if n.startswith(f"{name}.net."))
    for n in layers:
        x = x @ t[n].T
        x = np.maximum(x, 0) if n != layers[-1] else x
    return x


def condition_code(t: Tensors, window: Float64, eye: float) -> Float64:
    """A window of conditions (W, 204) and how far eyes are open → (code,)."""
    rows = []
    for frame in window:
        x = frame[:, None]
        for i in (0, 2, 4, 6):
            name = f"cond_prenet.encoder_conv.{i}"
            x = leaky(convolved(x, t[f"{name}.weight"], t[f"{name}.bias"], padding=1))
        name = "cond_prenet.encoder_fc1"
        y = leaky(t[f"{name}.0.weight"] @ x[:, 0] + t[f"{name}.0.bias"])
        rows.append(t[f"{name}.2.weight"] @ y + t[f"{name}.2.bias"])
    code = np.stack(rows)
    if "blink_encoder.0.weight" in t:
        blink = t["blink_embedding.weight"][0] * eye
        for i in (0, 1):
            blink = t[f"blink_encoder.{i}.weight"] @ blink + t[f"blink_encoder.{i}.bias"]
        code[:, : len(blink)] += blink
    return attended(t, code)


def attended(t: Tensors, code: Float64) -> Float64:
    """(W, code) → (code,): frames weighed by a softmax over scores that convolutions give."""
    y = code.T
    for i in (0, 2, 4, 6, 8):
        name = f"cond_att_net.attentionConvNet.{i}"
        y = leaky(convolved(y, t[f"{name}.weight"], t[f"{name}.bias"], padding=1))
    name = "cond_att_net.attentionNet.0"
    scores = t[f"{name}.weight"] @ y[0] + t[f"{name}.bias"]
    share = np.exp(scores - scores.max())
    return (share / share.sum()) @ code


@dataclass(frozen=True)
class HeadField:
    """One frame's head: densities and colours of samples.

    Attributes:
        tensors: of the checkpoint.
        code: (code,) of the frame's condition.
        finest, log2_size: of both grids.
    """

    tensors: Tensors
    code: Float64
    finest: int = 2048
    log2_size: int = 16

    def at(self, x: Float64, directions: Float64) -> tuple[Float64, Float64]:
        """Positions in ±1 and unit directions (N, 3) → σ (N,) and colour (N, 3)."""
        t, grid = self.tensors, (self.finest, self.log2_size)
        first = tiled(t["position_embedder.embeddings"], (x + 1) / 2, *grid)
        told = np.concatenate([first, np.tile(self.code, (len(x), 1))], axis=1)
        ambient = np.tanh(perceptron(t, "ambient_net", told))
        second = tiled(t["ambient_embedder.embeddings"], (ambient + 1) / 2, *grid)
        raw = perceptron(t, "sigma_net", np.concatenate([first, second], axis=1))
        shown = [harmonics(directions), raw[:, 1:]]
        if "individual_embeddings" in t:
            shown.append(np.tile(t["individual_embeddings"][0], (len(x), 1)))
        colour = perceptron(t, "color_net", np.concatenate(shown, axis=1))
        return np.exp(raw[:, 0]), 1 / (1 + np.exp(-colour))
