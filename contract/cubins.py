"""CUDA kernels compiled ahead of time for one architecture each."""

from __future__ import annotations

from dataclasses import dataclass

CUBINS = "cubins"
"""Folder of an engine directory that holds them, and the feature of a manifest that lists them.
No directory requires it: who does not know it compiles the kernels or renders otherwise."""


@dataclass(frozen=True)
class KernelResources:
    """What one kernel takes of a GPU, as the compiler says.

    Attributes:
        name: of its entry function.
        registers: of a thread.
        stack: local memory of a thread, bytes.
        shared: static shared memory of a block, bytes.
        spill_stores, spill_loads: bytes of instructions that moved registers to local memory and
            back because there were not enough.
    """

    name: str
    registers: int
    stack: int
    shared: int
    spill_stores: int
    spill_loads: int


@dataclass(frozen=True)
class CubinSpec:
    """One program for one architecture.

    Attributes:
        program: which, such as ``"fused"``.
        architecture: compute capability, such as ``"sm_90"``.
        file: path inside the engine directory.
        source: SHA-256 over its sources, headers and options; another of ours does not fit it.
        abi: number of the kernels' arguments; see `kernels.gpu.programs.ABI`.
        compiler: name and version of what compiled it.
        kernels: what each takes.
    """

    program: str
    architecture: str
    file: str
    source: str
    abi: int
    compiler: str
    kernels: tuple[KernelResources, ...]
