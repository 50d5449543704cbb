"""A track of emotions put to work: changes are set between the samples they stand between."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from ..contract.units import SAMPLE_RATE
from .audio.load import Samples
from .emotion_track import EmotionPoint, EmotionTrack


class Speaker(Protocol):
    """What takes samples and emotions: a session, or a driver around one."""

    def push(self, samples: Samples) -> None: ...

    def set_emotion(
        self, emotion: str, intensity: float | None = None, over: float | None = None
    ) -> None: ...


class EmotionCues:
    """Pushes a recording, and changes the emotion where its track says.

    Args:
        speaker: opened with the track's opening, nothing pushed yet.
        track: the changes.
        intensity: of the changes that name none.
        rate: samples a second of what is pushed.
    """

    def __init__(
        self,
        speaker: Speaker,
        track: EmotionTrack,
        intensity: float,
        rate: int = SAMPLE_RATE,
    ) -> None:
        self._speaker, self._intensity, self._rate = speaker, intensity, rate
        self._waiting = deque(track.changes)
        self._place = 0

    @property
    def waiting(self) -> tuple[EmotionPoint, ...]:
        """Changes whose place was not reached yet."""
        return tuple(self._waiting)

    def push(self, samples: Samples) -> None:
        """Push (n,) samples, n > 0."""
        end = self._place + len(samples)
        while self._waiting and self._waiting[0].sample(self._rate) < end:
            change = self._waiting.popleft()
            before = change.sample(self._rate) - self._place
            if before:
                self._speaker.push(samples[:before])
            self._speaker.set_emotion(
                change.emotion,
                self._intensity if change.intensity is None else change.intensity,
                over=change.fade,
            )
            samples, self._place = samples[before:], self._place + before
        self._speaker.push(samples)
        self._place = end
