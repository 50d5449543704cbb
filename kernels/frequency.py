"""Position encoding of the torso's pixels."""

from __future__ import annotations

import numpy as np

from ..contract.errors import BadOption
from . import native
from .arrays import F32, Float32, address, length
from .threads import ThreadPool

_frequency = native.Kernel(
    "emogene_frequency_encode", native.POINTER, native.I64, native.I32, native.POINTER
)


def frequency_encode(
    positions: Float32, octaves: int, *, pool: ThreadPool | None = None
) -> Float32:
    """p, then sin(2^k pi p) and cos(2^k pi p) for k < octaves.

    Args:
        positions: (N, 2).
        octaves: 0 to 16.

    Returns:
        (N, 2 + 4 * octaves) float32: x, y, and for each octave sin x, sin y, cos x, cos y.

    Raises:
        BadOption: another dtype or shape, or octaves out of range.
    """
    if not 0 <= octaves <= 16:
        raise BadOption("octaves", expected="0 to 16", found=str(octaves))
    n = length("positions", positions)
    out = np.empty((n, 2 + 4 * octaves), np.float32)
    at_positions = address("positions", positions, F32, (n, 2))
    _frequency.on(pool, at_positions, n, octaves, out.ctypes.data)
    return out
