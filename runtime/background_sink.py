"""A sink that works in a thread of its own, so that the next frame is rendered meanwhile."""

from __future__ import annotations

import dataclasses
import threading
import weakref
from collections import deque
from queue import Queue
from typing import Protocol

import numpy as np

from ..contract.closing import Keeping
from ..contract.data import Float32, Frame
from ..contract.units import SAMPLES_PER_FRAME
from .output_checks import check_frame, check_open

WAITING = 3
"""Frames that may wait for the sink. More would only even out longer stalls of a disk."""


class FileSink(Protocol):
    """A sink that is used by one thread at a time, and can be told to leave nothing behind."""

    def write(self, frame: Frame) -> None:
        """Take the next frame; its arrays may change once this has returned."""

    def close(self) -> None:
        """Complete the output."""

    def discard(self) -> None:
        """Leave nothing."""


class BackgroundSink(Keeping):
    """Hands frames to ``inner`` in a thread of its own; `write` waits only while `WAITING` wait.

    Frames are copied into arrays that are used again and again, so memory is bounded and the caller
    may change its own. What ``inner`` raises is raised by the next `write` or `close`. Leaving the
    ``with`` block by an exception drops what waits and discards the output.

    Args:
        inner: does the work; nobody else uses it from now on.
        name: of the output, for refusals.
        size: (height, width) of every frame in pixels.
    """

    def __init__(self, inner: FileSink, name: str, size: tuple[int, int]) -> None:
        self._inner, self._name, self._size = inner, name, size
        self._line = _Line(inner)
        # A sink that is forgotten, or open when the program ends, ends its thread.
        self._ending = weakref.finalize(self, self._line.drop)

    @property
    def inner(self) -> FileSink:
        """What does the work."""
        return self._inner

    def write(self, frame: Frame) -> None:
        """Take the next frame.

        Raises:
            BadOutput: the frame has another size, the sink is closed, or an earlier frame could not
                be written.
        """
        check_frame(self._name, frame, self._size)
        check_open(self._name, self._ending.alive)
        try:
            self._line.put(frame)
        except BaseException:
            self.discard()
            raise

    def close(self) -> None:
        """Complete the output. Nothing happens the second time.

        Raises:
            BadOutput: a frame could not be written, or the output not be completed.
        """
        if not self._ending.alive:
            return
        try:
            self._line.finish()
        except BaseException:
            self.discard()
            raise
        self._ending.detach()
        self._inner.close()

    def discard(self) -> None:
        """Close without leaving anything."""
        self._ending()
        self._inner.discard()


class _Line:
    """The thread and what waits for it; knows nothing of the `BackgroundSink` that feeds it."""

    def __init__(self, sink: FileSink) -> None:
        self._sink = sink
        self._waiting: Queue[Frame | None] = Queue(WAITING)
        self._free: deque[tuple[np.ndarray, Float32]] = deque()
        self._error: BaseException | None = None
        self._dropping = False
        self._thread = threading.Thread(target=self._work, name="emogene-output", daemon=True)
        self._thread.start()

    def put(self, frame: Frame) -> None:
        """Wait for a place, and take a copy of the frame; raises what an earlier one met."""
        self._tell()
        image, audio = self._free.pop() if self._free else _arrays(frame)
        np.copyto(image, frame.image)
        np.copyto(audio, frame.audio, casting="same_kind")
        self._waiting.put(dataclasses.replace(frame, image=image, audio=audio))

    def finish(self) -> None:
        """Wait until all is written, and end; raises what a frame met."""
        self._waiting.put(None)
        self._thread.join()
        self._tell()

    def drop(self) -> None:
        """End after the frame that is being written."""
        self._dropping = True
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._waiting.put(None)
            self._thread.join()

    def _tell(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while (frame := self._waiting.get()) is not None:
            # After an error frames are still taken, so that nobody waits for a place for ever.
            if not self._dropping and self._error is None:
                try:
                    self._sink.write(frame)
                except BaseException as error:
                    self._error = error
            self._free.append((frame.image, frame.audio))


def _arrays(frame: Frame) -> tuple[np.ndarray, Float32]:
    return np.empty(frame.image.shape, np.uint8), np.empty(SAMPLES_PER_FRAME, np.float32)
