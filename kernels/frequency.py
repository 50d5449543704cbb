"""Position encoding of the torso's pixels."""

from __future__ import annotations

import math

import numpy as np

from ..contract.errors import BadOption
from . import native
from .arrays import F32, Float32, address, length
from .reference import frequency as reference
from .threads import ThreadPool

_frequency = native.Kernel(
    "emogene_frequency_encode", native.POINTER, native.I64, native.I32, native.POINTER
)


def frequency_encode(
    positions: Float32, octaves: int, *, base: float = math.pi, pool: ThreadPool | None = None
) -> Float32:
    """p, then sin(2^k f p) and cos(2^k f p) for k < octaves.

    Args:
        positions: (N, 2).
        octaves: 0 to 16.
        base: f; the library knows pi, NumPy computes others.

    Returns:
        (N, 2 + 4 * octaves) float32: x, y, and for each octave sin x, sin y, cos x, cos y.

    Raises:
        BadOption: another dtype or shape, or octaves out of range.
    """
    if not 0 <= octaves <= 16:
        raise BadOption("octaves", expected="0 to 16", found=str(octaves))
    n = length("positions", positions)
    if base != math.pi:
        return reference.frequency_encode(positions, octaves, base=base)
    out = np.empty((n, 2 + 4 * octaves), np.float32)
    at_positions = address("positions", positions, F32, (n, 2))
    _frequency.on(pool, at_positions, n, octaves, out.ctypes.data)
    return out
