"""The step of a build that compiles the avatar's CUDA kernels for chosen GPUs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import safe_open

from ..contract.cubins import CUBINS, CubinSpec
from ..contract.engine_directory import list_files
from ..contract.errors import Failure
from ..contract.manifest import WEIGHTS_FILE, Manifest
from ..contract.weights import table_name
from ..kernels.gpu import nvrtc
from ..kernels.gpu.cubin_cache import CubinCache
from ..kernels.gpu.programs import ABI, Program
from ..kernels.gpu.specification import all_grids
from ..kernels.gpu.wanted import wanted_programs
from ..runtime.render.reach import gpu_reach, stored_shapes
from .report import NAME_WIDTH

if TYPE_CHECKING:
    from .exporting import Started


def compile_cubins(
    folder: Path,
    manifest: Manifest,
    architectures: tuple[str, ...],
    cache: Path | None,
    started: Started,
    noted: Callable[[str], None],
) -> Manifest:
    """Compile every program of the avatar's fields into ``cubins/<program>.<architecture>.cubin``.

    Args:
        folder: holds what the manifest names, and gets the cubins.
        architectures: such as ``("sm_86", "sm_90")``; none compiles nothing.
        cache: folder of the cache; None uses none.

    Returns:
        the manifest with the cubins and their hashes.

    Raises:
        MissingExtra: NVRTC is not installed.
        Unavailable: it does not know one of the architectures.
        Failure: a kernel does not compile, or needs so many registers that it spills.
    """
    if not architectures:
        return manifest
    jobs = [
        (program, architecture)
        for architecture in architectures
        for program in _programs(folder, manifest, architecture)
    ]
    if not jobs:
        return manifest
    kept = CubinCache(cache / "kernels") if cache is not None else None
    (folder / CUBINS).mkdir(exist_ok=True)
    made = []
    for done, (program, architecture) in enumerate(jobs):
        started(f"{program.name} kernels for {architecture}", done, len(jobs))
        compiled = (
            kept.obtain(program.unit, architecture, program.options)
            if kept is not None
            else nvrtc.compile_cubin(program.unit, architecture, program.options)
        )
        _refuse_spills(program, compiled)
        name = f"{CUBINS}/{program.name}.{architecture}.cubin"
        (folder / name).write_bytes(compiled.image)
        compiler = f"NVRTC {nvrtc.version()}"
        made.append(
            CubinSpec(
                program.name, architecture, name, program.source, ABI, compiler, compiled.kernels
            )
        )
        registers = max(kernel.registers for kernel in compiled.kernels)
        noted(
            f"[✓] {program.name:<{NAME_WIDTH}}  {architecture}  {len(compiled.kernels)} kernels, "
            f"at most {registers} registers"
        )
    return dataclasses.replace(manifest, cubins=tuple(made), files=list_files(folder))


def _programs(folder: Path, manifest: Manifest, architecture: str) -> tuple[Program, ...]:
    """What a GPU paints the avatar with."""
    with safe_open(folder / WEIGHTS_FILE, "numpy") as stored:
        reach = gpu_reach(manifest, stored_shapes(stored))
        if reach.obstacle:
            return ()
        fields = (manifest.field, None if reach.beside else manifest.torso)
        tables = (table_name(grid) for grid in all_grids(*fields))
        # As `field_memory.stored_in_halves` finds it.
        halves = all(stored.get_slice(name).get_dtype() == "F16" for name in tables)
    return wanted_programs(*fields, architecture, half_tables=halves)


def _refuse_spills(program: Program, compiled: nvrtc.Cubin) -> None:
    for kernel in program.spilling(compiled.kernels):
        raise Failure(
            f"kernel {kernel.name} for {compiled.architecture}",
            expected=f"at most {program.spills} bytes of spills",
            found=f"{kernel.spill_stores} bytes stored and {kernel.spill_loads} loaded "
            f"with {kernel.registers} registers",
            remedy=f"report it with the version of NVRTC, {nvrtc.version()}",
        )
