"""One size of picture on a GPU: what changes with a frame, where the picture goes, the launches."""

from __future__ import annotations

import ctypes
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..arrays import Float32, UInt8
from .arrays import allocate
from .protocol import Gpu

_P = ctypes.c_void_p


class PictureStructure(ctypes.Structure):
    """``PlainPicture``."""

    _fields_ = (("background", _P), ("image", _P), ("head", _P), ("counts", _P))


class Closable(Protocol):
    """What is closed with a plan."""

    def close(self) -> None: ...


class FramePlan:
    """Memory of one size of picture, and its launches, recorded once where that is possible.

    Args:
        key: size, whether there is an image, whether the head is kept.
        scratch: bytes of memory that only the kernels use, zeros at first.
        launches: enqueues the kernels.

    Attributes:
        recordable: whether the launches may be recorded.
        beside: what else lives as long as it does.
    """

    def __init__(
        self,
        gpu: Gpu,
        stream: int,
        frame: np.dtype[Any],
        key: tuple[int, bool, bool],
        scratch: int,
        launches: Any,
    ) -> None:
        self.size, with_image, with_head = key
        size = self.size
        self._gpu, self._launches, self._graph = gpu, launches, 0
        self._staged = np.zeros((), frame)
        self.frame = allocate(gpu, (frame.itemsize,), np.uint8, stream)
        # Samples, and rays that took one.
        self.counts = allocate(gpu, (2,), np.uint64, stream)
        self.scratch = allocate(gpu, (scratch,), np.uint8, stream) if scratch else None
        if self.scratch is not None:
            gpu.fill(self.scratch.address, 0, scratch, stream)
        self.image = allocate(gpu, (size, size, 3), np.uint8, stream) if with_image else None
        self.background = allocate(gpu, (size, size, 3), np.uint8, stream) if with_image else None
        self.head = allocate(gpu, (size, size, 4), np.float32, stream) if with_head else None
        self.structure = PictureStructure(
            *(a.address if a else None for a in (self.background, self.image, self.head)),
            self.counts.address,
        )
        self.recordable, self.beside = True, list[Closable]()
        self._shown: UInt8 | None = None
        self._last = stream
        self._done, self._uploaded = gpu.create_event(), gpu.create_event()
        gpu.record(self._uploaded, stream)

    def prepare(self, stream: int, background: UInt8 | None) -> None:
        """Wait for what was enqueued for it elsewhere; bring a background that is not there yet."""
        if stream != self._last:
            self._gpu.wait(stream, self._done)
            self._last = stream
        if self.background is not None and background is not None and self._differs(background):
            self._shown = background.copy()
            self.background.upload(self._shown, stream)

    def upload(self, frame: NDArray[Any], stream: int) -> None:
        """Enqueue the copy of the frame's inputs."""
        # The copy before may not have read its source yet.
        self._gpu.settle(self._uploaded)
        self._staged = frame
        self._gpu.upload(self.frame.address, self._staged, stream)
        self._gpu.record(self._uploaded, stream)

    def launch(self, stream: int) -> None:
        """Enqueue the kernels."""
        gpu = self._gpu
        if gpu.graphs and self.recordable and not self._graph:
            own = gpu.create_stream()
            try:
                gpu.begin_capture(own)
                try:
                    self._launches(self, own)
                finally:
                    self._graph = gpu.end_capture(own)
            finally:
                gpu.destroy_stream(own)
        if self._graph:
            gpu.replay(self._graph, stream)
        else:
            self._launches(self, stream)
        gpu.record(self._done, stream)

    def fetch(self, stream: int) -> tuple[UInt8 | None, Float32 | None, NDArray[np.uint64]]:
        """Image, head and counts on the host, once the stream has come so far."""
        made = [
            None if array is None else np.empty(array.shape, array.dtype)
            for array in (self.image, self.head, self.counts)
        ]
        for array, lying in zip(made, (self.image, self.head, self.counts), strict=True):
            if array is not None and lying is not None:
                self._gpu.download(array, lying.address, stream)
        self._gpu.synchronise(stream)
        image, head, counts = made
        assert counts is not None
        return image, head, counts

    def close(self) -> None:
        """Free its memory, once the frame that was last enqueued is done, on whose stream ever."""
        self._gpu.settle(self._done)
        if self._graph:
            self._gpu.destroy_graph(self._graph)
            self._graph = 0
        for event in (self._done, self._uploaded):
            self._gpu.destroy_event(event)
        for thing in self.beside:
            thing.close()
        for array in (
            self.frame,
            self.counts,
            self.scratch,
            self.image,
            self.background,
            self.head,
        ):
            if array is not None:
                array.close()

    def _differs(self, background: UInt8) -> bool:
        return self._shown is None or not np.array_equal(self._shown, background)
