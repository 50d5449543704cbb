"""Times of work on a stream, by the GPU's own clock."""

from __future__ import annotations

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
    """Milliseconds of each of ``runs``, after one that is not timed."""
    start, end = gpu.create_event(), gpu.create_event()
    taken = []
    try:
        enqueue()
        for _ in range(runs):
            gpu.record(start, stream)
            enqueue()
            gpu.record(end, stream)
            taken.append(gpu.elapsed(start, end))
    finally:
        gpu.destroy_event(start)
        gpu.destroy_event(end)
    return taken
