"""Spherical harmonics of the view direction."""

from __future__ import annotations

import numpy as np

from ..contract.errors import BadOption
from . import native
from .arrays import F32, Float32, address, length
from .threads import ThreadPool

_harmonics = native.Kernel(
    "emogene_spherical_harmonics", native.POINTER, native.I64, native.I32, native.POINTER
)


def spherical_harmonics(
    directions: Float32, degree: int, *, pool: ThreadPool | None = None
) -> Float32:
    """Real spherical harmonics of bands 0 to degree - 1 with the Condon-Shortley sign.

    Args:
        directions: (N, 3) of unit length.
        degree: 1 to 4.

    Returns:
        (N, degree²) float32: band after band, order -l to l.

    Raises:
        BadOption: another dtype or shape, or a degree out of range.
    """
    if degree not in (1, 2, 3, 4):
        raise BadOption("spherical-harmonics degree", expected="1 to 4", found=str(degree))
    n = length("directions", directions)
    out = np.empty((n, degree**2), np.float32)
    at_directions = address("directions", directions, F32, (n, 3))
    _harmonics.on(pool, at_directions, n, degree, out.ctypes.data)
    return out
