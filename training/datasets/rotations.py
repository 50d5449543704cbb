"""Rotations of many frames at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


def cross_matrices(vectors: Float64) -> Float64:
    """(..., 3) → (..., 3, 3) with ``M @ x = v × x``."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    o = np.zeros_like(x)
    rows = [[o, -z, y], [z, o, -x], [-y, x, o]]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def exponential(vectors: Float64) -> Float64:
    """(..., 3) rotation vectors → (..., 3, 3) matrices (Rodrigues)."""
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    cross = cross_matrices(vectors)
    a = np.sinc(angle / np.pi)
    b = 0.5 * np.sinc(angle / (2 * np.pi)) ** 2
    return np.eye(3) + a * cross + b * (cross @ cross)


def logarithm(matrices: Float64) -> Float64:
    """(..., 3, 3) rotations by less than π → (..., 3) rotation vectors."""
    trace = np.trace(matrices, axis1=-2, axis2=-1)
    angle = np.arccos(np.clip(0.5 * (trace - 1), -1, 1))
    skew = matrices - np.swapaxes(matrices, -1, -2)
    axis = np.stack([skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0]], -1)
    return axis * (0.5 / np.maximum(np.sinc(angle / np.pi), 1e-6))[..., None]


def nearest(matrices: Float64) -> Float64:
    """The rotations nearest to (..., 3, 3) matrices."""
    u, _, v = np.linalg.svd(matrices)
    u[..., -1] *= np.sign(np.linalg.det(u @ v))[..., None]
    return u @ v


def similarity(
    source: Float64, target: Float64, weights: Float64
) -> tuple[float, Float64, Float64]:
    """Scale s, rotation R, shift t with ``s R x + t ≈ y`` for (P, 3) points, weighted (P,).

    K. S. Arun, T. S. Huang, S. D. Blostein, "Least-squares fitting of two 3-D point sets" (1987).
    """
    w = weights / weights.sum()
    middle, goal = w @ source, w @ target
    a, b = source - middle, target - goal
    turn = nearest((b * w[:, None]).T @ a)
    scale = float(np.sum(w[:, None] * b * (a @ turn.T)) / np.sum(w[:, None] * a * a))
    return scale, turn, goal - scale * turn @ middle
