"""One GPU as kernels see it: memory, streams, events, graphs, modules and launches.

Two libraries stand behind it (`cuda_python`, `py_cuda`), both on the device's **primary context**,
which PyTorch, CuPy, TensorRT and CUDA's runtime use too: memory, streams and kernels of one are
those of the others. Addresses and handles are whole numbers. Every call makes the context current
for its own time only, so a caller's context stays his.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from numpy.typing import NDArray

from ...contract.closing import Closeable

Argument: TypeAlias = "ctypes._SimpleCData[Any] | ctypes.Structure"
"""A kernel's argument as C sees it: ``c_void_p(address)``, ``c_int32(3)``, or a structure."""

Triple: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True)
class GpuFacts:
    """What decides how kernels are compiled and launched.

    Attributes:
        name: as NVIDIA calls it.
        architecture: compute capability, such as ``"sm_90"``.
        multiprocessors: of the GPU.
        memory: bytes.
        shared_memory: bytes that a block may have where it asks for more than 48 KiB.
    """

    name: str
    architecture: str
    multiprocessors: int
    memory: int
    shared_memory: int


class Gpu(Closeable, Protocol):
    """A GPU that has been opened. Threads may share it. Closing it twice is fine.

    Every method raises `Failure` with the driver's own words where a call fails, and `Unavailable`
    where the GPU has no memory left.

    Attributes:
        api: the library behind it.
        facts: what it is.
        graphs: whether launches can be recorded and replayed.
    """

    api: str
    facts: GpuFacts
    graphs: bool

    def current(self) -> AbstractContextManager[None]:
        """Keep its context current over many calls: the calls in it are cheaper."""

    def allocate(self, size: int) -> int:
        """Address of ``size`` fresh bytes."""

    def free(self, address: int) -> None:
        """Give memory back."""

    def create_stream(self) -> int:
        """A stream that does not wait for the default one."""

    def destroy_stream(self, stream: int) -> None:
        """Free a stream."""

    def synchronise(self, stream: int) -> None:
        """Wait for everything enqueued."""

    def upload(self, address: int, array: NDArray[Any], stream: int) -> None:
        """Enqueue the copy of a C-contiguous array to the GPU."""

    def download(self, array: NDArray[Any], address: int, stream: int) -> None:
        """Enqueue the copy of memory into a C-contiguous array."""

    def copy(self, to: int, origin: int, size: int, stream: int) -> None:
        """Enqueue a copy inside the GPU."""

    def fill(self, address: int, value: int, size: int, stream: int) -> None:
        """Enqueue the filling of ``size`` bytes with one byte's value."""

    def create_event(self) -> int:
        """An event that keeps time."""

    def record(self, event: int, stream: int) -> None:
        """Let it happen when the stream has come so far."""

    def settle(self, event: int) -> None:
        """Wait here until the event has happened."""

    def wait(self, stream: int, event: int) -> None:
        """Let a stream go on only after the event."""

    def elapsed(self, start: int, end: int) -> float:
        """Milliseconds between two events; waits for the second."""

    def destroy_event(self, event: int) -> None:
        """Free an event."""

    def begin_capture(self, stream: int) -> None:
        """What this thread enqueues from now on is recorded instead of run."""

    def end_capture(self, stream: int) -> int:
        """A graph of what was recorded, ready to replay."""

    def replay(self, graph: int, stream: int) -> None:
        """Enqueue a graph."""

    def destroy_graph(self, graph: int) -> None:
        """Free a graph."""

    def load(self, image: bytes) -> int:
        """A module from a cubin."""

    def unload(self, module: int) -> None:
        """Free a module and its functions."""

    def function(self, module: int, name: str) -> int:
        """A kernel of a module."""

    def allow_shared_memory(self, function: int, size: int) -> None:
        """Let a kernel be launched with up to so many bytes of dynamic shared memory."""

    def resident_blocks(self, function: int, threads: int, shared: int) -> int:
        """Blocks of so many threads and bytes that one multiprocessor holds at a time."""

    def launch(
        self,
        function: int,
        grid: Triple,
        block: Triple,
        arguments: Sequence[Argument],
        shared: int,
        stream: int,
    ) -> None:
        """Enqueue a kernel; ``shared`` bytes of dynamic shared memory a block."""

    def close(self) -> None:
        """Let go of the context, as does the object's end; what was allocated is freed before."""
