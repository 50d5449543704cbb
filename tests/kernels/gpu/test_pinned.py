"""What the kernels take of every architecture they are built for, by the real NVRTC."""

from __future__ import annotations

import dataclasses
import functools

import pytest

from emogene.contract.cubins import KernelResources
from emogene.contract.field import FieldSpec
from emogene.kernels.gpu import nvrtc
from emogene.kernels.gpu.fused_plan import fused_plan
from emogene.kernels.gpu.specification import networks_by_role
from emogene.kernels.gpu.wanted import wanted_programs
from emogene.kernels.gpu.wavefront import KERNELS
from emogene.reference.authors import authors_head
from emogene.reference.authors_torso import authors_torso
from emogene.reference.demo import demo_head, demo_torso

pytestmark = pytest.mark.skipif(bool(nvrtc.missing()), reason="NVRTC is not installed")

ARCHITECTURES = ("sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120")


def published() -> FieldSpec:
    field = authors_head().field
    return dataclasses.replace(field, march=dataclasses.replace(field.march, box=None))


FIELDS = {
    "realtime": (demo_head().field, demo_torso().torso),
    "authors": (published(), authors_torso().torso),
}

Pins = dict[str, tuple[int, int]]
"""The most registers and bytes of stack of a kernel."""


@functools.cache
def compiled(name: str, architecture: str) -> dict[str, tuple[KernelResources, ...]]:
    """Every program's kernels, none of which may spill."""
    made = {}
    # The built-in avatar's tables are stored in halves, the published ones in float32.
    halves = name == "realtime"
    for program in wanted_programs(*FIELDS[name], architecture, half_tables=halves):
        cubin = nvrtc.compile_cubin(program.unit, architecture, program.options)
        assert not any(k.spill_stores + k.spill_loads for k in cubin.kernels)
        assert program.spills <= 64
        made[program.name] = cubin.kernels
    return made


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(
    ("name", "most"),
    [
        # Of any kernel. A thread holds a sample's layers.
        ("realtime", {"plain": (88, 512), "wavefront": (96, 464), "fused": (118, 32)}),
        ("authors", {"plain": (255, 2096), "wavefront": (168, 1552), "fused": (229, 656)}),
    ],
)
def test_registers_and_stack(name: str, most: Pins, architecture: str) -> None:
    programs = compiled(name, architecture)
    assert set(programs) == set(most)
    for program, kernels in programs.items():
        found = [(k.name, k.registers, k.stack, k.shared) for k in kernels]
        registers, stack = most[program]
        assert max(k.registers for k in kernels) <= registers, found
        assert max(k.stack for k in kernels) <= stack, found


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", FIELDS)
def test_the_kernels_of_a_round(name: str, architecture: str) -> None:
    kernels = {k.name: k for k in compiled(name, architecture)["wavefront"]}
    networks = {f"run_{role}" for role in networks_by_role(*FIELDS[name])}
    assert set(kernels) == {*KERNELS, *networks}
    for kernel in (kernels[n] for n in KERNELS):
        # As many as let 896 threads be in flight, of the one that reads a ray's four grids.
        assert kernel.registers <= 72, kernel
        # Sines and cosines; and, of the place of a torso that sees it, the head's code.
        coded = kernel.name == "place_torso" and name == "authors"
        assert kernel.stack <= (256 if coded else 32), kernel


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", FIELDS)
def test_the_tensor_core_kernel(name: str, architecture: str) -> None:
    (kernel,) = compiled(name, architecture)["fused"]
    # The stack is that of the torso's sines and cosines, and of the head's code.
    assert kernel.stack <= (656 if name == "authors" else 32) and kernel.shared == 0, kernel
    # A block must find its registers, given out by 8 a thread, among 64 Ki.
    threads = fused_plan(*FIELDS[name], architecture).threads
    assert -(-kernel.registers // 8) * 8 * threads <= 1 << 16
