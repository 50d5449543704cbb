"""Pose tracks for tests."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from emogene.runtime.poses.rotation import rotation_matrix


def track(degrees: Iterable[float], seed: int = 0) -> NDArray[np.float32]:
    """(N, 3, 4) float32: a head 8 units away, turned by each angle about one skew axis."""
    axis = np.random.default_rng(seed).normal(size=3)
    axis /= np.linalg.norm(axis)
    poses = []
    for angle in degrees:
        turn = rotation_matrix(axis * np.radians(angle))
        shift = np.array([0.01 * angle, -0.02 * angle, 8.0])
        poses.append(np.column_stack([turn, shift]))
    return np.array(poses, np.float32)
