"""`protocol.Gpu` through PyCUDA, for programs that are built on it.

Its released versions record no graphs, and take only streams that are objects of their own: a
stream of the caller's is made known with `PyCudaGpu.adopt`.
"""

from __future__ import annotations

import ctypes
import importlib
import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray

from ...contract.closing import Closing
from ...contract.errors import BadOption, Failure, MissingExtra, SessionMisuse, Unavailable
from .protocol import Argument, GpuFacts, Triple

EXTRA = "pycuda"
_NON_BLOCKING = 1


class PyCudaGpu(Closing):
    """A GPU's primary context; see `protocol.Gpu`. Handles are numbers of its own.

    Args:
        index: which GPU.

    Raises:
        MissingExtra: PyCUDA is not installed.
        Failure: the driver refuses.
    """

    api = "pycuda"
    graphs = False

    def __init__(self, index: int = 0) -> None:
        try:
            self._cuda: Any = importlib.import_module("pycuda.driver")
        except ImportError:
            raise MissingExtra("pycuda", EXTRA, "working on a GPU by PyCUDA") from None
        self._here = threading.local()
        self._numbers = itertools.count(1)
        self._held: dict[int, Any] = {}
        with self._translated("opening the GPU"):
            self._cuda.init()
            device = self._cuda.Device(index)
            self._device = device
            self.facts = self._facts()
            self._context: Any = device.retain_primary_context()

    @contextmanager
    def current(self) -> Iterator[None]:
        """Keep its context current over many calls."""
        depth = getattr(self._here, "depth", 0)
        if depth == 0:
            if self._context is None:
                raise SessionMisuse("GPU", expected="an open one", found="a closed one")
            self._context.push()
        self._here.depth = depth + 1
        try:
            yield
        finally:
            self._here.depth = depth
            if depth == 0:
                self._cuda.Context.pop()

    def adopt(self, stream: Any) -> int:
        """The handle by which a ``pycuda.driver.Stream`` of the caller's can be used here."""
        return self._hold(int(stream.handle), stream)

    def allocate(self, size: int) -> int:
        """Address of ``size`` fresh bytes."""
        with self._inside("mem_alloc", size):
            made = self._cuda.mem_alloc(size)
        return self._hold(int(made), made)

    def free(self, address: int) -> None:
        """Give memory back."""
        with self._inside("free"):
            self._let_go(address, "memory").free()

    def create_stream(self) -> int:
        """A stream that does not wait for the default one."""
        with self._inside("Stream"):
            return self.adopt(self._cuda.Stream(_NON_BLOCKING))

    def destroy_stream(self, stream: int) -> None:
        """Free a stream."""
        with self._inside("Stream"):
            self._let_go(stream, "a stream")

    def synchronise(self, stream: int) -> None:
        """Wait for everything enqueued."""
        with self._inside("synchronize"):
            if stream:
                self._stream(stream).synchronize()
            else:
                self._cuda.Context.synchronize()

    def upload(self, address: int, array: NDArray[Any], stream: int) -> None:
        """Enqueue the copy of a C-contiguous array to the GPU."""
        with self._inside("memcpy_htod_async"):
            self._cuda.memcpy_htod_async(address, array, self._stream(stream))

    def download(self, array: NDArray[Any], address: int, stream: int) -> None:
        """Enqueue the copy of memory into a C-contiguous array."""
        with self._inside("memcpy_dtoh_async"):
            self._cuda.memcpy_dtoh_async(array, address, self._stream(stream))

    def copy(self, to: int, origin: int, size: int, stream: int) -> None:
        """Enqueue a copy inside the GPU."""
        with self._inside("memcpy_dtod_async"):
            self._cuda.memcpy_dtod_async(to, origin, size, self._stream(stream))

    def fill(self, address: int, value: int, size: int, stream: int) -> None:
        """Enqueue the filling of ``size`` bytes with one byte's value."""
        with self._inside("memset_d8_async"):
            self._cuda.memset_d8_async(address, value, size, self._stream(stream))

    def create_event(self) -> int:
        """An event that keeps time."""
        with self._inside("Event"):
            return self._hold(next(self._numbers), self._cuda.Event())

    def record(self, event: int, stream: int) -> None:
        """Let it happen when the stream has come so far."""
        with self._inside("record"):
            self._find(event, "an event").record(self._stream(stream))

    def settle(self, event: int) -> None:
        """Wait here until the event has happened."""
        with self._inside("synchronize"):
            self._find(event, "an event").synchronize()

    def wait(self, stream: int, event: int) -> None:
        """Let a stream go on only after the event."""
        with self._inside("wait_for_event"):
            self._stream(stream).wait_for_event(self._find(event, "an event"))

    def elapsed(self, start: int, end: int) -> float:
        """Milliseconds between two events; waits for the second."""
        with self._inside("time_till"):
            last = self._find(end, "an event")
            last.synchronize()
            return float(self._find(start, "an event").time_till(last))

    def destroy_event(self, event: int) -> None:
        """Free an event."""
        with self._inside("Event"):
            self._let_go(event, "an event")

    def begin_capture(self, stream: int) -> None:
        """Refused: see `graphs`."""
        raise self._no_graphs()

    def end_capture(self, stream: int) -> int:
        """Refused: see `graphs`."""
        raise self._no_graphs()

    def replay(self, graph: int, stream: int) -> None:
        """Refused: see `graphs`."""
        raise self._no_graphs()

    def destroy_graph(self, graph: int) -> None:
        """Refused: see `graphs`."""
        raise self._no_graphs()

    def load(self, image: bytes) -> int:
        """A module from a cubin."""
        with self._inside("module_from_buffer"):
            return self._hold(next(self._numbers), self._cuda.module_from_buffer(image))

    def unload(self, module: int) -> None:
        """Free a module and its functions."""
        with self._inside("Module"):
            self._let_go(module, "a module")

    def function(self, module: int, name: str) -> int:
        """A kernel of a module."""
        with self._inside("get_function"):
            made = self._find(module, "a module").get_function(name)
        return self._hold(next(self._numbers), made)

    def allow_shared_memory(self, function: int, size: int) -> None:
        """Let a kernel be launched with up to so many bytes of dynamic shared memory."""
        key = self._cuda.function_attribute.MAX_DYNAMIC_SHARED_SIZE_BYTES
        with self._inside("set_attribute"):
            self._find(function, "a kernel").set_attribute(key, size)

    def resident_blocks(self, function: int, threads: int, shared: int) -> int:
        """Blocks of so many threads and bytes that one multiprocessor holds at a time.

        PyCUDA does not offer the driver's own answer; this is the smallest of the three limits.
        """
        of, limit = self._cuda.function_attribute, self._cuda.device_attribute
        kernel = self._find(function, "a kernel")
        with self._inside("get_attribute"):
            ask, have = kernel.get_attribute, self._device.get_attribute
            registers = max(ask(of.NUM_REGS), 1) * threads
            block = ask(of.SHARED_SIZE_BYTES) + shared + 1024  # the driver's own share
            fit: int = min(
                have(limit.MAX_THREADS_PER_MULTIPROCESSOR) // threads,
                have(limit.MAX_REGISTERS_PER_MULTIPROCESSOR) // registers,
                have(limit.MAX_SHARED_MEMORY_PER_MULTIPROCESSOR) // block,
            )
        return fit

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
        kernel, buffer = self._find(function, "a kernel"), packed(arguments)
        with self._inside("launch"):
            kernel._launch_kernel(grid, block, buffer, shared, self._stream(stream))

    def close(self) -> None:
        """Let go of the context; twice is fine."""
        context, self._context = self._context, None
        if context is not None:
            self._held.clear()
            context.detach()

    def _facts(self) -> GpuFacts:
        ask, names = self._device.get_attribute, self._cuda.device_attribute
        major, minor = self._device.compute_capability()
        return GpuFacts(
            self._device.name(),
            f"sm_{major}{minor}",
            ask(names.MULTIPROCESSOR_COUNT),
            int(self._device.total_memory()),
            ask(names.MAX_SHARED_MEMORY_PER_BLOCK_OPTIN),
        )

    def _hold(self, number: int, thing: Any) -> int:
        self._held[number] = thing
        return number

    def _find(self, number: int, what: str) -> Any:
        if number not in self._held:
            raise BadOption(f"handle {number}", expected=f"{what} made here", found="another")
        return self._held[number]

    def _let_go(self, number: int, what: str) -> Any:
        found = self._find(number, what)
        del self._held[number]
        return found

    def _stream(self, stream: int) -> Any:
        """PyCUDA's object; None is the default stream."""
        if stream == 0:
            return None
        if stream not in self._held:
            raise BadOption(
                f"stream {stream}",
                expected="a pycuda.driver.Stream, or a stream made here",
                found="a bare handle, which PyCUDA cannot use",
                remedy="pass it to PyCudaGpu.adopt first, or use cuda-python",
            )
        return self._held[stream]

    @contextmanager
    def _inside(self, call: str, size: int = 0) -> Iterator[None]:
        with self.current(), self._translated(call, size):
            yield

    @contextmanager
    def _translated(self, call: str, size: int = 0) -> Iterator[None]:
        try:
            yield
        except self._cuda.MemoryError as error:
            raise Unavailable(
                "memory of the GPU",
                expected=f"room for {size} bytes",
                found=str(error),
                remedy="end other programs that use the GPU, or choose --backend onnxruntime",
            ) from None
        except self._cuda.Error as error:
            raise Failure(f"PyCUDA's {call}", expected="success", found=str(error)) from None

    @staticmethod
    def _no_graphs() -> Failure:
        return Failure(
            "CUDA graph",
            expected="a driver library that records graphs",
            found="PyCUDA, which does not",
            remedy="use cuda-python",
        )


def packed(arguments: Sequence[Argument]) -> bytes:
    """Arguments one after the other, each where C's alignment puts it."""
    fields = [(f"a{i}", type(value)) for i, value in enumerate(arguments)]
    kind = type("Arguments", (ctypes.Structure,), {"_fields_": fields})
    made = kind()
    for (name, of), value in zip(fields, arguments, strict=True):
        at = ctypes.addressof(made) + getattr(kind, name).offset
        ctypes.memmove(at, ctypes.addressof(value), ctypes.sizeof(of))
    # C ends a structure at a multiple of its alignment; a parameter buffer ends with the last.
    last, of = fields[-1] if fields else ("", ctypes.c_char)
    end = getattr(kind, last).offset + ctypes.sizeof(of) if fields else 0
    return ctypes.string_at(ctypes.addressof(made), end)
