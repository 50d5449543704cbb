"""Whose frame is computed next, when many sessions share one avatar's threads."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..contract.errors import SessionMisuse
from ..contract.units import FRAMES_PER_SECOND

PATIENCE = 1.0
"""Seconds after which a frame that nobody waits for counts as due: so much may live sessions get
ahead of files, and no more."""


class FrameScheduler:
    """Admits frames, the one that is due first before all others.

    A frame uses all the avatar's threads, so a few at a time are as fast as many at once, and each
    is done sooner. Sessions that fall behind have the earlier deadlines; those that ask at the same
    time are served in turns.

    Args:
        slots: frames computed at once.
        clock: seconds.
    """

    def __init__(self, slots: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.slots = slots
        self._clock = clock
        self._state = threading.Condition()
        self._waiting: list[tuple[float, int]] = []
        self._running = self._aside = self._serial = 0
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether no more frames are admitted."""
        return self._closed

    @contextmanager
    def turn(self, deadline: float | None = None) -> Iterator[float]:
        """Wait for a slot, and hold it inside the block.

        Args:
            deadline: when the frame is needed, seconds on the clock; None if nobody waits for it.

        Yields:
            Seconds that were waited.

        Raises:
            SessionMisuse: the avatar is closed, or was meanwhile.
        """
        asked = self._clock()
        due = asked + PATIENCE if deadline is None else deadline
        with self._state:
            self._serial += 1
            ticket = (due, self._serial)
            self._waiting.append(ticket)
            try:
                self._state.wait_for(lambda: self._closed or self._admits(ticket))
            finally:
                self._waiting.remove(ticket)
                self._state.notify_all()
            if self._closed:
                raise avatar_closed()
            self._running += 1
        try:
            yield self._clock() - asked
        finally:
            with self._state:
                self._running -= 1
                self._state.notify_all()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Compute something long beside the frames inside the block; it takes no slot.

        Raises:
            SessionMisuse: the avatar is closed.
        """
        with self._state:
            if self._closed:
                raise avatar_closed()
            self._aside += 1
        try:
            yield
        finally:
            with self._state:
                self._aside -= 1
                self._state.notify_all()

    def close(self) -> None:
        """Admit no more, and wait for what is being computed; twice is fine."""
        with self._state:
            self._closed = True
            self._state.notify_all()
            self._state.wait_for(lambda: self._running + self._aside == 0)

    def _admits(self, ticket: tuple[float, int]) -> bool:
        return self._running < self.slots and ticket == min(self._waiting)


class Beats:
    """Spreads sessions that need something regularly over the time between, so that they do not
    all need it at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # One that is forgotten without an end must not be considered for ever.
        self._begun: weakref.WeakKeyDictionary[object, float] = weakref.WeakKeyDictionary()

    def begin(self, who: object, now: float, period: float) -> float:
        """The first moment from ``now`` on that is furthest from the beats of all others.

        Args:
            who: until `end` is told of it.
            now: seconds.
            period: of its beats, seconds.
        """
        with self._lock:
            phases = sorted(moment % period for moment in self._begun.values())
            if phases:
                after = [*phases[1:], phases[0] + period]
                gap, phase = max((b - a, a) for a, b in zip(phases, after, strict=True))
                now += (phase + gap / 2 - now) % period
            self._begun[who] = now
            return now

    def end(self, who: object) -> None:
        """``who`` has no more beats."""
        with self._lock:
            self._begun.pop(who, None)


class LoadMeter:
    """How much of each second live frames take, by their size.

    Args:
        slots: frames computed at once.
    """

    KNOWN = 25
    """Frames after which a mean is trusted."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._lock = threading.Lock()
        self._means: dict[int, tuple[int, float]] = {}

    def add(self, size: int, seconds: float) -> None:
        """A frame of ``size`` pixels a side took so long."""
        with self._lock:
            count, mean = self._means.get(size, (0, 0.0))
            count += 1
            # A running mean first, then one that forgets after some ten seconds.
            self._means[size] = count, mean + (seconds - mean) / min(count, 250)

    def load(self, sizes: list[int]) -> float | None:
        """Share of the time that live sessions of these sizes need; None if one was never seen."""
        with self._lock:
            known = {
                size: mean for size, (count, mean) in self._means.items() if count >= self.KNOWN
            }
        if not set(sizes) <= set(known):
            return None
        return sum(known[size] for size in sizes) * FRAMES_PER_SECOND / self._slots


def avatar_closed() -> SessionMisuse:
    """What a session says whose avatar was closed."""
    return SessionMisuse(
        "session",
        expected="its avatar open",
        found="the avatar closed",
        remedy="close sessions before their avatar",
    )
