"""Keep every coordinate inside what was seen in training."""

from __future__ import annotations

import numpy as np

from ...contract.data import Float32
from .step import Moment


class Clamp:
    """Clamp between ``low`` and ``high``, both (204,) float32, in the space the step stands in."""

    def __init__(self, low: Float32, high: Float32) -> None:
        self._low, self._high = low, high

    def __call__(self, points: Float32, moment: Moment) -> Float32:
        return np.clip(points, self._low, self._high)
