"""One size of picture on a GPU: what changes with a frame, where the picture goes, the launches."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..arrays import Float32, UInt8
from .arrays import DeviceArray, allocate
from .protocol import Gpu

_P = ctypes.c_void_p


class PictureStructure(ctypes.Structure):
    """``PlainPicture``."""

    _fields_ = tuple(
        (name, _P) for name in ("background", "image", "head", "counts", "behind", "planes")
    )


IMAGE, PLANES, HEAD = "image", "planes", "head"
"""What a frame gives: the picture in bytes; the same before it becomes bytes, a plane a colour, for
networks; the head's own colour and opacity."""


class Closable(Protocol):
    """What is closed with a plan."""

    def close(self) -> None: ...


class BoundPlanes(Closable, Protocol):
    """A network tied to a picture's planes."""

    def run(self, stream: int) -> None:
        """Enqueue it, and its outputs' way to the host."""

    def made(self) -> Float32:
        """(3, side, side) that it gave, once the stream has come so far."""


class PlanesNetwork(Protocol):
    """A network that a picture goes through where it lies in the GPU's memory."""

    def bind(self, planes: DeviceArray) -> BoundPlanes:
        """Tie it to (3, size, size) float32.

        Raises:
            Failure: it does not take pictures of this size.
        """


class FramePlan:
    """Memory of one size of picture, and its launches, recorded once where that is possible.

    Args:
        size: side of the picture, pixels.
        outputs: `HEAD`, and one of `IMAGE` and `PLANES`; or one of them.
        scratch: bytes of memory that only the kernels use, zeros at first.
        launches: enqueues the kernels.

    Attributes:
        image: (size, size, 3) uint8, or None.
        planes: (3, size, size) float32 in [0, 1], or None.
        under: the background, like either of them; None without.
        head: (size, size, 4) float32, or None.
        recordable: whether the launches may be recorded.
        beside: what else lives as long as it does.
    """

    def __init__(
        self,
        gpu: Gpu,
        stream: int,
        frame: np.dtype[Any],
        size: int,
        outputs: frozenset[str],
        scratch: int,
        launches: Any,
    ) -> None:
        self.size = size
        self._gpu, self._launches, self._graph = gpu, launches, 0
        self._staged = np.zeros((), frame)
        self.frame = allocate(gpu, (frame.itemsize,), np.uint8, stream)
        # Samples, and rays that took one.
        self.counts = allocate(gpu, (2,), np.uint64, stream)
        self.scratch = allocate(gpu, (scratch,), np.uint8, stream) if scratch else None
        if self.scratch is not None:
            gpu.fill(self.scratch.address, 0, scratch, stream)
        kinds: dict[str, tuple[tuple[int, ...], Any]] = {
            IMAGE: ((size, size, 3), np.uint8),
            PLANES: ((3, size, size), np.float32),
            HEAD: ((size, size, 4), np.float32),
        }
        made = {name: allocate(gpu, *kinds[name], stream) for name in sorted(outputs)}
        self.image, self.planes, self.head = map(made.get, (IMAGE, PLANES, HEAD))
        self.under = next(
            (allocate(gpu, *kinds[name], stream) for name in (IMAGE, PLANES) if name in outputs),
            None,
        )
        at = {name: array.address for name, array in made.items()}
        under = self.under.address if self.under else None
        self.structure = PictureStructure(
            **at,
            background=under if IMAGE in outputs else None,
            behind=under if PLANES in outputs else None,
            counts=self.counts.address,
        )
        self.recordable, self.beside = True, list[Closable]()
        self._after: BoundPlanes | None = None
        self._shown: UInt8 | Float32 | None = None
        self._last = stream
        self._done, self._uploaded = gpu.create_event(), gpu.create_event()
        gpu.record(self._uploaded, stream)

    def prepare(self, stream: int, background: UInt8 | Float32 | None) -> None:
        """Wait for what was enqueued for it elsewhere; bring a background that is not there yet."""
        if stream != self._last:
            self._gpu.wait(stream, self._done)
            self._last = stream
        if self.under is not None and background is not None and self._differs(background):
            self._shown = background.copy()
            self.under.upload(self._shown, stream)

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

    def follow(self, network: PlanesNetwork | None, stream: int) -> Callable[[], Float32]:
        """Enqueue what happens to the planes: a network, or their way to the host.

        Args:
            network: the same one always, once there is one.

        Returns:
            what gives the planes that come of it, once the stream has come so far.
        """
        assert self.planes is not None
        if network is not None:
            if self._after is None:
                self._after = network.bind(self.planes)
                self.beside.append(self._after)
            self._after.run(stream)
            return self._after.made
        array = np.empty(self.planes.shape, np.float32)
        self._gpu.download(array, self.planes.address, stream)
        return lambda: array

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
            self.planes,
            self.under,
            self.head,
        ):
            if array is not None:
                array.close()

    def _differs(self, background: UInt8 | Float32) -> bool:
        return self._shown is None or not np.array_equal(self._shown, background)
