"""Spherical harmonics of the view direction."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np

from ..arrays import Float32
from ..threads import ThreadPool


def spherical_harmonics(
    directions: Float32, degree: int, *, pool: ThreadPool | None = None
) -> Float32:
    """As `emogene.kernels.harmonics.spherical_harmonics`."""
    x, y, z = directions.astype(np.float64).T
    coefficients = [
        np.full_like(x, sqrt(1 / pi) / 2),
        -sqrt(3 / (4 * pi)) * y,
        sqrt(3 / (4 * pi)) * z,
        -sqrt(3 / (4 * pi)) * x,
        sqrt(15 / pi) / 2 * x * y,
        -sqrt(15 / pi) / 2 * y * z,
        sqrt(5 / pi) / 4 * (3 * z * z - 1),
        -sqrt(15 / pi) / 2 * x * z,
        sqrt(15 / pi) / 4 * (x * x - y * y),
        -sqrt(35 / (2 * pi)) / 4 * y * (3 * x * x - y * y),
        sqrt(105 / pi) / 2 * x * y * z,
        -sqrt(21 / (2 * pi)) / 4 * y * (5 * z * z - 1),
        sqrt(7 / pi) / 4 * z * (5 * z * z - 3),
        -sqrt(21 / (2 * pi)) / 4 * x * (5 * z * z - 1),
        sqrt(105 / pi) / 4 * z * (x * x - y * y),
        -sqrt(35 / (2 * pi)) / 4 * x * (x * x - 3 * y * y),
    ]
    return np.stack(coefficients[: degree**2], axis=1).astype(np.float32)
