"""Where the torso's pixels lie and where its grid is read (`TorsoSpec`)."""

from __future__ import annotations

import numpy as np

from ..contract.field import TorsoSpec
from .arrays import Float32, Int32
from .image import pixel_positions


def torso_positions(spec: TorsoSpec, size: int, pixels: Int32) -> Float32:
    """p of the pixels (N,) of a size × size picture, (N, 2) float32."""
    positions = pixel_positions(size, pixels)
    if spec.span == "centres":
        index = np.stack([pixels % size, pixels // size], axis=1).astype(np.float32)
        positions = index / np.float32(max(1, size - 1)) * np.float32(2) - np.float32(1)
    return positions if spec.shrink == 1.0 else positions * np.float32(spec.shrink)


def moved_positions(spec: TorsoSpec, positions: Float32, offset: Float32) -> Float32:
    """Coordinates in [0, 1] at which the grid is read, (N, 2) float32."""
    moved = positions + offset
    if spec.offset == "clamped":
        moved = np.clip(moved, np.float32(-1.0), np.float32(1.0))
    at: Float32 = (moved + np.float32(1.0)) * np.float32(0.5)
    return at
