"""Rotation matrices and rotation vectors, float64."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


def rotation_matrix(vector: Float64) -> Float64:
    """Rotation vector (3,), axis times angle in radians → matrix (3, 3) (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    made: Float64 = np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * (cross @ cross)
    return made


def rotation_vector(matrix: Float64) -> Float64:
    """Matrix (3, 3) → rotation vector (3,) with an angle of at most π."""
    skew = np.array(
        [
            matrix[2, 1] - matrix[1, 2],
            matrix[0, 2] - matrix[2, 0],
            matrix[1, 0] - matrix[0, 1],
        ]
    )
    sine, cosine = float(np.linalg.norm(skew)) / 2.0, (float(np.trace(matrix)) - 1.0) / 2.0
    angle = float(np.arctan2(sine, cosine))
    if sine > 1e-6:
        along: Float64 = skew * (angle / (2.0 * sine))
        return along
    if cosine > 0.0:
        return skew / 2.0
    # Half a turn: the axis is the column of (R + 1) / 2 with the largest diagonal.
    outer = (matrix + np.eye(3)) / 2.0
    column = int(np.argmax(np.diag(outer)))
    axis: Float64 = outer[:, column] / np.linalg.norm(outer[:, column])
    return axis * angle


def angle_between(a: Float64, b: Float64) -> float:
    """Angle of the rotation from ``b`` to ``a``, both (3, 3), radians."""
    return float(np.linalg.norm(rotation_vector(a @ b.T)))
