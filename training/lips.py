"""Do the lips close where they must? On p, b and m, whatever the emotion."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..contract.landmarks import LOWER_LIP_CENTRE, UPPER_LIP_CENTRE
from ..contract.units import FEATURES_PER_FRAME, FRAMES_PER_SECOND
from .demo.speech.phones import PHONE_INDEX, PhoneSegment, feature_labels

CLOSING = ("P", "B", "M")
"""Phones that are spoken with closed lips."""

CLOSED = 0.02
"""Inner lips this near count as closed, head units (2 mm; 3 pixels of 512). Those of the demo head
at rest are within a millimetre of it."""


@dataclass(frozen=True)
class Closures:
    """How many of the sounds that need closed lips got them."""

    closed: int
    total: int

    @property
    def rate(self) -> float:
        """Share, 0…1; NaN where there was none to judge."""
        return self.closed / self.total if self.total else float("nan")

    def __add__(self, other: Closures) -> Closures:
        return Closures(self.closed + other.closed, self.total + other.total)


def mouth_opening(landmarks: NDArray[np.floating]) -> NDArray[np.floating]:
    """(F, 68, 3) → (F,): height between the middles of the inner lips, head units."""
    opening: NDArray[np.floating] = (
        landmarks[:, UPPER_LIP_CENTRE, 1] - landmarks[:, LOWER_LIP_CENTRE, 1]
    )
    return opening


def closures(
    landmarks: NDArray[np.floating], segments: Iterable[PhoneSegment], threshold: float = CLOSED
) -> Closures:
    """Count the p, b and m during which the lips close.

    A segment counts as closed when the opening falls below `threshold` in at least one frame that
    overlaps it, or in the frame before or after those.

    Args:
        landmarks: (F, 68, 3) at 25 frames a second from the utterance's first sample; frame i
            shows the time from i / 25 s to (i + 1) / 25 s.
        segments: phones with times in seconds; those that end after the last frame are left out.
        threshold: head units.
    """
    opening = mouth_opening(landmarks)
    closed = total = 0
    for segment in segments:
        if segment.phone not in CLOSING:
            continue
        first = int(segment.start * FRAMES_PER_SECOND)
        last = int(np.ceil(segment.end * FRAMES_PER_SECOND))
        if last > len(opening):
            continue
        total += 1
        closed += bool(opening[max(0, first - 1) : last + 1].min() < threshold)
    return Closures(closed, total)


def closing_frames(segments: Iterable[PhoneSegment], frames: int) -> NDArray[np.bool_]:
    """(F,) whether p, b or m is spoken in each of `frames` frames."""
    phones = feature_labels(segments, frames * FEATURES_PER_FRAME)
    wanted = np.isin(phones, [PHONE_INDEX[phone] for phone in CLOSING])
    spoken: NDArray[np.bool_] = wanted.reshape(-1, FEATURES_PER_FRAME).any(1)
    return spoken
