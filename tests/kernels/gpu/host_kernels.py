"""Kernels compiled by g++ in place of those of a cubin, for the model of a GPU to launch."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from emogene.contract.field import FieldSpec, TorsoSpec
from emogene.kernels.gpu import nvrtc
from emogene.kernels.gpu.fused import fused_program
from emogene.kernels.gpu.plain import PLAIN, plain_program
from emogene.kernels.gpu.sources import Unit
from emogene.kernels.gpu.specification import networks_by_role
from emogene.kernels.gpu.wavefront import KERNELS, WAVEFRONT, wavefront_program

from ...runtime.fake_cuda import Kernel, Triple

LAUNCH, WARPS = (Path(__file__).with_name(name) for name in ("host_launch.h", "host_warps.h"))
MEETING = (
    *("start_rays", "scan_tiles", "choose_items", "march_rays", "place_samples"),
    *("composite_samples", "mark_hits", "put_heads"),
)
"""Kernels of a frame in rounds whose threads work together."""

HASTY = (*nvrtc.STANDARD_OPTIONS, "--Ofast-compile=max")
"""Options of NVRTC where only a cubin's names and parameters are read, not its code."""

FLAGS = ("-std=gnu++17", "-O1", "-ffp-contract=off", "-fno-math-errno", "-shared", "-fPIC", "-w")


def host_kernels(
    unit: Unit,
    names: tuple[str, ...],
    folder: Path,
    launch: Path = LAUNCH,
    alone: tuple[str, ...] = (),
) -> Mapping[str, Kernel]:
    """Every named kernel of a source, compiled into ``folder`` once for the same text.

    Args:
        launch: `LAUNCH`, or `WARPS` for kernels whose threads work together.
        alone: more kernels, beside such, whose threads do not.
    """
    compiler = os.environ.get("CXX") or shutil.which("g++")
    if compiler is None:
        pytest.skip("there is no C++ compiler")
    where = folder / hashlib.sha256(unit.sha256.encode()).hexdigest()[:16]
    library = where / "kernels.so"
    if not library.exists():
        launchers = "".join(f"LAUNCHABLE({name})\n" for name in names)
        launchers += "".join(f"LAUNCHABLE_ALONE({name})\n" for name in alone)
        text = f'#include "{launch.name}"\n{unit.text}\n{launchers}'
        for name, source in {**unit.headers, "unit.cpp": text}.items():
            (where / name).parent.mkdir(parents=True, exist_ok=True)
            (where / name).write_text(source)
        for header in (LAUNCH, WARPS):
            (where / header.name).write_text(header.read_text())
        command = [compiler, *FLAGS, f"-I{where}", str(where / "unit.cpp"), "-o", str(library)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    loaded = ctypes.CDLL(str(library))

    def kernel(name: str) -> Kernel:
        function = loaded[f"launch_{name}"]

        def run(grid: Triple, block: Triple, shared: int, parameters: bytes) -> None:
            assert shared == 0 or launch == WARPS, "only the model of warps has shared memory"
            shape = (ctypes.c_uint * 7)(*grid, *block, shared)
            function(shape, ctypes.c_char_p(parameters))

        return run

    return {name: kernel(name) for name in (*names, *alone)}


def kernels_of_kind(
    kind: str, field: FieldSpec, torso: TorsoSpec | None, folder: Path, *, half_tables: bool = False
) -> Mapping[str, Kernel]:
    """All that a frame by one of `kinds.KINDS` launches, on sm_86."""
    if kind == WAVEFRONT:
        return wavefront_kernels(field, torso, folder, half_tables=half_tables)
    if kind == PLAIN:
        unit = plain_program(field, torso, half_tables=half_tables).unit
        return host_kernels(unit, ("bake_nodes", "paint_pixels"), folder)
    return host_kernels(fused_program(field, torso, "sm_86").unit, ("paint_frame",), folder, WARPS)


def wavefront_kernels(
    field: FieldSpec, torso: TorsoSpec | None, folder: Path, *, half_tables: bool = False
) -> Mapping[str, Kernel]:
    """The kernels of a frame in rounds; only those whose threads meet pay for a model of warps."""
    networks = tuple(f"run_{role}" for role in networks_by_role(field, torso))
    alone = tuple(name for name in KERNELS if name not in MEETING)
    unit = wavefront_program(field, torso, half_tables=half_tables).unit
    return host_kernels(unit, MEETING, folder, WARPS, (*alone, *networks))
