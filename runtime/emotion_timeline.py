"""Which emotion is worn when, and how strongly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..contract.data import Float32
from ..contract.emotions import EMOTIONS, NEUTRAL, checked_intensity, emotion_index
from ..contract.units import frames_of


@dataclass(frozen=True)
class _Change:
    frame: int
    emotion: str
    intensity: float

    @property
    def target(self) -> Float32:
        """(8,) weight of each emotion's deformation; neutral has none, so all are 0."""
        weights = np.zeros(len(EMOTIONS), np.float32)
        if self.emotion != NEUTRAL:
            weights[emotion_index(self.emotion)] = self.intensity
        return weights


class EmotionTimeline:
    """Changes of emotion at sample indices, and the weights they give each frame.

    A change holds from the first frame that begins at or after its sample, and fades in over
    ``fade`` frames from whatever mixture was worn before. The first emotion holds from the start.

    Raises:
        BadOption: an unknown emotion, or an intensity outside [0, 1.5].
    """

    def __init__(self, emotion: str, intensity: float, fade: int) -> None:
        self._fade = max(1, fade)
        # Far in the past: the session opens with it wholly faded in.
        self._changes = [_checked(-self._fade, emotion, intensity)]

    def set(self, sample: int, emotion: str, intensity: float | None = None) -> None:
        """Wear ``emotion`` from ``sample`` on; ``None`` keeps the intensity."""
        last = self._changes[-1]
        kept = last.intensity if intensity is None else intensity
        frame = frames_of(sample)
        if frame == 0:
            # Before the first sample there is nothing to fade from.
            self._changes = [_checked(-self._fade, emotion, kept)]
            return
        change = _checked(frame, emotion, kept)
        if last.frame == frame:
            # Two changes at one place: the later one is what was meant.
            self._changes.pop()
        self._changes.append(change)

    def forget(self, frame: int) -> None:
        """Drop changes that no frame from ``frame`` on can show any more."""
        while len(self._changes) > 1 and self._changes[1].frame + self._fade <= frame:
            del self._changes[0]

    def emotion(self, frame: int) -> str:
        """The emotion that is worn, or being faded in, at ``frame``."""
        worn = [c.emotion for c in self._changes if c.frame <= frame]
        return worn[-1] if worn else self._changes[0].emotion

    def weights(self, first: int, count: int) -> Float32:
        """(count, 8) float32: factor on each emotion's deformation, frame by frame."""
        frames = np.arange(first, first + count)
        mixture = np.tile(self._changes[0].target, (count, 1))
        for change in self._changes[1:]:
            x = np.clip((frames - change.frame + 1) / self._fade, 0.0, 1.0)
            share = (x * x * (3.0 - 2.0 * x)).astype(np.float32)[:, None]
            mixture = mixture * (1.0 - share) + change.target * share
        return mixture.astype(np.float32)


def _checked(frame: int, emotion: str, intensity: float) -> _Change:
    emotion_index(emotion)
    return _Change(frame, emotion, checked_intensity(intensity))
