"""The clock of live sessions, apart so that tests can turn it by hand."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Seconds that go by, and a way to wait for them."""

    def now(self) -> float:
        """Seconds since some moment; never goes backwards."""

    def wait(self, condition: threading.Condition, until: float | None) -> None:
        """Wait, ``condition`` held by the caller, until it is notified or ``until`` is reached.

        None waits for the notification alone. It may return early; the caller looks again.
        """


class SystemClock:
    """The machine's monotonic clock."""

    def now(self) -> float:
        return time.monotonic()

    def wait(self, condition: threading.Condition, until: float | None) -> None:
        condition.wait(None if until is None else max(0.0, until - time.monotonic()))
