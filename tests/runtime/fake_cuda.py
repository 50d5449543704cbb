"""A model of the NVIDIA driver and of CUDA's runtime, for machines that have neither.

It is strict where the real ones are undefined: work on a stream happens when the stream is
synchronised, not before; copies may only touch memory that is allocated, and only as much of it;
nothing may be allocated while a stream is captured.
"""

from __future__ import annotations

import ctypes
import sys
import types
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from emogene.runtime.backends import driver


@dataclass
class Machine:
    """A machine with a GPU.

    Attributes:
        architecture, gpus, cuda, status: what the driver says; ``status`` is that of ``cuInit``.
        memory: bytes of the GPU.
        log: what was called, for tests of order and number.
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
        monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", cuda_runtime(self))


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


def cuda_runtime(machine: Machine) -> types.ModuleType:
    """``cuda.bindings.runtime``: functions that return (status, result, …)."""
    module = types.ModuleType("cuda.bindings.runtime")
    invalid, no_memory, capture = 1, 2, 900

    def call(function: Callable[..., Any]) -> None:
        def wrapped(*arguments: Any) -> tuple[Any, ...]:
            machine.log.append(function.__name__)
            try:
                result = function(*arguments)
            except CudaError as error:
                return (error.status,)
            return (0,) if result is None else (0, result)

        setattr(module, function.__name__, wrapped)

    @call
    def cudaMalloc(size: int) -> int:
        if machine.capturing:
            raise CudaError(capture)
        if size <= 0 or sum(map(len, machine.allocations.values())) + size > machine.memory:
            raise CudaError(no_memory)
        # Filled, so that nobody relies on zeros.
        block = (ctypes.c_ubyte * size)(*([0xA5] * min(size, 64)))
        machine.allocations[ctypes.addressof(block)] = block
        return ctypes.addressof(block)

    @call
    def cudaFree(address: int) -> None:
        if machine.allocations.pop(address, None) is None:
            raise CudaError(invalid)

    @call
    def cudaStreamCreateWithFlags(flags: int) -> int:
        stream = machine.handle()
        machine.streams[stream] = []
        return stream

    @call
    def cudaStreamDestroy(stream: int) -> None:
        assert not machine.streams.pop(stream), "a stream was destroyed with work on it"

    @call
    def cudaStreamSynchronize(stream: int) -> None:
        work = machine.streams[stream]
        while work:
            work.pop(0)()

    @call
    def cudaMemcpyAsync(to: int, origin: int, size: int, kind: int, stream: int) -> None:
        if machine.room(to if kind == 1 else origin) < size:
            raise CudaError(invalid)
        machine.enqueue(stream, lambda: (ctypes.memmove(to, origin, size), None)[1])

    @call
    def cudaStreamBeginCapture(stream: int, mode: int) -> None:
        machine.capturing = stream
        machine.graphs[stream], machine.streams[stream] = machine.streams[stream], []

    @call
    def cudaStreamEndCapture(stream: int) -> int:
        recorded, machine.capturing = machine.streams[stream], 0
        machine.streams[stream] = machine.graphs.pop(stream)
        graph = machine.handle()
        machine.graphs[graph] = recorded
        return graph

    @call
    def cudaGraphInstantiate(graph: int, flags: int) -> int:
        made = machine.handle()
        machine.graphs[made] = machine.graphs[graph]
        return made

    @call
    def cudaGraphLaunch(graph: int, stream: int) -> None:
        machine.streams[stream] += machine.graphs[graph]

    @call
    def cudaGraphDestroy(graph: int) -> None:
        del machine.graphs[graph]

    @call
    def cudaGraphExecDestroy(graph: int) -> None:
        del machine.graphs[graph]

    module.cudaGetErrorString = lambda status: (0, f"error {status}".encode())  # type: ignore
    module.cudaMemcpyKind = types.SimpleNamespace(  # type: ignore[attr-defined]
        cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2
    )
    module.cudaStreamCaptureMode = types.SimpleNamespace(  # type: ignore[attr-defined]
        cudaStreamCaptureModeThreadLocal=1
    )
    return module


class CudaError(Exception):
    """Makes a function of the model return a status."""

    def __init__(self, status: int) -> None:
        self.status = status
