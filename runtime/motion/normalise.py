"""Landmarks in head space → the numbers the condition encoder was trained on."""

from __future__ import annotations

from ...contract.data import Float32
from .step import Moment


class Normalise:
    """Subtract ``mean`` and divide by ``scale``, both (204,) float32."""

    def __init__(self, mean: Float32, scale: Float32) -> None:
        self._mean, self._scale = mean, scale

    def __call__(self, points: Float32, moment: Moment) -> Float32:
        return (points - self._mean) / self._scale
