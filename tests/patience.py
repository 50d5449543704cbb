"""How tests wait for other threads and processes: until it is so, however slow the machine."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 120.0
"""Seconds after which a test that waits for another thread or process fails."""


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until ``holds()``."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.0005)
