"""A whole picture: head over torso over background, enlarged, as the published inference paints."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .head import HeadField, condition_code
from .rounds import March, camera_rays, interval, morton_occupied, traced
from .torso import enlarged, mask, projected_jaw, torso

Float64 = NDArray[np.float64]

LOW, HIGH = np.array([-1, -0.5, -1]), np.array([1, 0.5, 1])
"""Of the box that rays enter."""


@dataclass(frozen=True)
class Shown:
    """What a picture shows.

    Attributes:
        tensors: of the checkpoint of a torso, or of a head alone.
        settings: of its config.yaml.
        camera: (4, 4) c2w of the data set.
        window: (W, 204) condition; eye: how far eyes are open.
        face: (68, 3) landmarks in the face model's axes.
        background: (S, S, 3) bytes.
        constant_noise: super-resolution adds the noise that was stored.
    """

    tensors: Mapping[str, NDArray[Any]]
    settings: Mapping[str, Any]
    camera: Float64
    window: Float64
    eye: float
    face: Float64
    background: NDArray[np.uint8]
    constant_noise: bool = False


def picture(shown: Shown) -> Float64:
    """(S, S, 3) in [0, 1]."""
    enlarging = bool(shown.settings.get("with_sr", False))
    t = {n: v if v.dtype == np.uint8 else v.astype(np.float64) for n, v in shown.tensors.items()}
    size = len(shown.background)
    side = size // 2 if enlarging else size
    camera = np.concatenate([shown.camera[:3, :3], 4 * shown.camera[:3, 3:]], axis=1)
    camera = (camera * [1, -1, -1, 1])[[1, 2, 0]]
    colour, opacity = _head(shown, t, camera, side)
    behind = _reduced(shown.background / 255.0, side).reshape(-1, 3)
    if "torso_embedder.embeddings" in t:
        behind = _over_torso(shown, t, camera, colour, opacity, behind)
    made = np.clip(colour + (1 - opacity[:, None]) * behind, 0, 1).reshape(side, side, 3)
    if not enlarging:
        return made
    return enlarged(t, made.transpose(2, 0, 1), shown.constant_noise).transpose(1, 2, 0)


def _head(
    shown: Shown, t: Mapping[str, NDArray[Any]], camera: Float64, side: int
) -> tuple[Float64, Float64]:
    s = shown.settings
    cells = s.get("grid_size", 128)
    # Of four networks only the torso without super-resolution is not told.
    told = s.get("with_sr", False) or "torso_embedder.embeddings" not in t
    eye = shown.eye if told else 0.0
    grid = (s.get("desired_resolution", 2048), s.get("log2_hashmap_size", 16))
    field = HeadField(t, condition_code(t, shown.window, eye), *grid)
    focal = 1015 * (side / 2) / 112
    origin, directions = camera_rays(camera, side, focal, side / 2)
    near, far = interval(origin, directions, LOW, HIGH)
    march = March(2 * math.sqrt(3) / cells, s.get("max_steps", 16), 0.01, side**2)
    return traced(
        march,
        origin,
        directions,
        near,
        far,
        lambda x: morton_occupied(t["density_bitfield"], x, cells),
        lambda x, rays: field.at(x, directions[rays]),
    )


def _over_torso(
    shown: Shown,
    t: Mapping[str, NDArray[Any]],
    camera: Float64,
    colour: Float64,
    opacity: Float64,
    behind: Float64,
) -> Float64:
    side = round(len(colour) ** 0.5)
    s, jaw = shown.settings, bool(shown.settings.get("with_sr", False))
    turn = shown.camera[:3, :3].T
    if jaw:
        fed = projected_jaw(shown.face, turn, -10 * turn @ shown.camera[:3, 3])
    else:
        fed = np.concatenate([angles(camera[:, :3]), camera[:, 3]])
    seen = np.concatenate([colour, opacity[:, None]], axis=1)
    rgba = torso(t, side, fed, seen if s.get("torso_head_aware", False) else None, jaw)
    there = mask(t["density_grid_torso"], s.get("grid_size", 128), side)
    alpha = np.where(there, rgba[:, 3], 0.0)[:, None]
    made: Float64 = rgba[:, :3] * alpha + (1 - alpha) * behind
    return made


def angles(turn: Float64) -> Float64:
    """(a, b, c) of ``Rx(a) Ry(b) Rz(c)``."""
    return np.array(
        [
            math.atan2(-turn[1, 2], turn[2, 2]),
            math.asin(turn[0, 2]),
            math.atan2(-turn[0, 1], turn[0, 0]),
        ]
    )


def _reduced(image: Float64, side: int) -> Float64:
    """To half the size, each pixel a mean of its surroundings weighed by a triangle two wide."""
    if len(image) == side:
        return image
    assert len(image) == 2 * side
    weights: Float64 = np.zeros((side, 2 * side))
    for i in range(side):
        for k, share in zip(range(2 * i - 1, 2 * i + 3), (1, 3, 3, 1), strict=True):
            if 0 <= k < 2 * side:
                weights[i, k] = share
    weights /= weights.sum(axis=1, keepdims=True)
    made: Float64 = np.einsum("ru,sv,uvc->rsc", weights, weights, image)
    return made
