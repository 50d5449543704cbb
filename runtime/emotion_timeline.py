"""Which emotion is worn when, and how strongly."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..contract.data import Float32
from ..contract.emotions import EMOTIONS, NEUTRAL, checked_intensity, emotion_index
from ..contract.errors import BadOption
from ..contract.units import FRAMES_PER_SECOND, frames_of
from .easing import smoothstep

LONGEST_FADE = 60.0
"""Seconds one emotion may take to turn into the next."""


@dataclass(frozen=True)
class _Change:
    frame: int
    emotion: str
    intensity: float
    fade: int

    @property
    def faded_in(self) -> int:
        """The first frame that shows it alone."""
        return self.frame + self.fade

    @property
    def target(self) -> Float32:
        """(8,) weight of each emotion's deformation; neutral has none, so all are 0."""
        weights = np.zeros(len(EMOTIONS), np.float32)
        if self.emotion != NEUTRAL:
            weights[emotion_index(self.emotion)] = self.intensity
        return weights


class EmotionTimeline:
    """Changes of emotion at sample indices, and the weights they give each frame.

    A change holds from the first frame that begins at or after its sample, and fades in from
    whatever mixture was worn before. The first emotion holds from the start.

    Args:
        fade: frames a change takes that does not say itself.

    Raises:
        BadOption: an unknown emotion, or an intensity outside [0, 1.5].
    """

    def __init__(self, emotion: str, intensity: float, fade: int) -> None:
        self._fade = max(1, fade)
        self._changes = [_worn_from_the_start(emotion, intensity)]

    def set(
        self,
        sample: int,
        emotion: str,
        intensity: float | None = None,
        over: float | None = None,
    ) -> None:
        """Wear ``emotion`` from ``sample`` on.

        Args:
            intensity: None keeps the one set last.
            over: seconds of the fade; None is the timeline's own.

        Raises:
            BadOption: unknown emotion, or a number out of range.
        """
        last = self._changes[-1]
        kept = last.intensity if intensity is None else intensity
        fade = self._fade if over is None else checked_fade(over)
        frame = frames_of(sample)
        if frame == 0:
            # Before the first sample there is nothing to fade from.
            self._changes = [_worn_from_the_start(emotion, kept)]
            return
        self._put(_checked(frame, emotion, kept, fade))

    def cut(self, frame: int) -> None:
        """Wear from ``frame`` on what was to be worn last: the frames between are not shown."""
        last = self._changes[-1]
        if last.frame <= frame:
            return
        self._changes = [c for c in self._changes if c.frame <= frame]
        if frame == 0:
            self._changes = [_worn_from_the_start(last.emotion, last.intensity)]
        else:
            self._put(replace(last, frame=frame))

    def forget(self, frame: int) -> None:
        """Drop changes that no frame from ``frame`` on can show any more."""
        while len(self._changes) > 1 and self._changes[1].faded_in <= frame:
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
            x = (frames - change.frame + 1) / change.fade
            share = smoothstep(x).astype(np.float32)[:, None]
            mixture = mixture * (1.0 - share) + change.target * share
        return mixture.astype(np.float32)

    def _put(self, change: _Change) -> None:
        if self._changes[-1].frame == change.frame:
            # Two changes at one place: the later one is what was meant.
            self._changes.pop()
        self._changes.append(change)


def checked_fade(over: float) -> int:
    """Seconds of a fade as frames, at least 1; raises `BadOption` outside [0, `LONGEST_FADE`]."""
    number = isinstance(over, (int, float, np.integer, np.floating)) and not isinstance(over, bool)
    if not (number and 0 <= over <= LONGEST_FADE):
        raise BadOption(
            "over", expected=f"0 … {LONGEST_FADE:g} seconds of fading", found=repr(over)
        )
    return max(1, round(float(over) * FRAMES_PER_SECOND))


def _worn_from_the_start(emotion: str, intensity: float) -> _Change:
    # Just before the first frame, so that it is wholly faded in there.
    return _checked(-1, emotion, intensity, 1)


def _checked(frame: int, emotion: str, intensity: float, fade: int) -> _Change:
    emotion_index(emotion)
    return _Change(frame, emotion, checked_intensity(intensity), fade)
