"""The most this processor can do, measured: what a renderer's time is compared with."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..contract.errors import Unavailable
from . import instructions, native

_multiply_adds = native.Kernel(
    "emogene_peak_multiply_adds", native.POINTER, native.I64, result=native.I64
)
_loads = native.Kernel("emogene_peak_loads", native.POINTER, native.POINTER, native.I64, native.I64)
_gathers = native.Kernel(
    "emogene_peak_gathers",
    native.POINTER,
    native.POINTER,
    native.POINTER,
    native.I64,
    native.I64,
    result=native.I64,
)
_widenings = native.Kernel(
    "emogene_peak_widenings",
    native.POINTER,
    native.POINTER,
    native.I64,
    native.I64,
    result=native.I64,
)

_PLACES = 16_384
"""Places that are read in turn: 64 KB of indices, which do not push the table out."""

_NUMBERS = 4_096
"""Numbers that are widened, or places that are gathered from, again and again: 8 or 16 KB."""


def multiply_adds_a_second(instruction_set: str, threads: int, seconds: float = 0.1) -> float:
    """Multiply-adds a second, all in registers, of all threads together; a FLOP is half of one.

    Args:
        instruction_set: one of `instructions.available`; ``avx512bf16`` and ``amx`` multiply
                bfloat16.
        threads: how many work at once.
        seconds: how long; the best of five parts counts.

    Raises:
        BadOption: there is no such instruction set.
        Unavailable: this processor does not have it, or the library no measure of it.
    """
    name = instructions.chosen(instruction_set).encode()
    if not _multiply_adds(name, 1):
        raise Unavailable(instruction_set, expected="a measured peak", found="none compiled")
    return _best_rate(lambda rounds: int(_multiply_adds(name, rounds)), threads, seconds)


def loads_a_second(table_bytes: int, threads: int, seconds: float = 0.1) -> float:
    """Loads of eight bytes a second, at random places of a table that each thread has for itself.

    Args:
        table_bytes: its size, at least 8.
        threads: how many work at once.
        seconds: how long; the best of five parts counts.
    """
    words = max(1, table_bytes // 8)
    places = np.random.default_rng(0).integers(0, words, _PLACES, dtype=np.uint32)

    def run(rounds: int) -> int:
        table = np.zeros(words, np.uint64)
        table += 1  # every page is really there
        _loads(table.ctypes.data, places.ctypes.data, _PLACES, rounds)
        return rounds * _PLACES

    return _best_rate(run, threads, seconds)


def gathers_a_second(
    instruction_set: str, table_bytes: int, threads: int, seconds: float = 0.1
) -> float:
    """As `loads_a_second`, by the instruction that loads from many places; 0 without such."""
    name = instructions.chosen(instruction_set).encode()
    words = max(1, table_bytes // 8)
    # Few places: the loads are measured, and not those of where they go.
    places = np.random.default_rng(0).integers(0, words, _NUMBERS, dtype=np.uint32)
    table = np.ones(words, np.uint64)

    def run(rounds: int) -> int:
        mine = table.copy()
        return int(_gathers(name, mine.ctypes.data, places.ctypes.data, _NUMBERS, rounds))

    return _best_rate(run, threads, seconds) if run(1) else 0.0


def widenings_a_second(instruction_set: str, threads: int, seconds: float = 0.1) -> float:
    """Numbers of half precision a second that are loaded, widened and added; 0 without such an
    instruction."""
    name = instructions.chosen(instruction_set).encode()
    halves = np.ones(_NUMBERS, np.float16)

    def run(rounds: int) -> int:
        return int(_widenings(name, halves.ctypes.data, _NUMBERS, rounds))

    return _best_rate(run, threads, seconds) if run(1) else 0.0


def copied_bytes_a_second(threads: int, table_bytes: int = 1 << 26) -> float:
    """Bytes a second that are read and written by copying memory far larger than the caches."""
    with ThreadPoolExecutor(threads) as workers:
        pairs = [(np.ones(table_bytes, np.uint8), np.ones(table_bytes, np.uint8))] * threads
        pairs = [(a.copy(), b.copy()) for a, b in pairs]
        best = np.inf
        for _ in range(4):
            began = time.perf_counter()
            list(workers.map(lambda pair: np.copyto(pair[0], pair[1]), pairs))
            best = min(best, time.perf_counter() - began)
    return 2.0 * table_bytes * threads / best


def _best_rate(run: Callable[[int], int], threads: int, seconds: float) -> float:
    """``run(rounds)`` does and returns an amount of work; the best rate of all threads together.

    By the processor time of each thread, so that other programs count as little as can be.
    """

    def rate(rounds: int) -> float:
        began = time.thread_time()
        done = run(rounds)
        return done / max(time.thread_time() - began, 1e-9)

    rounds = 1
    while (spent := run(rounds) / rate(rounds)) < seconds / 20:
        rounds *= 2
    rounds = max(1, round(rounds * seconds / 5 / spent))
    with ThreadPoolExecutor(threads) as workers:
        return max(sum(workers.map(rate, [rounds] * threads)) for _ in range(5))
