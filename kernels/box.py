"""Where rays enter and leave the field's bounds."""

from __future__ import annotations

import ctypes

import numpy as np

from . import native
from .arrays import F32, Float32, Vector, address, length
from .rays import origin_stride
from .threads import ThreadPool

_box_interval = native.Kernel(
    "emogene_box_interval",
    native.POINTER,
    native.I64,
    native.POINTER,
    native.I64,
    ctypes.POINTER(native.Box),
    native.F32,
    native.POINTER,
    native.POINTER,
)


def box_interval(
    origins: Float32,
    directions: Float32,
    bounds_min: Vector,
    bounds_max: Vector,
    min_near: float,
    *,
    pool: ThreadPool | None = None,
) -> tuple[Float32, Float32]:
    """Distances at which rays enter and leave a box.

    Args:
        origins: (3,) or (N, 3), head space.
        directions: (N, 3).
        bounds_min, bounds_max: the box.
        min_near: no ray enters before this distance.

    Returns:
        near (N,) >= min_near and far (N,); far < near for rays that miss.

    Raises:
        BadOption: an array has another dtype or shape, or a side of the box is not positive.
    """
    n = length("directions", directions)
    at_origins, stride = origin_stride(origins, n)
    near, far = np.empty(n, np.float32), np.empty(n, np.float32)
    _box_interval.on(
        pool,
        at_origins,
        stride,
        address("directions", directions, F32, (n, 3)),
        n,
        native.Box.of(bounds_min, bounds_max),
        min_near,
        near.ctypes.data,
        far.ctypes.data,
    )
    return near, far
