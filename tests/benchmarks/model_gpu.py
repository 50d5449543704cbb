"""What does the benchmark's steps on the model of a GPU, through the real bindings.

For a process of its own: ``libcuda.so.1`` is another there, and every cubin is run by what g++
makes of its source.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from benchmarks.gpu import peaks, scenes, session

from emogene.kernels.gpu import nvrtc
from emogene.kernels.gpu.cubin_cache import CubinCache
from emogene.kernels.gpu.nvrtc import Cubin
from emogene.kernels.gpu.sources import Unit
from tests.kernels.gpu.host_kernels import MEETING, WARPS, host_kernels
from tests.runtime import fake_libcuda
from tests.runtime.fake_cuda import Kernel, Machine

SPOILT: set[str] = set()
"""Kernels that do nothing."""


def make(folder: Path, seed: int, check_size: int) -> session.Session:
    """As `benchmarks.gpu.run` makes one, small and slow."""
    install(folder.parent / "model")  # for all sessions of a test
    return session.Session(folder, seed, check_size, "cpu")


def install(kept: Path) -> None:
    """Put the model in place of this process's GPU; what is compiled for it is kept."""
    machine = Machine(memory=8 << 30)
    kept.mkdir(exist_ok=True)
    fake_libcuda.load(machine, kept)
    _run_sources(machine, kept)
    scenes.STEPS, session.RUNS, session.REFERENCE_RUNS = 1.5, 2, 1
    session.measure_peaks = lambda gpu: peaks.measure_peaks(gpu, copied=1 << 21, loops=16)
    # Of the cubin only names and parameters are read.
    nvrtc.STANDARD_OPTIONS = (*nvrtc.STANDARD_OPTIONS, "--Ofast-compile=max")


def make_wrong(folder: Path, seed: int, check_size: int) -> session.Session:
    """Some of its kernels do nothing, so that what they should write is what lay there."""
    SPOILT.update(("paint_pixels", "ask_march", "ask_grid_torso", "ask_blend"))
    return make(folder, seed, check_size)


def _run_sources(machine: Machine, folder: Path) -> None:
    """Let everything that is compiled for the GPU be compiled for the host, too."""
    obtain, compile_cubin = CubinCache.obtain, nvrtc.compile_cubin

    def known(unit: Unit, made: Cubin) -> Cubin:
        digest = hashlib.sha256(made.image).hexdigest()
        if digest not in machine.images:
            machine.images[digest] = _kernels(unit, made, folder)
        return made

    def obtained(
        cache: CubinCache, unit: Unit, architecture: str, options: tuple[str, ...] = ()
    ) -> Cubin:
        return known(unit, obtain(cache, unit, architecture, options))

    def compiled(unit: Unit, architecture: str, options: tuple[str, ...] = ()) -> Cubin:
        return known(unit, compile_cubin(unit, architecture, options))

    CubinCache.obtain = obtained  # type: ignore[method-assign]
    nvrtc.compile_cubin = compiled


def _kernels(unit: Unit, made: Cubin, folder: Path) -> Mapping[str, Kernel]:
    names = tuple(kernel.name for kernel in made.kernels)
    if unit.name.endswith("measure.cu"):  # machine instructions
        return {name: lambda *launch: None for name in names}
    meeting = tuple(n for n in names if n in MEETING or n.startswith(("ask_tensor", "paint_frame")))
    alone = tuple(n for n in names if n not in meeting)
    made_here = dict(host_kernels(unit, meeting, folder, WARPS, alone))
    return made_here | {name: lambda *launch: None for name in SPOILT & set(names)}
