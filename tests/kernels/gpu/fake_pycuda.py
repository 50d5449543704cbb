"""``pycuda.driver`` on top of the model of ``cuda.bindings.driver``.

Objects instead of handles, as PyCUDA's wrapper has them: streams must be its own, memory is freed
by its object, launches take their parameters as one buffer.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
import types
from typing import Any

import pytest

from ...runtime.fake_driver import OUT_OF_MEMORY


class Error(Exception):
    pass


class MemoryError(Error):
    pass


def call(name: str, *arguments: Any) -> Any:
    driver: Any = importlib.import_module("cuda.bindings.driver")
    status, *results = getattr(driver, name)(*arguments)
    if status:
        raise (MemoryError if status == OUT_OF_MEMORY else Error)(f"{name} failed: {status}")
    return results[0] if results else None


class Context:
    def __init__(self, device: int) -> None:
        self.device = device
        self.handle = call("cuDevicePrimaryCtxRetain", device)

    def push(self) -> None:
        call("cuCtxPushCurrent", self.handle)

    @staticmethod
    def pop() -> None:
        call("cuCtxPopCurrent")

    def detach(self) -> None:
        call("cuDevicePrimaryCtxRelease", self.device)

    @staticmethod
    def synchronize() -> None:
        call("cuStreamSynchronize", 0)


class Device:
    def __init__(self, index: int) -> None:
        self._device = call("cuDeviceGet", index)

    def name(self) -> str:
        return bytes(call("cuDeviceGetName", 256, self._device)).partition(b"\0")[0].decode()

    def compute_capability(self) -> tuple[int, int]:
        return self.get_attribute(75), self.get_attribute(76)

    def total_memory(self) -> int:
        return int(call("cuDeviceTotalMem", self._device))

    def get_attribute(self, attribute: int) -> int:
        limits = {39: 1536, 81: 102_400, 82: 65_536}
        return limits.get(attribute) or int(call("cuDeviceGetAttribute", attribute, self._device))

    def retain_primary_context(self) -> Context:
        return Context(self._device)


class Stream:
    def __init__(self, flags: int = 0) -> None:
        with_context = Context(0)
        with_context.push()
        self.handle = call("cuStreamCreate", flags)
        Context.pop()
        with_context.detach()

    def synchronize(self) -> None:
        with_context = Context(0)
        with_context.push()
        call("cuStreamSynchronize", self.handle)
        Context.pop()
        with_context.detach()

    def __del__(self) -> None:
        with_context = Context(0)
        with_context.push()
        call("cuStreamDestroy", self.handle)
        Context.pop()
        with_context.detach()

    def wait_for_event(self, event: Event) -> None:
        call("cuStreamWaitEvent", self.handle, event._event, 0)


def handle(stream: Any) -> int:
    if stream is None:
        return 0
    assert isinstance(stream, Stream), "PyCUDA takes streams of its own only"
    return int(stream.handle)


class Event:
    def __init__(self, flags: int = 0) -> None:
        self._event = call("cuEventCreate", flags)

    def record(self, stream: Any = None) -> Event:
        call("cuEventRecord", self._event, handle(stream))
        return self

    def synchronize(self) -> Event:
        call("cuEventSynchronize", self._event)
        return self

    def time_till(self, other: Event) -> float:
        return float(call("cuEventElapsedTime", self._event, other._event))


class DeviceAllocation:
    def __init__(self, size: int) -> None:
        self._address = call("cuMemAlloc", size)

    def __int__(self) -> int:
        return int(self._address)

    def free(self) -> None:
        call("cuMemFree", self._address)


class Function:
    def __init__(self, function: int, sizes: list[tuple[int, int]]) -> None:
        self._function, self._parameters = function, sizes

    def set_attribute(self, attribute: int, value: int) -> None:
        call("cuFuncSetAttribute", self._function, attribute, value)

    def get_attribute(self, attribute: int) -> int:
        return {4: 32, 1: 256}[attribute]

    def _launch_kernel(
        self, grid: Any, block: Any, buffer: bytes, shared: int, stream: Any
    ) -> None:
        assert isinstance(grid, tuple) and isinstance(block, tuple)
        assert len(buffer) == max(offset + size for offset, size in self._parameters)
        held = ctypes.create_string_buffer(buffer, len(buffer))
        base = ctypes.addressof(held)
        at = [base + offset for offset, _ in self._parameters]
        pointers = (ctypes.c_void_p * len(at))(*at)
        where = ctypes.addressof(pointers)
        call("cuLaunchKernel", self._function, *grid, *block, shared, handle(stream), where, 0)


class Module:
    def __init__(self, image: bytes) -> None:
        from ...runtime.cubin_file import read_cubin

        self._module = call("cuModuleLoadData", image)
        _, self._kernels = read_cubin(image)

    def get_function(self, name: str) -> Function:
        made = call("cuModuleGetFunction", self._module, name.encode())
        return Function(made, [(p.offset, p.size) for p in self._kernels[name]])


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``import pycuda.driver`` find the model."""
    module = types.ModuleType("pycuda.driver")
    named: dict[str, Any] = {
        "init": lambda: call("cuInit", 0),
        "mem_alloc": DeviceAllocation,
        "module_from_buffer": Module,
        "memcpy_htod_async": lambda to, array, stream: call(
            "cuMemcpyHtoDAsync", to, array.ctypes.data, array.nbytes, handle(stream)
        ),
        "memcpy_dtoh_async": lambda array, origin, stream: call(
            "cuMemcpyDtoHAsync", array.ctypes.data, origin, array.nbytes, handle(stream)
        ),
        "memcpy_dtod_async": lambda to, origin, size, stream: call(
            "cuMemcpyDtoDAsync", to, origin, size, handle(stream)
        ),
        "memset_d8_async": lambda to, value, size, stream: call(
            "cuMemsetD8Async", to, value, size, handle(stream)
        ),
        "device_attribute": types.SimpleNamespace(
            MULTIPROCESSOR_COUNT=16,
            MAX_SHARED_MEMORY_PER_BLOCK_OPTIN=97,
            MAX_THREADS_PER_MULTIPROCESSOR=39,
            MAX_SHARED_MEMORY_PER_MULTIPROCESSOR=81,
            MAX_REGISTERS_PER_MULTIPROCESSOR=82,
        ),
        "function_attribute": types.SimpleNamespace(
            MAX_DYNAMIC_SHARED_SIZE_BYTES=8, NUM_REGS=4, SHARED_SIZE_BYTES=1
        ),
    }
    for thing in (Context, Device, Error, Event, MemoryError, Stream):
        named[thing.__name__] = thing
    for name, value in named.items():
        setattr(module, name, value)
    package = types.ModuleType("pycuda")
    package.__path__ = []  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pycuda", package)
    monkeypatch.setitem(sys.modules, "pycuda.driver", module)
