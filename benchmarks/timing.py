"""Timing two things against each other on a machine that others may disturb."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Timing:
    """Wall-clock milliseconds of repeated runs.

    Attributes:
        median, p95: milliseconds.
        runs: how many there were.
    """

    median: float
    p95: float
    runs: int

    @staticmethod
    def of(seconds: Sequence[float]) -> Timing:
        """Median and 95th percentile of times in seconds."""
        milliseconds = 1e3 * np.asarray(seconds)
        return Timing(
            float(np.median(milliseconds)), float(np.percentile(milliseconds, 95)), len(seconds)
        )


def interleaved(
    first: Callable[[], object], second: Callable[[], object], budget: float
) -> tuple[Timing, Timing]:
    """Time two functions in turns, so that a disturbance meets both.

    Args:
        budget: seconds to spend, warm-up aside; each runs at least three times.
    """
    functions, times = (first, second), ([], [])
    for function in functions:
        function()
    end = time.perf_counter() + budget
    while len(times[1]) < 3 or time.perf_counter() < end:
        for function, taken in zip(functions, times, strict=True):
            began = time.perf_counter()
            function()
            taken.append(time.perf_counter() - began)
    return Timing.of(times[0]), Timing.of(times[1])
