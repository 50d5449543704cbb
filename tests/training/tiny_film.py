"""A film small enough to train on in a test: a coloured ball that nods above a plain torso."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SIZE, FOCAL, DISTANCE, RADIUS = 32, 70.0, 9.0, 0.8


def write_tiny_film(folder: Path, frames: int = 8, seed: int = 0) -> Path:
    """Write a film folder as ``training/demo/film.py`` does; returns it."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    angles = rng.uniform(-0.3, 0.3, frames)
    poses = np.stack([_pose(angle) for angle in angles])
    shots = [_shoot(pose) for pose in poses]
    names = ("images", "head_alpha", "torso_alpha", "depth_near", "depth_far")
    columns = zip(names, zip(*shots, strict=True), strict=True)
    arrays = {name: np.stack(values) for name, values in columns}
    arrays |= {
        "poses": poses,
        "landmarks": _landmarks(rng, frames),
        "emotions": rng.integers(0, 8, frames),
        "background": _background(),
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    camera = {"size": SIZE, "focal": FOCAL, "cx": SIZE / 2, "cy": SIZE / 2}
    (folder / "film.json").write_text(json.dumps({"intrinsics": camera}))
    return folder


def _pose(angle: float) -> NDArray[np.float32]:
    c, s = np.cos(angle), np.sin(angle)
    flip = np.diag([1.0, -1.0, -1.0])
    turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return np.concatenate([flip @ turn, [[0], [0], [DISTANCE]]], 1).astype(np.float32)


def _background() -> NDArray[np.uint8]:
    ramp = np.linspace(60, 90, SIZE, dtype=np.uint8)
    return np.broadcast_to(ramp[:, None, None], (SIZE, SIZE, 3)).copy()


def _shoot(pose: NDArray[np.float32]) -> tuple[NDArray[np.generic], ...]:
    """One frame: the ball where a pixel's ray meets it, a brown torso below, the background."""
    row, column = np.mgrid[:SIZE, :SIZE] + 0.5
    seen = np.stack([(column - SIZE / 2) / FOCAL, (row - SIZE / 2) / FOCAL, np.ones_like(row)], -1)
    along = seen / np.linalg.norm(seen, axis=-1, keepdims=True)
    middle = along[..., 2] * DISTANCE
    reach = middle**2 - DISTANCE**2 + RADIUS**2
    hit = reach > 0
    distance = middle - np.sqrt(np.maximum(reach, 0))
    point = (along * distance[..., None] - pose[:, 3]) @ pose[:, :3]
    image = _background()
    torso = row > 0.8 * SIZE
    image[torso] = (120, 70, 40)
    image[hit] = (127 + 120 * np.sin(4 * point[hit])).astype(np.uint8)
    depth = np.where(hit, distance * along[..., 2], 0).astype(np.float16)
    alpha = np.where(hit, 255, 0).astype(np.uint8)
    return image, alpha, np.where(torso & ~hit, 255, 0).astype(np.uint8), depth, depth


def _landmarks(rng: np.random.Generator, frames: int) -> NDArray[np.float32]:
    """Points on the ball's front, moving a little."""
    x, y = rng.uniform(-0.4, 0.4, (2, 68))
    rest = np.stack([x, y, np.sqrt(RADIUS**2 - x**2 - y**2)], 1)
    return (rest + rng.normal(0, 0.02, (frames, 68, 3))).astype(np.float32)
