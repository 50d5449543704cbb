"""Shared memory → frames, as copies; C programs read in place (``emogene_ring.h``)."""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import time
from collections.abc import Iterator

import numpy as np

from ...contract.closing import Closing
from ...contract.data import Frame
from ...contract.emotions import EMOTIONS
from ...contract.errors import BadInput
from ...contract.units import SAMPLES_PER_FRAME
from ...kernels import shared
from .layout import ENDED, MAGIC, OPEN, VERSION, Geometry, Header, Slot
from .segment import SCHEME, path_of

_PAUSE, _ASK_AFTER = 0.001, 0.1
"""Seconds between looks, and without a frame until the writer's lock is asked for."""


class RingReader(Closing):
    """Reads the ring of another process (or of this one) from its oldest frame on.

    Args:
        name: as behind ``shm://``.

    Attributes:
        lost: frames that were overwritten before they were read.

    Raises:
        BadInput: there is no such ring, or it is of another version.
    """

    def __init__(self, name: str) -> None:
        self._name, self.lost = SCHEME + name, 0
        try:
            self._file = os.open(path_of(name), os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise self._refusal("a writer at work", error.strerror or str(error)) from None
        try:
            self._map()
        except (OSError, ValueError):
            os.close(self._file)
            raise self._refusal("a ring", "something else") from None
        except BaseException:
            os.close(self._file)
            raise

    def _map(self) -> None:
        memory = mmap.mmap(self._file, 0, prot=mmap.PROT_READ)
        # ctypes wants writable memory for structures; the addresses are all that is needed.
        view = np.frombuffer(memory, np.uint8)
        self._memory, self._view = memory, view
        if len(view) < ctypes.sizeof(Header):
            raise ValueError
        header = Header.from_buffer_copy(memory)
        if header.magic != MAGIC.rstrip(b"\0") or header.version != VERSION:
            raise self._refusal(f"version {VERSION} of the ring", "another")
        self.size = (header.height, header.width)
        self._geometry = Geometry(self.size, header.slots)
        if header.slots < 2 or self._geometry.total != len(view):
            raise ValueError
        self._next = max(0, self._load(Header.written.offset) - header.slots + 1)

    def read(self, timeout: float = 1.0) -> Frame | None:
        """The next frame; None if none came within ``timeout`` seconds.

        Raises:
            EOFError: the writer is done and all frames were read.
            ConnectionResetError: the writer gave up or was killed, and all were read.
        """
        began = time.monotonic()
        asked = began
        while True:
            state = self._load(Header.state.offset)  # set after the last frame, so read first
            if (frame := self._take()) is not None:
                return frame
            if state == ENDED:
                raise EOFError(f"{self._name} ended")
            now = time.monotonic()
            over, died = now - began >= timeout, state != OPEN
            if not died and (over or now - asked >= _ASK_AFTER):
                asked, died = now, not self._alive()
                if died and (frame := self._take()) is not None:
                    return frame
            if died:
                raise ConnectionResetError(f"the writer of {self._name} died")
            if over:
                return None
            time.sleep(_PAUSE)

    def __iter__(self) -> Iterator[Frame]:
        """Frames until the writer is done."""
        while True:
            try:
                frame = self.read()
            except EOFError:
                return
            if frame is not None:
                yield frame

    def close(self) -> None:
        """Let go of the memory; twice is fine."""
        if self._file >= 0:
            del self._view
            self._memory.close()
            os.close(self._file)
            self._file = -1

    def _take(self) -> Frame | None:
        """The next whole frame that is there, copied."""
        while self._next < (written := self._load(Header.written.offset)):
            oldest = written - self._geometry.slots + 1
            if self._next < oldest:
                self.lost += oldest - self._next
                self._next = oldest
            frame, self._next = self._copy(self._next), self._next + 1
            if frame is not None:
                return frame
            self.lost += 1
        return None

    def _copy(self, number: int) -> Frame | None:
        """Frame ``number``; None if another is or was put in its place meanwhile."""
        start, whole = self._geometry.slot(number), 2 * number + 2
        if self._load(start) != whole:
            return None
        slot = Slot.from_buffer_copy(self._memory, start)
        height, width = self.size
        first = start + self._geometry.pixels
        image = self._view[first : first + 3 * height * width].reshape(height, width, 3).copy()
        if self._load(start) != whole:
            return None
        return Frame(
            image=image,
            index=slot.index,
            audio=np.frombuffer(slot.audio, np.float32, SAMPLES_PER_FRAME).copy(),
            idle=bool(slot.idle),
            emotion=EMOTIONS[slot.emotion],
            speech_seconds=slot.speech_seconds,
            render_seconds=slot.render_seconds,
        )

    def _alive(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self._file, fcntl.LOCK_UN)
        return False

    def _load(self, offset: int) -> int:
        return shared.load(int(self._view.ctypes.data) + offset)

    def _refusal(self, expected: str, found: str) -> BadInput:
        return BadInput(
            self._name,
            expected=expected,
            found=found,
            remedy=f"start one: emogene-run speech.wav -o {self._name}",
        )
