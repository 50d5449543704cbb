"""Timing things against each other on a machine that others may disturb."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Timing:
    """Wall-clock milliseconds of repeated runs.

    Attributes:
        median, p95, p99: milliseconds.
        runs: how many there were.
    """

    median: float
    p95: float
    p99: float
    runs: int

    @staticmethod
    def of(seconds: Sequence[float]) -> Timing:
        """Median and percentiles of times in seconds, at least one."""
        middle, p95, p99 = (
            float(p) for p in np.percentile(1e3 * np.asarray(seconds), (50, 95, 99))
        )
        return Timing(middle, p95, p99, len(seconds))


def in_turns(
    functions: Mapping[str, Callable[[], object]],
    budget: float,
    least: int = 5,
    slow: Collection[str] = (),
) -> dict[str, Timing]:
    """Time functions in turns, so that a disturbance meets all, after each ran once unmeasured.

    Args:
        budget: seconds to spend in all, warm-up aside.
        least: times each runs even beyond the budget.
        slow: those that run that often only.
    """
    taken: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function()
    end, turns = time.perf_counter() + budget, 0
    while turns < least or time.perf_counter() < end:
        for name, function in functions.items():
            if name in slow and turns >= least:
                continue
            began = time.perf_counter()
            function()
            taken[name].append(time.perf_counter() - began)
        turns += 1
    return {name: Timing.of(seconds) for name, seconds in taken.items()}


class Stopwatch:
    """Adds up the processor time of the whole process over blocks: ``with watch: …``.

    Only where one thing runs at a time, on any number of threads, is that the block's own time.

    Attributes:
        seconds: of all cores together.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._began = 0.0

    def __enter__(self) -> Stopwatch:
        self._began = time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds += time.process_time() - self._began
