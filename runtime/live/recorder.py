"""A session whose every call is written down."""

from __future__ import annotations

import math

import numpy as np

from ...contract.data import Float32, Frame
from ...contract.units import FRAMES_PER_SECOND, SAMPLE_RATE, frames_of
from ..audio.resample import held_back
from ..metrics import SessionMetrics
from ..session import Session
from .log import EmotionSet, Ended, Filled, Flushed, Interrupted, LogWriter, Pushed


class Recorder:
    """Hands calls on to a session and to its log, one thread at a time; closes both.

    Args:
        session: with nothing pushed yet.
        log: None keeps none.
    """

    def __init__(self, session: Session, log: LogWriter | None) -> None:
        self._session, self._log = session, log
        self._frames = 0
        self._silence = np.zeros(math.ceil(session.sample_rate / FRAMES_PER_SECOND), np.float32)

    @property
    def delay(self) -> int:
        """Frames of sound, from a frame's own on, that let it be computed in any case."""
        delay = self._session.profile.delay
        assert delay is not None, "checked by the driver"
        return delay + frames_of(held_back(self._session.sample_rate))

    @property
    def metrics(self) -> SessionMetrics:
        """The session's counters now."""
        return self._session.metrics

    @property
    def next_frame(self) -> int:
        """Index of the frame that `pull` gives next."""
        return self._frames

    @property
    def next_sample(self) -> int:
        """Index at 16 kHz that the next pushed sample gets."""
        return self._session.next_sample

    @property
    def ready(self) -> int:
        """Frames that can be pulled now."""
        return self._session.ready

    @property
    def backlog_seconds(self) -> float:
        """Sound pushed and not pulled."""
        return self.next_sample / SAMPLE_RATE - self._frames / FRAMES_PER_SECOND

    def begin(self, now: float) -> float:
        """As `Session.begin_beat`."""
        return self._session.begin_beat(now)

    def push(self, block: Float32) -> None:
        """Push (n,) float32 samples at the session's rate."""
        event = Pushed(self._frames, self.next_sample, len(block))
        self._session.push(block)
        if self._log is not None:
            self._log.write(event, block)

    def fill(self) -> None:
        """Push a frame's worth of silence."""
        event = Filled(self._frames, self.next_sample, len(self._silence))
        self._session.push(self._silence)
        if self._log is not None:
            self._log.write(event)

    def set_emotion(self, emotion: str, intensity: float | None, over: float | None) -> None:
        """As `Session.set_emotion`."""
        event = EmotionSet(self._frames, self.next_sample, emotion, intensity, over)
        self._session.set_emotion(emotion, intensity, over)
        if self._log is not None:
            self._log.write(event)

    def interrupt(self) -> None:
        """As `Session.interrupt`."""
        event = Interrupted(self._frames, self.next_sample)
        self._session.interrupt()
        if self._log is not None:
            self._log.write(event)

    def flush(self) -> None:
        """As `Session.flush`."""
        event = Flushed(self._frames, self.next_sample)
        self._session.flush()
        if self._log is not None:
            self._log.write(event)

    def pull(self, deadline: float) -> Frame | None:
        """As `Session.pull`; the log is handed to the system once a second."""
        frame = self._session.pull(deadline)
        if frame is not None:
            self._frames += 1
            if self._log is not None and self._frames % FRAMES_PER_SECOND == 0:
                self._log.flush()
        return frame

    def close(self) -> None:
        """Close the session and complete the log."""
        ended = Ended(self._frames, self.next_sample)
        self._session.close()
        if self._log is not None:
            try:
                self._log.write(ended)
            finally:
                self._log.close()
