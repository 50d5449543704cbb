"""The torso in the picture's plane, and super-resolution with its modulated convolutions."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .encodings import frequencies, tiled
from .head import leaky, perceptron

Float64 = NDArray[np.float64]
Tensors = Mapping[str, Float64]


def projected_jaw(face: Float64, turn: Float64, shift: Float64) -> Float64:
    """Landmarks 5…11 of a face (68, 3) under its fitted pose, in a crop of 224: (14,)."""
    seen = face[5:12] @ turn.T + shift
    x, y = (1015 * seen[:, i] / seen[:, 2] + 112 for i in (0, 1))
    return np.stack([1 - x / 224, 1 - (224 - y) / 224], axis=1).ravel()


def torso(t: Tensors, side: int, fed: Float64, head: Float64 | None, jaw: bool) -> Float64:
    """Red, green, blue and alpha of all pixels, (side², 4), mask not applied.

    Args:
        fed: the jaw (14,), or the pose (6,).
        head: (side², 4) the head's colour and alpha; None where the torso does not see it.
    """
    axis = np.arange(side) / (side - 1) * 2 - 1
    at = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=2).reshape(-1, 2) * 0.8
    code, individual = frequencies(fed, 4), t["torso_individual_codes"][0]
    constant = np.concatenate([individual, code] if jaw else [code, individual])
    h = np.concatenate([frequencies(at, 10), np.tile(constant, (len(at), 1))], axis=1)
    if head is not None:
        encoded = head
        for i in (0, 2, 4):
            name = f"head_color_weights_encoder.{i}"
            encoded = encoded @ t[f"{name}.weight"].T + t[f"{name}.bias"]
            encoded = leaky(encoded) if i < 4 else encoded
        h = np.concatenate([h, encoded], axis=1)
    moved = np.clip(at + perceptron(t, "torso_deform_net", h), -1, 1)
    features = tiled(t["torso_embedder.embeddings"], (moved + 1) / 2)
    raw = perceptron(t, "torso_canonicial_net", np.concatenate([features, h], axis=1))
    argb = 1 / (1 + np.exp(-raw))
    return np.concatenate([argb[:, 1:], argb[:, :1]], axis=1)


def mask(density: Float64, cells: int, side: int) -> NDArray[np.bool_]:
    """(side²,) pixels where the stored density (cells²,), read bilinearly, is above 0."""
    place = np.arange(side) * (cells - 1) / (side - 1)
    low = np.minimum(place.astype(int), cells - 2)
    share = place - low
    stored = density.reshape(cells, cells)  # [column's cell, row's cell]
    rows = stored[:, low] * (1 - share) + stored[:, low + 1] * share
    both = rows[low] * (1 - share)[:, None] + rows[low + 1] * share[:, None]
    return (both > 0).T.reshape(-1)


def enlarged(t: Tensors, picture: Float64, noise: bool = False) -> Float64:
    """Super-resolution: (3, S, S) → (3, 2 S, 2 S); zeros inserted, filtered, one by one.

    Args:
        noise: add the constant noise that was stored, times its strength.
    """
    w = {n.removeprefix("sr_net."): v for n, v in t.items() if n.startswith("sr_net.")}
    taps = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64 * 4
    x = _layer(w, "block0.conv0", picture, noise)
    x = _layer(w, "block0.conv1", x, noise)
    shown = picture + _colour(w, "block0.torgb", x)
    x = _layer(w, "block1.conv0", x, noise, taps)
    x = _layer(w, "block1.conv1", x, noise)
    side = 2 * picture.shape[1]
    zeros = np.zeros((3, side, side))
    zeros[:, ::2, ::2] = shown
    shown = np.stack([_plane(np.pad(p, (2, 1)), taps) for p in zeros])
    return np.clip(shown + _colour(w, "block1.torgb", x), 0, 1)


def _style(w: Tensors, name: str) -> Float64:
    affine = w[f"{name}.affine.weight"]
    return np.ones(affine.shape[1]) @ (affine / 4).T + w[f"{name}.affine.bias"]


def _plane(plane: Float64, kernel: Float64) -> Float64:
    """Convolution of one plane, only where the kernel fits."""
    size = len(kernel)
    rows, columns = plane.shape[0] - size + 1, plane.shape[1] - size + 1
    flipped = kernel[::-1, ::-1]
    made: Float64 = np.zeros((rows, columns))
    for i in range(size):
        for j in range(size):
            made += flipped[i, j] * plane[i : i + rows, j : j + columns]
    return made


def _layer(w: Tensors, name: str, x: Float64, noise: bool, taps: Float64 | None = None) -> Float64:
    kernel = w[f"{name}.weight"] * _style(w, name)[None, :, None, None]
    kernel = kernel / np.sqrt((kernel**2).sum(axis=(1, 2, 3), keepdims=True) + 1e-8)
    side = x.shape[1] * (2 if taps is not None else 1)
    if taps is not None:
        zeros = np.zeros((len(x), side, side))
        zeros[:, ::2, ::2] = x
        x = np.stack([_plane(np.pad(p, ((3, 2), (3, 2))), taps) for p in zeros])
        kernel = kernel[:, :, ::-1, ::-1]
    else:
        x = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    out: Float64 = np.zeros((len(kernel), side, side))
    for i in range(3):
        for j in range(3):
            out += np.einsum("oi,ihw->ohw", kernel[:, :, i, j], x[:, i : i + side, j : j + side])
    if noise:
        out += w[f"{name}.noise_const"] * w[f"{name}.noise_strength"]
    out += w[f"{name}.bias"][:, None, None]
    return np.clip(np.where(out > 0, out, 0.2 * out) * math.sqrt(2), -256, 256)


def _colour(w: Tensors, name: str, x: Float64) -> Float64:
    kernel = w[f"{name}.weight"][:, :, 0, 0] * _style(w, name) / math.sqrt(len(x))
    made = np.einsum("oi,ihw->ohw", kernel, x) + w[f"{name}.bias"][:, None, None]
    return np.clip(made, -256, 256)
