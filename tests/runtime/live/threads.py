"""Threads that tests of live sessions start, and sound for them."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tests.patience import PATIENCE


def silence(seconds: float) -> NDArray[np.float32]:
    return np.zeros(round(seconds * 16_000), np.float32)


def in_a_thread(act: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    """Run ``act``; the list gets what it returns, or the exception it raises."""
    results: list[object] = []

    def run() -> None:
        try:
            results.append(act())
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, results


def over(thread: threading.Thread) -> None:
    thread.join(PATIENCE)
    assert not thread.is_alive(), "deadlock"
