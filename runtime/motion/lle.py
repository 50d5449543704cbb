"""Landmarks drawn towards what was seen in training: locally linear embedding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...contract.data import Float32
from ...contract.motion import LleStep
from .step import Moment

Float64 = NDArray[np.float64]


class Lle:
    """Mix each frame with its projection on the affine hull of its nearest training frames.

    Every frame is worked out by itself and in float64: sums that depended on which frames come
    together would change with the chunking of the audio, and the normal equations are nearly
    singular where neighbours lie in a plane.

    Args:
        spec: neighbours, share and regulariser.
        database: (N, 204) float32 frames of the training film.
    """

    def __init__(self, spec: LleStep, database: Float32) -> None:
        self._spec = spec
        self._database = database.astype(np.float64)
        self._count = min(spec.neighbours, len(database))

    def __call__(self, points: Float32, moment: Moment) -> Float32:
        drawn: Float32 = np.stack([self._drawn(x) for x in points.astype(np.float64)])
        return drawn

    def project(self, x: Float64) -> Float64:
        """The projection of one frame, (204,) → (204,)."""
        distance = np.square(self._database - x).sum(axis=1)
        nearest = np.argsort(distance, kind="stable")[: self._count]
        first: Float64 = self._database[nearest[0]]
        others: Float64 = self._database[nearest[1:]]
        if not len(others):
            return first
        edges = (others - first).T
        normal = edges.T @ edges + self._spec.regulariser * np.eye(len(others))
        projected: Float64 = first + edges @ np.linalg.solve(normal, edges.T @ (x - first))
        return projected

    def _drawn(self, x: Float64) -> Float32:
        share = self._spec.share
        return ((1.0 - share) * x + share * self.project(x)).astype(np.float32)
