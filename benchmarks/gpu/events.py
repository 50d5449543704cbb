"""Times of work on a stream, by the GPU's own clock."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from emogene.kernels.gpu.protocol import Gpu

from ..timing import Timing


def best_ms(gpu: Gpu, stream: int, enqueue: Callable[[], None], runs: int = 5) -> float:
    """Least milliseconds of a few runs, after one that is not timed."""
    return min(times_ms(gpu, stream, enqueue, runs))


def frame_timing(gpu: Gpu, stream: int, enqueue: Callable[[], None], runs: int) -> Timing:
    """Median and percentiles over ``runs``, after three that are not timed."""
    for _ in range(2):
        enqueue()
    return Timing.of([1e-3 * ms for ms in times_ms(gpu, stream, enqueue, runs)])


def times_ms(gpu: Gpu, stream: int, enqueue: Callable[[], None], runs: int) -> list[float]:
    """Milliseconds of each of ``runs``, after one that is not timed.

    All are enqueued before any is waited for, so that the GPU goes from one to the next and what
    the host takes to enqueue one is not counted.
    """
    events = [gpu.create_event() for _ in range(runs + 1)]
    try:
        with gpu.current():
            enqueue()
            gpu.record(events[0], stream)
            for event in events[1:]:
                enqueue()
                gpu.record(event, stream)
        return [gpu.elapsed(start, end) for start, end in itertools.pairwise(events)]
    finally:
        for event in events:
            gpu.destroy_event(event)
