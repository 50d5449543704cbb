"""A track of emotions put to work: changes are set between the samples they stand between."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from ..contract.data import Float32
from .emotion_track import EmotionPoint, EmotionTrack


class Speaker(Protocol):
    """What takes samples and emotions: a session, or a driver around one."""

    def push(self, samples: Float32) -> None: ...

    def set_emotion(
        self, emotion: str, intensity: float | None = None, *, over: float | None = None
    ) -> None: ...


class EmotionCues:
    """Pushes a recording, and changes the emotion where its track says.

    Args:
        speaker: opened with the track's opening, nothing pushed yet.
        track: the changes.
        intensity: of the changes that name none.
    """

    def __init__(self, speaker: Speaker, track: EmotionTrack, intensity: float) -> None:
        self._speaker, self._intensity = speaker, intensity
        self._waiting = deque(track.changes)
        self._place = 0

    @property
    def waiting(self) -> tuple[EmotionPoint, ...]:
        """Changes whose place was not reached yet."""
        return tuple(self._waiting)

    def push(self, samples: Float32) -> None:
        """Push (n,) float32 samples at 16 kHz, n > 0."""
        end = self._place + len(samples)
        while self._waiting and self._waiting[0].sample < end:
            change = self._waiting.popleft()
            before = change.sample - self._place
            if before:
                self._speaker.push(samples[:before])
            self._speaker.set_emotion(
                change.emotion,
                self._intensity if change.intensity is None else change.intensity,
                over=change.fade,
            )
            samples, self._place = samples[before:], change.sample
        self._speaker.push(samples)
        self._place = end
