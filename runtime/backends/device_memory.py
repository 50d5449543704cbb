"""CUDA's runtime through ``cuda.bindings``: memory, streams and graphs, every status checked."""

from __future__ import annotations

import importlib
from typing import Any

from ...contract.errors import Failure, MissingExtra, Unavailable
from .protocol import Array

_MODULE = "cuda.bindings.runtime"
_OUT_OF_MEMORY = 2
_NON_BLOCKING = 1


class Cuda:
    """The few calls we need. Addresses, streams and graphs are whole numbers.

    Raises:
        MissingExtra: ``cuda-python`` is not installed.
    """

    def __init__(self) -> None:
        try:
            self._cuda: Any = importlib.import_module(_MODULE)
        except ImportError:
            raise MissingExtra("cuda.bindings", "gpu", "running TensorRT engines") from None

    def allocate(self, size: int) -> int:
        """Address of ``size`` fresh bytes on the GPU (`Unavailable` if it has not so many)."""
        return int(self._call("cudaMalloc", size))

    def free(self, address: int) -> None:
        """Give memory back."""
        self._call("cudaFree", address)

    def create_stream(self) -> int:
        """A stream that does not wait for the default one."""
        return int(self._call("cudaStreamCreateWithFlags", _NON_BLOCKING))

    def destroy_stream(self, stream: int) -> None:
        """Free a stream."""
        self._call("cudaStreamDestroy", stream)

    def synchronise(self, stream: int) -> None:
        """Wait for everything enqueued."""
        self._call("cudaStreamSynchronize", stream)

    def upload(self, address: int, array: Array, stream: int) -> None:
        """Enqueue the copy of an array to the GPU."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._call("cudaMemcpyAsync", address, array.ctypes.data, array.nbytes, kind, stream)

    def download(self, array: Array, address: int, stream: int) -> None:
        """Enqueue the copy of GPU memory into an array."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._call("cudaMemcpyAsync", array.ctypes.data, address, array.nbytes, kind, stream)

    def begin_capture(self, stream: int) -> None:
        """What is enqueued from now on is recorded instead of run."""
        mode = self._cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._call("cudaStreamBeginCapture", stream, mode)

    def end_capture(self, stream: int) -> int:
        """A graph of what was recorded, ready to launch."""
        graph = self._call("cudaStreamEndCapture", stream)
        try:
            return int(self._call("cudaGraphInstantiate", graph, 0))
        finally:
            self._call("cudaGraphDestroy", graph)

    def launch(self, graph: int, stream: int) -> None:
        """Enqueue a graph."""
        self._call("cudaGraphLaunch", graph, stream)

    def destroy_graph(self, graph: int) -> None:
        """Free a graph."""
        self._call("cudaGraphExecDestroy", graph)

    def _call(self, name: str, *arguments: Any) -> Any:
        status, *results = getattr(self._cuda, name)(*arguments)
        if code := int(status):
            _, text = self._cuda.cudaGetErrorString(status)
            said = text.decode() if isinstance(text, bytes) else str(text)
            if code == _OUT_OF_MEMORY:
                raise Unavailable(
                    "memory of the GPU",
                    expected=f"room for {arguments[0]} bytes" if arguments else "room",
                    found=said,
                    remedy="end other programs that use the GPU, or choose --backend onnxruntime",
                )
            raise Failure(name, expected="success", found=f"CUDA error {code}: {said}")
        return results[0] if results else None
