"""``cuda.bindings.driver`` on the machine of ``fake_cuda``: functions that return (status, …).

Names and parameters are those of the real module, which a test compares. Cubins are real ones, read
as the driver reads them: what is no cubin, is for another GPU, or lacks a kernel is refused, and a
launch takes as many bytes of each argument as the cubin says. PTX is taken for this GPU and newer
ones. Cubins of CUDA 13 are another file format and refused by drivers before it. What the kernel
then does is up to ``Machine.kernels``.
"""

from __future__ import annotations

import ctypes
import hashlib
import threading
import time
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .cubin_file import CUDA_13, Parameter, read_cubin, read_ptx

if TYPE_CHECKING:
    from .fake_cuda import Machine

INVALID_VALUE, OUT_OF_MEMORY, NOT_INITIALISED = 1, 2, 3
INVALID_IMAGE, INVALID_CONTEXT, NO_BINARY_FOR_GPU = 200, 201, 209
INVALID_HANDLE, NOT_FOUND = 400, 500
LAUNCH_FAILED = 719
CAPTURE_UNSUPPORTED, CAPTURE_INVALIDATED = 900, 901

STATIC_LIMIT = 48 << 10
"""Bytes of shared memory that a block gets without asking."""

THREADS_LIMIT = 1024

RELAXED = 2  # CU_STREAM_CAPTURE_MODE_RELAXED


class CudaError(Exception):
    """Makes a function of the model return a status."""

    def __init__(self, status: int) -> None:
        self.status = status


def cuda_driver(machine: Machine) -> types.ModuleType:
    """The module."""
    module = types.ModuleType("cuda.bindings.driver")
    state = _State(machine)
    for name in dir(_State):
        if name.startswith("cu"):
            setattr(module, name, _returning_status(machine, name, getattr(state, name)))
    module.cuGetErrorString = lambda error: (0, f"error {error}".encode())  # type: ignore
    for kind, members in _ENUMERATIONS.items():
        setattr(module, kind, types.SimpleNamespace(**members))
    return module


_ENUMERATIONS: dict[str, dict[str, int]] = {
    "CUdevice_attribute": {
        "CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT": 16,
        "CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR": 75,
        "CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR": 76,
        "CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN": 97,
    },
    "CUfunction_attribute": {"CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES": 8},
    "CUstreamCaptureMode": {
        "CU_STREAM_CAPTURE_MODE_THREAD_LOCAL": 1,
        "CU_STREAM_CAPTURE_MODE_RELAXED": RELAXED,
    },
}


def _returning_status(
    machine: Machine, name: str, function: Callable[..., Any]
) -> Callable[..., tuple[Any, ...]]:
    def wrapped(*arguments: Any) -> tuple[Any, ...]:
        machine.log.append(name)
        try:
            result = function(*arguments)
        except CudaError as error:
            return (error.status,)
        return (0,) if result is None else (0, result)

    return wrapped


class _State:
    """What the driver remembers; its methods are the module's functions."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.ready = False
        self.retained = 0
        self.here = threading.local()
        self.modules: dict[int, dict[str, tuple[Parameter, ...]]] = {}
        self.digests: dict[int, str] = {}
        self.functions: dict[int, tuple[str, tuple[Parameter, ...], str]] = {}
        self.allowed: dict[int, int] = {}
        self.events: dict[int, float | None] = {}
        self.strict = False  # a stream is captured in a mode that forbids allocating

    def cuDriverGetVersion(self) -> int:
        return self.machine.cuda

    # Device and context

    def cuInit(self, Flags: int) -> None:
        if self.machine.status:
            raise CudaError(self.machine.status)
        self.ready = True

    def cuDeviceGet(self, ordinal: int) -> int:
        if not self.ready:
            raise CudaError(NOT_INITIALISED)
        if not 0 <= ordinal < self.machine.gpus:
            raise CudaError(101)
        return ordinal

    def cuDeviceGetName(self, length: int, dev: int) -> bytes:
        return b"Model GPU\0".ljust(length, b" ")  # as the real module does

    def cuDeviceGetAttribute(self, attrib: int, dev: int) -> int:
        number = int(self.machine.architecture.removeprefix("sm_"))
        return {
            16: self.machine.multiprocessors,
            75: number // 10,
            76: number % 10,
            97: self.machine.shared_memory,
        }[attrib]

    def cuDeviceTotalMem(self, dev: int) -> int:
        return self.machine.memory

    def cuDevicePrimaryCtxRetain(self, dev: int) -> int:
        self.retained += 1
        return 7

    def cuDevicePrimaryCtxRelease(self, dev: int) -> None:
        if not self.retained:
            raise CudaError(INVALID_CONTEXT)
        self.retained -= 1

    def cuCtxPushCurrent(self, ctx: int) -> None:
        self.here.__dict__.setdefault("stack", []).append(ctx)

    def cuCtxPopCurrent(self) -> int:
        if not getattr(self.here, "stack", []):
            raise CudaError(INVALID_CONTEXT)
        return int(self.here.stack.pop())

    # Memory

    def cuMemAlloc(self, bytesize: int) -> int:
        machine = self._inside()
        self._not_forbidden()
        if bytesize <= 0:
            raise CudaError(INVALID_VALUE)
        if sum(map(len, machine.allocations.values())) + bytesize > machine.memory:
            raise CudaError(OUT_OF_MEMORY)
        block = (ctypes.c_ubyte * bytesize)()
        # Filled, so that nobody relies on zeros.
        ctypes.memset(block, 0xA5, bytesize)
        machine.allocations[ctypes.addressof(block)] = block
        return ctypes.addressof(block)

    def cuMemFree(self, dptr: int) -> None:
        self._not_forbidden()
        if self._inside().allocations.pop(dptr, None) is None:
            raise CudaError(INVALID_VALUE)

    def cuMemcpyHtoDAsync(self, dstDevice: int, srcHost: int, ByteCount: int, hStream: int) -> None:
        self._room(dstDevice, ByteCount)
        self._enqueue(hStream, lambda: ctypes.memmove(dstDevice, srcHost, ByteCount))

    def cuMemcpyDtoHAsync(self, dstHost: int, srcDevice: int, ByteCount: int, hStream: int) -> None:
        self._room(srcDevice, ByteCount)
        self._enqueue(hStream, lambda: ctypes.memmove(dstHost, srcDevice, ByteCount))

    def cuMemcpyDtoDAsync(
        self, dstDevice: int, srcDevice: int, ByteCount: int, hStream: int
    ) -> None:
        self._room(srcDevice, ByteCount)
        self._room(dstDevice, ByteCount)
        self._enqueue(hStream, lambda: ctypes.memmove(dstDevice, srcDevice, ByteCount))

    def cuMemsetD8Async(self, dstDevice: int, uc: int, N: int, hStream: int) -> None:
        self._room(dstDevice, N)
        self._enqueue(hStream, lambda: ctypes.memset(dstDevice, uc, N))

    # Streams and events

    def cuStreamCreate(self, Flags: int) -> int:
        machine = self._inside()
        stream = machine.handle()
        machine.streams[stream] = []
        return stream

    def cuStreamDestroy(self, hStream: int) -> None:
        assert not self._inside().streams.pop(hStream), "a stream was destroyed with work on it"

    def cuStreamSynchronize(self, hStream: int) -> None:
        machine = self._inside()
        if machine.capturing == hStream != 0:
            raise CudaError(CAPTURE_UNSUPPORTED)
        work = self._stream(hStream)
        while work:
            work.pop(0)()

    def cuStreamWaitEvent(self, hStream: int, hEvent: int, Flags: int) -> None:
        self._inside()
        if hEvent not in self.events:
            raise CudaError(INVALID_HANDLE)
        # Everything before the event has to be done first: here, all streams but this one.
        others = [w for s, w in self.machine.streams.items() if s != hStream]

        def wait() -> None:
            for work in others:
                while work:
                    work.pop(0)()

        self._stream(hStream).append(wait)

    def cuEventCreate(self, Flags: int) -> int:
        event = self._inside().handle()
        self.events[event] = None
        return event

    def cuEventRecord(self, hEvent: int, hStream: int) -> None:
        def happen() -> None:
            if hEvent in self.events:
                self.events[hEvent] = time.perf_counter()

        self._enqueue(hStream, happen)

    def cuEventSynchronize(self, hEvent: int) -> None:
        for work in self._inside().streams.values():
            while self.events[hEvent] is None and work:
                work.pop(0)()

    def cuEventElapsedTime(self, hStart: int, hEnd: int) -> float:
        start, end = self.events[hStart], self.events[hEnd]
        if start is None or end is None:
            raise CudaError(600)  # not ready
        return 1000 * (end - start)

    def cuEventDestroy(self, hEvent: int) -> None:
        if hEvent not in self.events:
            raise CudaError(INVALID_HANDLE)
        del self.events[hEvent]

    # Graphs

    def cuStreamBeginCapture(self, hStream: int, mode: int) -> None:
        machine = self._inside()
        if hStream == 0 or machine.capturing:
            raise CudaError(CAPTURE_UNSUPPORTED)
        machine.capturing, self.strict = hStream, mode != RELAXED
        machine.graphs[hStream], machine.streams[hStream] = machine.streams[hStream], []

    def cuStreamEndCapture(self, hStream: int) -> int:
        machine = self._inside()
        if machine.capturing != hStream:
            raise CudaError(CAPTURE_INVALIDATED)
        recorded, machine.capturing, self.strict = machine.streams[hStream], 0, False
        machine.streams[hStream] = machine.graphs.pop(hStream)
        graph = machine.handle()
        machine.graphs[graph] = recorded
        return graph

    def cuGraphInstantiate(self, hGraph: int, flags: int) -> int:
        machine = self._inside()
        made = machine.handle()
        machine.graphs[made] = list(machine.graphs[hGraph])
        return made

    def cuGraphLaunch(self, hGraphExec: int, hStream: int) -> None:
        self._stream(hStream).extend(self._inside().graphs[hGraphExec])

    def cuGraphDestroy(self, hGraph: int) -> None:
        del self._inside().graphs[hGraph]

    def cuGraphExecDestroy(self, hGraphExec: int) -> None:
        del self._inside().graphs[hGraphExec]

    # Modules and kernels

    def cuModuleLoadData(self, image: bytes) -> int:
        machine = self._inside()
        try:
            if image[:4] == b"\x7fELF":
                if image[7:8] == bytes([CUDA_13]) and machine.cuda < 13000:
                    raise CudaError(INVALID_IMAGE)
                architecture, kernels = read_cubin(bytes(image))
                fits = architecture == machine.architecture
            else:
                least, kernels = read_ptx(image.partition(b"\0")[0].decode())
                fits = _number(least) <= _number(machine.architecture)
        except ValueError:
            raise CudaError(INVALID_IMAGE) from None
        if not fits:
            raise CudaError(NO_BINARY_FOR_GPU)
        module = machine.handle()
        self.modules[module] = kernels
        self.digests[module] = hashlib.sha256(image).hexdigest()
        return module

    def cuModuleUnload(self, hmod: int) -> None:
        if self.modules.pop(hmod, None) is None:
            raise CudaError(INVALID_HANDLE)

    def cuModuleGetFunction(self, hmod: int, name: bytes) -> int:
        kernels, spelled = self.modules[hmod], name.decode()
        if spelled not in kernels:
            raise CudaError(NOT_FOUND)
        function = self._inside().handle()
        self.functions[function] = (spelled, kernels[spelled], self.digests[hmod])
        return function

    def cuFuncSetAttribute(self, hfunc: int, attrib: int, value: int) -> None:
        if value > self._inside().shared_memory:
            raise CudaError(INVALID_VALUE)
        self.allowed[hfunc] = value

    def cuOccupancyMaxActiveBlocksPerMultiprocessor(
        self, func: int, blockSize: int, dynamicSMemSize: int
    ) -> int:
        by_memory = (self.machine.shared_memory + 1024) // (dynamicSMemSize + 1024)
        return max(0, min(1536 // blockSize, by_memory, 16))

    def cuLaunchKernel(
        self,
        f: int,
        gridDimX: int,
        gridDimY: int,
        gridDimZ: int,
        blockDimX: int,
        blockDimY: int,
        blockDimZ: int,
        sharedMemBytes: int,
        hStream: int,
        kernelParams: int,
        extra: int,
    ) -> None:
        machine = self._inside()
        if f not in self.functions:
            raise CudaError(INVALID_HANDLE)
        grid, block = (gridDimX, gridDimY, gridDimZ), (blockDimX, blockDimY, blockDimZ)
        if min(*grid, *block) < 1 or blockDimX * blockDimY * blockDimZ > THREADS_LIMIT:
            raise CudaError(INVALID_VALUE)
        if sharedMemBytes > self.allowed.get(f, STATIC_LIMIT):
            raise CudaError(INVALID_VALUE)
        name, parameters, digest = self.functions[f]
        values = _copied(kernelParams, parameters)
        kernels = machine.images.get(digest, machine.kernels)
        if name not in kernels:
            raise CudaError(LAUNCH_FAILED)
        run = kernels[name]
        self._enqueue(hStream, lambda: run(grid, block, sharedMemBytes, values))

    # What all of them need

    def _not_forbidden(self) -> None:
        if self.strict:
            raise CudaError(CAPTURE_UNSUPPORTED)

    def _inside(self) -> Machine:
        """The machine, if the primary context is retained and current in this thread."""
        if not self.retained or not getattr(self.here, "stack", []):
            raise CudaError(INVALID_CONTEXT)
        return self.machine

    def _room(self, address: int, size: int) -> None:
        if self._inside().room(address) < size:
            raise CudaError(INVALID_VALUE)

    def _stream(self, stream: int) -> list[Callable[[], Any]]:
        if stream == 0:
            return self.machine.streams.setdefault(0, [])
        if stream not in self.machine.streams:
            raise CudaError(INVALID_HANDLE)
        return self.machine.streams[stream]

    def _enqueue(self, stream: int, work: Callable[[], Any]) -> None:
        self._inside()
        self._stream(stream).append(work)


def _number(architecture: str) -> int:
    return int(architecture.removeprefix("sm_"))


def _copied(pointers: int, parameters: tuple[Parameter, ...]) -> bytes:
    """The arguments as they lie in a launch's parameters."""
    if not parameters:
        return b""
    length = max(p.offset + p.size for p in parameters)
    values = bytearray(length)
    at = (ctypes.c_void_p * len(parameters)).from_address(pointers)
    for pointer, parameter in zip(at, parameters, strict=True):
        place = slice(parameter.offset, parameter.offset + parameter.size)
        values[place] = ctypes.string_at(pointer, parameter.size)
    return bytes(values)
