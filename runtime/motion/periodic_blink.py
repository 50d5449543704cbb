"""Blinks at fixed frames, as the published inference draws them."""

from __future__ import annotations

import numpy as np

from ...contract.data import Float32
from ...contract.landmarks import LANDMARKS, LOWER_LIDS, UPPER_LIDS
from ...contract.motion import PeriodicBlinkStep
from .step import Moment

_CLOSED = (
    (37, 36, 39, 0.67),
    (41, 36, 39, 0.67),
    (38, 36, 39, 0.33),
    (40, 36, 39, 0.33),
    (43, 42, 45, 0.67),
    (47, 42, 45, 0.67),
    (44, 42, 45, 0.33),
    (46, 42, 45, 0.33),
)
"""Where lids meet: (lid point, the eye's first corner, its second corner, share of the first)."""


class PeriodicBlink:
    """Open the lids a little, and draw them together during blinks."""

    def __init__(self, spec: PeriodicBlinkStep) -> None:
        self._spec = spec
        self._shape = np.asarray(spec.shape, np.float32)

    def closedness(self, first: int, count: int) -> Float32:
        """(count,) float32 of the absolute frames ``first`` …: 0 open … 1 closed."""
        place = (np.arange(first, first + count) - self._spec.first) % self._spec.period
        # Before its first frame there is no blink, although the rest of a division says so.
        blinking = (place < len(self._shape)) & (
            np.arange(first, first + count) >= self._spec.first
        )
        closed: Float32 = np.zeros(count, np.float32)
        closed[blinking] = self._shape[place[blinking]]
        return closed

    def __call__(self, points: Float32, moment: Moment) -> Float32:
        moved: Float32 = points.reshape(-1, LANDMARKS, 3).copy()
        lift = np.float32(self._spec.lift)
        moved[:, list(UPPER_LIDS), 1] += lift
        moved[:, list(LOWER_LIDS), 1] -= lift
        closed = self.closedness(moment.first, len(moved))[:, None]
        shut = {
            lid: moved[:, a] * np.float32(share) + moved[:, b] * np.float32(1.0 - share)
            for lid, a, b, share in _CLOSED
        }
        for lid, position in shut.items():
            moved[:, lid] = moved[:, lid] * (np.float32(1.0) - closed) + position * closed
        return moved.reshape(points.shape)
