"""`protocol.Gpu` through NVIDIA's ``cuda.bindings.driver``."""

from __future__ import annotations

import ctypes
import importlib
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray

from ...contract.closing import Closing
from ...contract.errors import Failure, MissingExtra, SessionMisuse, Unavailable
from .nvrtc import EXTRA
from .protocol import Argument, GpuFacts, Triple

MODULE = "cuda.bindings.driver"
_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING
_OUT_OF_MEMORY = 2  # CUDA_ERROR_OUT_OF_MEMORY
_NOT_LOADED = (200, 209, 218, 222)
"""CUDA_ERROR_INVALID_IMAGE, NO_BINARY_FOR_GPU, INVALID_PTX, UNSUPPORTED_PTX_VERSION: with one of
them code of a newer CUDA is refused."""


def load_bindings() -> Any:
    """The module.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        return importlib.import_module(MODULE)
    except ImportError:
        raise MissingExtra("cuda.bindings", EXTRA, "working on a GPU") from None


class CudaPythonGpu(Closing):
    """A GPU's primary context; see `protocol.Gpu`.

    Args:
        index: which GPU.

    Raises:
        MissingExtra: ``cuda-python`` is not installed.
        Failure: the driver refuses.
    """

    api = "cuda-python"
    graphs = True

    def __init__(self, index: int = 0) -> None:
        self._cuda = load_bindings()
        self._here = threading.local()
        self._call("cuInit", 0)
        self._device = self._call("cuDeviceGet", index)
        self.facts = self._facts()
        self._context = self._call("cuDevicePrimaryCtxRetain", self._device)
        release = self._cuda.cuDevicePrimaryCtxRelease
        self._release = weakref.finalize(self, release, self._device)
        # The end of the program frees everything, in an order that nobody knows.
        self._release.atexit = False

    @contextmanager
    def current(self) -> Iterator[None]:
        """Keep its context current over many calls."""
        depth = getattr(self._here, "depth", 0)
        if depth == 0:
            if self._context is None:
                raise SessionMisuse("GPU", expected="an open one", found="a closed one")
            self._call("cuCtxPushCurrent", self._context)
        self._here.depth = depth + 1
        try:
            yield
        finally:
            self._here.depth = depth
            if depth == 0:
                self._call("cuCtxPopCurrent")

    def allocate(self, size: int) -> int:
        """Address of ``size`` fresh bytes."""
        return int(self._inside("cuMemAlloc", size))

    def free(self, address: int) -> None:
        """Give memory back."""
        self._inside("cuMemFree", address)

    def create_stream(self) -> int:
        """A stream that does not wait for the default one."""
        return int(self._inside("cuStreamCreate", _NON_BLOCKING))

    def destroy_stream(self, stream: int) -> None:
        """Free a stream."""
        self._inside("cuStreamDestroy", stream)

    def synchronise(self, stream: int) -> None:
        """Wait for everything enqueued."""
        self._inside("cuStreamSynchronize", stream)

    def upload(self, address: int, array: NDArray[Any], stream: int) -> None:
        """Enqueue the copy of a C-contiguous array to the GPU."""
        self._inside("cuMemcpyHtoDAsync", address, array.ctypes.data, array.nbytes, stream)

    def download(self, array: NDArray[Any], address: int, stream: int) -> None:
        """Enqueue the copy of memory into a C-contiguous array."""
        self._inside("cuMemcpyDtoHAsync", array.ctypes.data, address, array.nbytes, stream)

    def copy(self, to: int, origin: int, size: int, stream: int) -> None:
        """Enqueue a copy inside the GPU."""
        self._inside("cuMemcpyDtoDAsync", to, origin, size, stream)

    def fill(self, address: int, value: int, size: int, stream: int) -> None:
        """Enqueue the filling of ``size`` bytes with one byte's value."""
        self._inside("cuMemsetD8Async", address, value, size, stream)

    def create_event(self) -> int:
        """An event that keeps time."""
        return int(self._inside("cuEventCreate", 0))

    def record(self, event: int, stream: int) -> None:
        """Let it happen when the stream has come so far."""
        self._inside("cuEventRecord", event, stream)

    def settle(self, event: int) -> None:
        """Wait here until the event has happened."""
        self._inside("cuEventSynchronize", event)

    def wait(self, stream: int, event: int) -> None:
        """Let a stream go on only after the event."""
        self._inside("cuStreamWaitEvent", stream, event, 0)

    def elapsed(self, start: int, end: int) -> float:
        """Milliseconds between two events; waits for the second."""
        self.settle(end)
        return float(self._inside("cuEventElapsedTime", start, end))

    def destroy_event(self, event: int) -> None:
        """Free an event."""
        self._inside("cuEventDestroy", event)

    def begin_capture(self, stream: int) -> None:
        """What this thread enqueues from now on is recorded instead of run."""
        # Nothing is forbidden meanwhile: another thread may allocate, and in this one Python may
        # give back memory that nobody holds any more.
        mode = self._cuda.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED
        self._inside("cuStreamBeginCapture", stream, mode)

    def end_capture(self, stream: int) -> int:
        """A graph of what was recorded, ready to replay."""
        with self.current():
            graph = self._call("cuStreamEndCapture", stream)
            try:
                return int(self._call("cuGraphInstantiate", graph, 0))
            finally:
                self._call("cuGraphDestroy", graph)

    def replay(self, graph: int, stream: int) -> None:
        """Enqueue a graph."""
        self._inside("cuGraphLaunch", graph, stream)

    def destroy_graph(self, graph: int) -> None:
        """Free a graph."""
        self._inside("cuGraphExecDestroy", graph)

    def load(self, image: bytes) -> int:
        """A module from a cubin, or from PTX that ends with a zero byte."""
        return int(self._inside("cuModuleLoadData", image))

    def unload(self, module: int) -> None:
        """Free a module and its functions."""
        self._inside("cuModuleUnload", module)

    def function(self, module: int, name: str) -> int:
        """A kernel of a module."""
        return int(self._inside("cuModuleGetFunction", module, name.encode()))

    def allow_shared_memory(self, function: int, size: int) -> None:
        """Let a kernel be launched with up to so many bytes of dynamic shared memory."""
        attribute = self._cuda.CUfunction_attribute
        key = attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
        self._inside("cuFuncSetAttribute", function, key, size)

    def resident_blocks(self, function: int, threads: int, shared: int) -> int:
        """Blocks of so many threads and bytes that one multiprocessor holds at a time."""
        call = "cuOccupancyMaxActiveBlocksPerMultiprocessor"
        return int(self._inside(call, function, threads, shared))

    def launch(
        self,
        function: int,
        grid: Triple,
        block: Triple,
        arguments: Sequence[Argument],
        shared: int,
        stream: int,
    ) -> None:
        """Enqueue a kernel."""
        # The driver copies the values before it returns.
        pointers = (ctypes.c_void_p * len(arguments))(*map(ctypes.addressof, arguments))
        at = ctypes.addressof(pointers)
        self._inside("cuLaunchKernel", function, *grid, *block, shared, stream, at, 0)

    def close(self) -> None:
        """Let go of the context; twice is fine."""
        self._context = None
        self._release()

    def _facts(self) -> GpuFacts:
        def ask(name: str) -> int:
            attribute = getattr(self._cuda.CUdevice_attribute, f"CU_DEVICE_ATTRIBUTE_{name}")
            return int(self._call("cuDeviceGetAttribute", attribute, self._device))

        name = self._call("cuDeviceGetName", 256, self._device)
        return GpuFacts(
            # Behind the name lies what the library filled the memory with.
            name.partition(b"\0")[0].decode(),
            f"sm_{ask('COMPUTE_CAPABILITY_MAJOR')}{ask('COMPUTE_CAPABILITY_MINOR')}",
            ask("MULTIPROCESSOR_COUNT"),
            int(self._call("cuDeviceTotalMem", self._device)),
            ask("MAX_SHARED_MEMORY_PER_BLOCK_OPTIN"),
        )

    def _inside(self, name: str, *arguments: Any) -> Any:
        with self.current():
            return self._call(name, *arguments)

    def _call(self, name: str, *arguments: Any) -> Any:
        try:
            status, *results = getattr(self._cuda, name)(*arguments)
        except RuntimeError as error:  # no libcuda, or one that lacks the function
            raise Unavailable(
                "NVIDIA driver",
                expected=f"one that has {name}",
                found=" ".join(str(error).split()),
                remedy="install a newer driver (https://www.nvidia.com/drivers)",
            ) from None
        except ValueError as error:  # a status that a newer driver has and the bindings do not
            raise Failure(name, expected="success", found=str(error)) from None
        if code := int(status):
            raise self._refused(name, code, self._said(status), arguments)
        return results[0] if results else None

    def _said(self, status: Any) -> str:
        _, text = self._cuda.cuGetErrorString(status)
        return text.decode() if isinstance(text, bytes) else str(text)

    def _refused(
        self, name: str, code: int, said: str, arguments: tuple[Any, ...]
    ) -> Failure | Unavailable:
        if code == _OUT_OF_MEMORY:
            return Unavailable(
                "memory of the GPU",
                expected=f"room for {arguments[0]} bytes" if name == "cuMemAlloc" else "room",
                found=said,
                remedy="end other programs that use the GPU, or choose --backend onnxruntime",
            )
        found = f"CUDA error {code}: {said}"
        if name == "cuModuleLoadData" and code in _NOT_LOADED:
            newest = int(self._call("cuDriverGetVersion"))
            return Failure(
                "loading kernels",
                expected=f"code for {self.facts.architecture} that a driver of CUDA "
                f"{newest // 1000}.{newest % 1000 // 10} takes",
                found=found,
                remedy="if a newer CUDA compiled it, install a newer driver",
            )
        return Failure(name, expected="success", found=found)
