"""A clock that stands still until a test turns it."""

from __future__ import annotations

import threading

from tests.patience import PATIENCE


class FakeClock:
    """Follows the rules of `emogene.runtime.live.clock.Clock`."""

    def __init__(self) -> None:
        self._now = 100.0
        self._lock = threading.Lock()
        self._waiting: set[threading.Condition] = set()

    def now(self) -> float:
        with self._lock:
            return self._now

    def wait(self, condition: threading.Condition, until: float | None) -> None:
        with self._lock:
            if until is not None and until <= self._now:
                return
            self._waiting.add(condition)
        # `advance` needs the condition to notify it, so it cannot slip in before this waits.
        condition.wait(PATIENCE)

    def advance(self, seconds: float) -> None:
        """Let time go by, and wake whoever waits for it."""
        with self._lock:
            self._now += seconds
            waiting, self._waiting = self._waiting, set()
        for condition in waiting:
            with condition:
                condition.notify_all()
