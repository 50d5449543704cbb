"""What a step of the motion pipeline is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ...contract.data import Float32


@dataclass(frozen=True)
class Moment:
    """Where on the clock a run of frames stands, and what it wears.

    Attributes:
        first: absolute index of the first frame.
        weights: (F, 8) float32: factor on each emotion's deformation (`EmotionTimeline.weights`).
    """

    first: int
    weights: Float32


class Step(Protocol):
    """A change to each frame by itself: it must not matter which frames come together."""

    def __call__(self, points: Float32, moment: Moment) -> Float32:
        """(F, 204) float32 → (F, 204) float32, a new array."""
        ...
