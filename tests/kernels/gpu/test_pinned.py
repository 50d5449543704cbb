"""What the kernels take of every architecture they are built for, by the real NVRTC."""

from __future__ import annotations

import dataclasses

import pytest

from emogene.contract.field import FieldSpec
from emogene.kernels.gpu import nvrtc
from emogene.kernels.gpu.fused import fused_program
from emogene.kernels.gpu.fused_plan import fused_plan
from emogene.kernels.gpu.wanted import wanted_programs
from emogene.reference.authors import authors_head
from emogene.reference.demo import demo_head, demo_torso

pytestmark = pytest.mark.skipif(bool(nvrtc.missing()), reason="NVRTC is not installed")

ARCHITECTURES = ("sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120")


def published() -> FieldSpec:
    field = authors_head().field
    return dataclasses.replace(field, march=dataclasses.replace(field.march, box=None))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(
    ("field", "most"),
    [
        # The most registers and bytes of stack of any kernel. A thread holds a sample's layers.
        (demo_head().field, {"plain": (88, 512), "fused": (128, 32)}),
        (published(), {"plain": (255, 1792), "fused": (232, 32)}),
    ],
    ids=["realtime", "authors"],
)
def test_registers_and_stack(
    field: FieldSpec, most: dict[str, tuple[int, int]], architecture: str
) -> None:
    programs = wanted_programs(field, demo_torso().torso, architecture)
    assert {program.name for program in programs} == set(most)
    for program in programs:
        made = nvrtc.compile_cubin(program.unit, architecture, program.options)
        assert not program.spilling(made.kernels) and program.spills == 0
        found = [(k.name, k.registers, k.stack, k.shared) for k in made.kernels]
        registers, stack = most[program.name]
        assert max(k.registers for k in made.kernels) <= registers, found
        assert max(k.stack for k in made.kernels) <= stack, found


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(
    ("field", "most"),
    [
        # Registers. The stack is that of the torso's sines and cosines.
        (demo_head().field, 118),
        (published(), 229),
    ],
    ids=["realtime", "authors"],
)
def test_the_tensor_core_kernel(field: FieldSpec, most: int, architecture: str) -> None:
    torso = demo_torso().torso
    program = fused_program(field, torso, architecture)
    (kernel,) = nvrtc.compile_cubin(program.unit, architecture, program.options).kernels
    assert kernel.spill_stores == kernel.spill_loads == program.spills == 0
    assert kernel.registers <= most and kernel.stack <= 32 and kernel.shared == 0, kernel
    # A block must find its registers, given out by 8 a thread, among 64 Ki.
    threads = fused_plan(field, torso, architecture).threads
    assert -(-kernel.registers // 8) * 8 * threads <= 1 << 16
