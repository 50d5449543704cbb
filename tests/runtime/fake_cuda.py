"""A model of an NVIDIA GPU and of its driver, for machines that have neither.

It is strict where the real one is undefined: work on a stream happens when the stream is
synchronised, not before; copies may only touch memory that is allocated, and only as much of it;
nothing may be allocated while a stream is captured. ``fake_driver`` is the driver's API on it.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from emogene.runtime.backends import driver

from .fake_driver import cuda_driver

Triple = tuple[int, int, int]
Kernel = Callable[[Triple, Triple, int, bytes], None]
"""Runs a launch: grid, block, bytes of dynamic shared memory, and the parameters as they lie."""


@dataclass
class Machine:
    """A machine with a GPU.

    Attributes:
        architecture, gpus, cuda, status: what the driver says; ``status`` is that of ``cuInit``.
        memory: bytes of the GPU.
        log: what was called, for tests of order and number.
        kernels: what runs in place of a cubin's kernels, by their names.
        images: the same of one cubin, by its SHA-256; asked before ``kernels``.
    """

    architecture: str = "sm_86"
    gpus: int = 1
    cuda: int = 13000
    status: int = 0
    memory: int = 1 << 30
    log: list[str] = field(default_factory=list)
    allocations: dict[int, Any] = field(default_factory=dict)
    streams: dict[int, list[Callable[[], None]]] = field(default_factory=dict)
    graphs: dict[int, list[Callable[[], None]]] = field(default_factory=dict)
    capturing: int = 0
    kernels: dict[str, Kernel] = field(default_factory=dict)
    images: dict[str, Mapping[str, Kernel]] = field(default_factory=dict)
    shared_memory: int = 101_376
    multiprocessors: int = 4
    contexts: weakref.WeakSet[Any] = field(default_factory=weakref.WeakSet)
    handles: int = 100

    @property
    def ready(self) -> bool:
        return self.status == 0 and self.gpus > 0

    def handle(self) -> int:
        self.handles += 1
        return self.handles

    def enqueue(self, stream: int, work: Callable[[], None]) -> None:
        self.streams[stream].append(work)

    def room(self, address: int) -> int:
        """Bytes from an address to the end of its allocation; 0 if it is in none."""
        for start, block in self.allocations.items():
            if start <= address < start + len(block):
                return start + len(block) - address
        return 0

    def install(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Put the machine in place of this one."""
        monkeypatch.setattr(driver, "load_library", lambda: FakeLibcuda(self))
        monkeypatch.setattr(driver, "_VERSION_FILE", tmp_path / "no driver version")
        monkeypatch.setenv("EMOGENE_CACHE", str(tmp_path / "cache"))
        monkeypatch.setitem(sys.modules, "cuda.bindings.driver", cuda_driver(self))


class FakeLibcuda:
    """The driver's API, with the pointers of ctypes."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def cuInit(self, flags: int) -> int:
        return self.machine.status

    def cuDriverGetVersion(self, version: Any) -> int:
        version._obj.value = self.machine.cuda
        return 0

    def cuDeviceGetCount(self, count: Any) -> int:
        count._obj.value = self.machine.gpus
        return 0

    def cuDeviceGet(self, device: Any, index: int) -> int:
        device._obj.value = index
        return 0

    def cuDeviceGetName(self, name: Any, size: int, device: Any) -> int:
        name.value = b"Model GPU"
        return 0

    def cuDeviceGetAttribute(self, value: Any, attribute: int, device: Any) -> int:
        number = int(self.machine.architecture.removeprefix("sm_"))
        value._obj.value = {75: number // 10, 76: number % 10}[attribute]
        return 0

    def cuDeviceTotalMem_v2(self, size: Any, device: Any) -> int:
        size._obj.value = self.machine.memory
        return 0
