"""What other threads want of a session, until its own thread comes round to it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from ...contract.data import Float32
from ...contract.errors import SessionMisuse
from ...contract.units import SAMPLE_RATE
from ..audio.intake import Intake, Pushed
from .clock import Clock
from .options import LiveOptions
from .recorder import Recorder

MAX_CALLS = 10_000
"""Calls other than `push` that may wait for the next frame; more come from a loop gone wild."""

Act = Callable[[Recorder], None]
"""Something to be done to the session."""


class Inbox:
    """Takes calls from any thread, in order; what is wrong with them is said to the caller.

    Args:
        rate: samples a second of what is pushed.
        options: limits.
        clock: says when something was pushed.
    """

    def __init__(self, rate: int, options: LiveOptions, clock: Clock) -> None:
        self._rate, self._options, self._clock = rate, options, clock
        self._state = threading.Condition()
        self._acts: deque[Act] = deque()
        self._calls, self._waiting, self._held = 0, 0.0, 0.0
        self._intake = _checker()
        self._closed = self._ended = False

    @property
    def backlog(self) -> float:
        """Sound taken and not yet in a frame, seconds."""
        with self._state:
            return self._waiting + self._held

    def push(self, samples: Pushed, act: Callable[[Recorder, Float32, float], None]) -> None:
        """Take samples; ``act`` will push them, and is told the moment they came.

        Raises and waits as `LiveDriver.push` says.
        """
        with self._state:
            while True:
                self._check_open()
                piece = self._intake.checked(samples)
                seconds = len(piece.samples) / self._rate
                if self._waiting + self._held + seconds <= self._options.backlog:
                    break
                if self._options.flood == "refuse" or seconds > self._options.backlog:
                    raise self._too_much(seconds)
                self._clock.wait(self._state, None)
            block = self._intake.take(piece)
            moment = self._clock.now()
            self._waiting += seconds
            self._acts.append(lambda recorder: act(recorder, block, moment))

    def leave(self, act: Act, *, cuts: bool = False) -> None:
        """Take another call; ``cuts`` if what is pushed after it begins afresh.

        Raises:
            SessionMisuse: the input has ended, or `MAX_CALLS` are waiting.
        """
        with self._state:
            self._check_open()
            if self._calls >= MAX_CALLS:
                raise SessionMisuse(
                    "live driver",
                    expected=f"at most {MAX_CALLS} calls between two frames",
                    found="more",
                    remedy="look for the loop that makes them",
                )
            if cuts:
                self._intake = _checker()
            self._calls += 1
            self._acts.append(act)

    def empty(self) -> tuple[deque[Act], bool]:
        """All that was taken, and whether nothing will come after it."""
        with self._state:
            acts, self._acts = self._acts, deque()
            self._held, self._waiting, self._calls = self._held + self._waiting, 0.0, 0
            return acts, self._ended

    def report(self, held: float) -> None:
        """Hear that ``held`` seconds of all that was given out are not yet in a frame."""
        with self._state:
            self._held = held
            self._state.notify_all()

    def end(self) -> None:
        """Take nothing more; what was taken is still given out."""
        with self._state:
            self._ended = True
            self._state.notify_all()

    def close(self) -> None:
        """Take nothing more, and forget what was taken."""
        with self._state:
            self._closed = True
            self._acts.clear()
            self._state.notify_all()

    def _check_open(self) -> None:
        if self._closed or self._ended:
            raise SessionMisuse(
                "live driver",
                expected="an open one",
                found="a closed one" if self._closed else "one whose input ended",
                remedy="begin another",
            )

    def _too_much(self, seconds: float) -> SessionMisuse:
        return SessionMisuse(
            "push",
            expected=f"at most {self._options.backlog:g} s of sound not yet shown",
            found=f"{self._waiting + self._held + seconds:.1f} s",
            remedy="push it later, or in small pieces with flood='wait'",
        )


def _checker() -> Intake:
    """Checks samples and joins bytes to samples; the session converts the rate."""
    return Intake(SAMPLE_RATE)
