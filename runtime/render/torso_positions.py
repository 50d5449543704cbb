"""Where the torso's pixels lie and how they are encoded (`TorsoSpec`), once a picture size."""

from __future__ import annotations

import math

import numpy as np

from ...contract.data import Float32
from ...contract.field import TorsoSpec
from ...kernels import frequency, image
from ...kernels.arrays import Int32
from ...kernels.threads import ThreadPool


def torso_positions(spec: TorsoSpec, size: int, pixels: Int32) -> Float32:
    """p of the pixels (N,) of a size × size picture, (N, 2) float32."""
    positions = image.pixel_positions(size, pixels)
    if spec.span == "centres":
        index = np.stack([pixels % size, pixels // size], axis=1).astype(np.float32)
        positions = index / np.float32(max(1, size - 1)) * np.float32(2) - np.float32(1)
    return positions if spec.shrink == 1.0 else positions * np.float32(spec.shrink)


def encode_positions(spec: TorsoSpec, positions: Float32, pool: ThreadPool) -> Float32:
    """q of positions (N, 2): (N, position_width) float32."""
    if spec.frequency == math.pi:
        return frequency.frequency_encode(positions, spec.octaves, pool=pool)
    parts = [positions]
    for octave in range(spec.octaves):
        angles = positions * np.float32(2.0**octave * spec.frequency)
        parts += [np.sin(angles), np.cos(angles)]
    return np.concatenate(parts, axis=1)


def moved_positions(spec: TorsoSpec, positions: Float32, offset: Float32) -> Float32:
    """Coordinates in [0, 1] at which the grid is read, (N, 2) float32."""
    moved = positions + offset
    if spec.offset == "clamped":
        moved = np.clip(moved, np.float32(-1.0), np.float32(1.0))
    at: Float32 = (moved + np.float32(1.0)) * np.float32(0.5)
    return at
