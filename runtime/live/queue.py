"""Finished frames on their way to the one who looks."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ...contract.data import Frame
from .clock import Clock
from .options import LiveOptions


@dataclass(frozen=True)
class QueueCounts:
    """What went through a queue; see `LiveMetrics`."""

    frames: int = 0
    taken: int = 0
    dropped: int = 0
    late: int = 0
    queued: int = 0
    first_frame_seconds: float | None = None
    latency_seconds: float | None = None


@dataclass(frozen=True)
class Due:
    """A finished frame.

    Attributes:
        moment: when it is to be shown, seconds on the driver's clock.
        pushed: when the sound that begins in it was pushed; None if that was filler.
    """

    frame: Frame
    moment: float
    pushed: float | None


class FrameQueue:
    """Holds frames until they are due and taken; bounded as the options say."""

    def __init__(self, options: LiveOptions, clock: Clock) -> None:
        self._options, self._clock = options, clock
        self._state = threading.Condition()
        self._frames: deque[Due] = deque()
        self._counts = QueueCounts()
        self._listeners: list[Callable[[], None]] = []
        self._ended = self._closed = False

    @property
    def counts(self) -> QueueCounts:
        """Its counters now."""
        with self._state:
            return replace(self._counts, queued=len(self._frames))

    @property
    def ended(self) -> bool:
        """Whether nothing is in it and nothing will come."""
        with self._state:
            return self._ended and not self._frames

    def wait_to_begin(self, moment: float) -> bool:
        """Wait for ``moment``, and then for room if the options say so; False once it is closed."""
        with self._state:
            while not self._closed:
                full = self._options.late == "wait" and len(self._frames) >= self._options.queue
                if not full and self._clock.now() >= moment:
                    return True
                self._clock.wait(self._state, None if full else moment)
            return False

    def put(self, due: Due) -> None:
        """Add a frame; the oldest gives way to it if there is no room."""
        with self._state:
            dropped = len(self._frames) >= self._options.queue
            if dropped:
                self._frames.popleft()
            self._frames.append(due)
            self._counts = replace(
                self._counts,
                frames=self._counts.frames + 1,
                dropped=self._counts.dropped + dropped,
                late=self._counts.late + (self._clock.now() > due.moment),
            )
        self._announce()

    def take(self, timeout: float | None) -> Frame | None:
        """The next frame when it is due; None after ``timeout`` seconds, or when it has ended."""
        until = None if timeout is None else self._clock.now() + timeout
        with self._state:
            while True:
                now = self._clock.now()
                if self._frames and self._frames[0].moment <= now:
                    due = self._frames.popleft()
                    self._count_taken(due, now)
                    self._state.notify_all()
                    return due.frame
                if (self._ended and not self._frames) or (until is not None and now >= until):
                    return None
                moments = [due.moment for due in self._frames][:1] + (
                    [] if until is None else [until]
                )
                self._clock.wait(self._state, min(moments, default=None))

    def seconds_to_next(self) -> float | None:
        """Until the next finished frame is due, 0 if it is; None if none is finished."""
        with self._state:
            if not self._frames:
                return None
            return max(0.0, self._frames[0].moment - self._clock.now())

    @contextlib.contextmanager
    def listening(self, listener: Callable[[], None]) -> Iterator[None]:
        """Inside the block ``listener`` is called, from any thread, when a frame is finished or no
        more will come. It must return at once."""
        with self._state:
            self._listeners.append(listener)
        try:
            yield
        finally:
            with self._state:
                self._listeners.remove(listener)

    def stop(self) -> None:
        """Let nobody begin another frame."""
        with self._state:
            self._closed = True
            self._state.notify_all()

    def end(self, *, drop: bool) -> None:
        """Nothing will come any more; ``drop`` what is there, too."""
        with self._state:
            self._ended = True
            if drop:
                self._frames.clear()
        self._announce()

    def _announce(self) -> None:
        with self._state:
            listeners = tuple(self._listeners)
            self._state.notify_all()
        for listener in listeners:
            listener()

    def _count_taken(self, due: Due, now: float) -> None:
        counts = self._counts
        latency = counts.latency_seconds if due.pushed is None else now - due.pushed
        first = counts.first_frame_seconds
        self._counts = replace(
            counts,
            taken=counts.taken + 1,
            latency_seconds=latency,
            first_frame_seconds=latency if first is None else first,
        )
