"""Emotional landmarks = neutral landmarks + intensity · Δ (Eq. 2–4)."""

from __future__ import annotations

import numpy as np

from ...contract.data import Float32
from ..backends.protocol import Runner
from .step import Moment


class Deform:
    """Add each worn emotion's deformation of the neutral landmarks, times its weight.

    Neutral has no weight of its own, so it bypasses the model.

    Args:
        runner: the stage (neutral (F, 204), emotion (F,) int64) → Δ (F, 204).
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def __call__(self, points: Float32, moment: Moment) -> Float32:
        moved: Float32 = points.copy()
        for emotion in np.flatnonzero(moment.weights.any(axis=0)):
            row = np.full(len(points), emotion, np.int64)
            delta = self._runner.run({"neutral": points, "emotion": row})["delta"]
            moved += delta * moment.weights[:, emotion, None]
        return moved
