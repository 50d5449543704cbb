"""Where rays enter and leave the field's bounds."""

from __future__ import annotations

import numpy as np

from ..arrays import Float32, Vector
from ..threads import ThreadPool


def box_interval(
    origins: Float32,
    directions: Float32,
    bounds_min: Vector,
    bounds_max: Vector,
    min_near: float,
    *,
    pool: ThreadPool | None = None,
) -> tuple[Float32, Float32]:
    """As `emogene.kernels.box.box_interval`."""
    origins = np.broadcast_to(origins, directions.shape)
    near = np.full(len(directions), min_near, np.float32)
    far = np.full(len(directions), 3.0e38, np.float32)
    for axis in range(3):
        o, d = origins[:, axis], directions[:, axis]
        low, high = np.float32(bounds_min[axis]), np.float32(bounds_max[axis])
        parallel = d == 0
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            a, b = (low - o) / d, (high - o) / d
        # Comparisons spelled as in C++, which decides what NaN does.
        first, last = np.where(a < b, a, b), np.where(a > b, a, b)
        near = np.where(parallel | (near > first), near, first)
        far = np.where(parallel | (far < last), far, last)
        far = np.where(parallel & ((o < low) | (o > high)), np.float32(-1.0), far)
    return near, far
