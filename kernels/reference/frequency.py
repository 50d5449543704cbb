"""Position encoding of the torso's pixels."""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Float32
from ..threads import ThreadPool


def frequency_encode(
    positions: Float32, octaves: int, *, base: float = math.pi, pool: ThreadPool | None = None
) -> Float32:
    """As `emogene.kernels.frequency.frequency_encode`."""
    parts = [positions]
    for octave in range(octaves):
        angles = positions * np.float32(base * 2**octave)
        parts += [np.sin(angles), np.cos(angles)]
    return np.concatenate(parts, axis=1)
