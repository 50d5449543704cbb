"""The most a GPU can do: bytes copied, entries loaded, products and sums, measured here and now."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from emogene.kernels.gpu import nvrtc
from emogene.kernels.gpu.protocol import Argument, Gpu
from emogene.kernels.gpu.sources import Unit

from .events import best_ms

SOURCE = Path(__file__).with_name("measure.cu")

COPIED = 1 << 28
"""Bytes of the copy: more than any cache holds."""

TABLE_BYTES = 1 << 20
"""Of the table whose random loads are timed: about what a field's finest levels hold together."""

_THREADS = 256
_LOOPS = 4096
_PRODUCT = 2 * 16 * 8 * 16
"""Operations of one 16×8×16 product."""


@dataclass(frozen=True)
class GpuPeaks:
    """Attributes:
    memory_gbs: 10⁹ bytes a second, read and written.
    gloads: 10⁹ loads a second of eight bytes at random places of a table of `TABLE_BYTES`.
    fp32_gflops: of fused multiply-adds, each two operations.
    fp16_gflops: of tensor cores' products of halves with float32 sums, by ``mma.sync``.
    """

    memory_gbs: float
    gloads: float
    fp32_gflops: float
    fp16_gflops: float


def measure_unit() -> Unit:
    """The kernels that measure."""
    return Unit(f"benchmarks/gpu/{SOURCE.name}", SOURCE.read_text("utf-8"))


def measure_peaks(gpu: Gpu, *, copied: int = COPIED, loops: int = _LOOPS) -> GpuPeaks:
    """Best of a few runs each; about a second in all.

    Args:
        copied: bytes of the copy.
        loops: rounds of the other kernels.
    """
    stream = gpu.create_stream()
    target = nvrtc.target(gpu.facts.architecture)
    module = gpu.load(nvrtc.compile_cubin(measure_unit(), target).image)
    one, other = gpu.allocate(copied), gpu.allocate(copied)
    pointer, count, value = ctypes.c_void_p, ctypes.c_int32, ctypes.c_uint32

    def seconds(name: str, arguments: Sequence[Argument]) -> tuple[float, int]:
        """What it takes, with how many threads: as many as the GPU holds at a time."""
        function = gpu.function(module, name)
        held = max(1, gpu.resident_blocks(function, _THREADS, 0))
        blocks = gpu.facts.multiprocessors * held
        grid, block = (blocks, 1, 1), (_THREADS, 1, 1)

        def launch() -> None:
            gpu.launch(function, grid, block, arguments, 0, stream)

        return 1e-3 * best_ms(gpu, stream, launch), blocks * _THREADS

    try:
        gpu.fill(one, 1, copied, stream)
        whole = (pointer(one), pointer(other), count(copied // 16))
        copying, _ = seconds("copy_bytes", whole)
        mask = TABLE_BYTES // 8 - 1
        table = (pointer(one), value(mask), count(loops // 16), pointer(other))
        loading, loaders = seconds("random_loads", table)
        rounds = (count(loops), pointer(other))
        adding, adders = seconds("multiply_adds", (ctypes.c_float(0.5), *rounds))
        multiplying, multipliers = seconds("half_products", (value(0), *rounds))
    finally:
        gpu.synchronise(stream)
        for address in (one, other):
            gpu.free(address)
        gpu.unload(module)
        gpu.destroy_stream(stream)
    return GpuPeaks(
        2e-9 * copied / copying,
        1e-9 * 4 * (loops // 16) * loaders / loading,
        1e-9 * 2 * 16 * loops * adders / adding,
        1e-9 * 8 * _PRODUCT * loops * (multipliers // 32) / multiplying,
    )
