"""Blinks, which speech does not tell: keyed by (seed, absolute frame)."""

from __future__ import annotations

import numpy as np

from ...contract.data import Float32
from ...contract.landmarks import LANDMARKS, LOWER_LIDS, UPPER_LIDS
from ...contract.motion import BlinkStep
from ..noise import Purpose, integer
from .step import Moment


class Blink:
    """Draw the upper lids towards the lower ones.

    Blink k starts at ``k · period + jitter_k`` with jitters drawn from ``0 … spread``; so two
    starts lie between ``shortest`` and ``longest`` frames apart, and any frame can be computed
    without those before it.
    """

    def __init__(self, spec: BlinkStep, seed: int) -> None:
        self._seed, self._gap = seed, spec.gap
        self._shape = np.asarray(spec.shape, np.float32)
        self._spread = (spec.longest - spec.shortest) // 2
        self._period = max(1, spec.shortest + self._spread)

    def start(self, blink: int) -> int:
        """Absolute frame at which blink number ``blink`` begins."""
        jitter = integer(self._seed, Purpose.BLINK, blink, 0, self._spread)
        return blink * self._period + jitter

    def closedness(self, first: int, count: int) -> Float32:
        """(count,) float32: 0 open … 1 closed."""
        closed: Float32 = np.zeros(count, np.float32)
        reach = self._spread + len(self._shape)
        earliest = max(0, (first - reach) // self._period)
        for blink in range(earliest, (first + count) // self._period + 1):
            begin = self.start(blink) - first
            a, b = max(0, begin), min(count, begin + len(self._shape))
            if a < b:
                closed[a:b] = np.maximum(closed[a:b], self._shape[a - begin : b - begin])
        return closed

    def __call__(self, points: Float32, moment: Moment) -> Float32:
        moved: Float32 = points.reshape(-1, LANDMARKS, 3).copy()
        closed = self.closedness(moment.first, len(moved))[:, None, None]
        upper, lower = moved[:, list(UPPER_LIDS)], moved[:, list(LOWER_LIDS)]
        kept = 1.0 - closed * np.float32(1.0 - self._gap)
        moved[:, list(UPPER_LIDS)] = lower + (upper - lower) * kept
        return moved.reshape(points.shape)
