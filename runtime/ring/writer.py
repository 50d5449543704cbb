"""Frames → shared memory. The only thing that is copied is the picture into its slot."""

from __future__ import annotations

import ctypes
import os

import numpy as np

from ...contract.closing import Keeping
from ...contract.data import Frame
from ...contract.emotions import EMOTIONS
from ...contract.errors import BadOutput
from ...contract.units import FRAMES_PER_SECOND, SAMPLE_RATE
from ...kernels import shared
from ..output_checks import check_frame, check_open
from .layout import BROKEN, ENDED, MAGIC, OPEN, VERSION, Geometry, Header, Slot
from .segment import SCHEME, Segment

SLOTS, MOST_SLOTS = 16, 4096
"""Frames that are kept unless asked otherwise: 0.64 s, 12.7 MB at 512²."""


class RingWriter(Keeping):
    """A ring of the last frames that any number of processes may read; it never waits for them.

    Args:
        destination: ``shm://NAME``, or ``shm://NAME?slots=N``.
        size: (height, width) of every frame in pixels.

    Raises:
        BadOutput: no such name or number; another writer lives under the name; no room.
    """

    def __init__(self, destination: str, size: tuple[int, int]) -> None:
        self._name, self._size = destination, size
        name, slots = _parsed(destination)
        self._geometry = geometry = Geometry(size, slots)
        self._segment: Segment | None = Segment(name, geometry.total)
        memory = self._segment.memory
        self._header = Header.from_buffer(memory)
        self._slots = [Slot.from_buffer(memory, geometry.slot(k)) for k in range(slots)]
        self._pictures = [
            np.frombuffer(
                memory, np.uint8, 3 * size[0] * size[1], geometry.slot(k) + geometry.pixels
            ).reshape(*size, 3)
            for k in range(slots)
        ]
        self._written = 0
        self._describe()
        try:
            self._segment.publish()
        except BaseException:
            self._let_go()
            raise

    def _describe(self) -> None:
        header, geometry = self._header, self._geometry
        header.magic, header.version = MAGIC, VERSION
        header.slots, header.slot_bytes = geometry.slots, geometry.slot_bytes
        header.first_slot, header.pixels = geometry.first_slot, geometry.pixels
        header.height, header.width = self._size
        header.sample_rate, header.frames_per_second = SAMPLE_RATE, FRAMES_PER_SECOND
        header.writer = os.getpid()
        self._store(Header.state.offset, OPEN)

    def write(self, frame: Frame) -> None:
        """Put the frame in the place of the oldest."""
        check_frame(self._name, frame, self._size)
        check_open(self._name, self._segment is not None)
        number, place = self._written, self._written % self._geometry.slots
        slot = self._slots[place]
        sequence = ctypes.addressof(slot)
        shared.store(sequence, 2 * number + 1)
        slot.index, slot.time = frame.index, frame.time
        slot.idle, slot.emotion = frame.idle, EMOTIONS.index(frame.emotion)
        slot.speech_seconds, slot.render_seconds = frame.speech_seconds, frame.render_seconds
        np.frombuffer(slot.audio, np.float32)[:] = frame.audio
        self._pictures[place][:] = frame.image
        shared.store(sequence, 2 * number + 2)
        self._written = number + 1
        self._store(Header.written.offset, self._written)

    def close(self) -> None:
        """Tell readers that no frame will come, and remove the name; twice is fine."""
        self._end(ENDED)

    def discard(self) -> None:
        """The same, but tell them that it was broken off."""
        self._end(BROKEN)

    def _end(self, state: int) -> None:
        if self._segment is not None:
            self._store(Header.state.offset, state)
            self._let_go()

    def _let_go(self) -> None:
        segment, self._segment = self._segment, None
        # Memory that anything still points into cannot be unmapped.
        del self._header, self._slots, self._pictures
        if segment is not None:
            segment.close()

    def _store(self, offset: int, value: int) -> None:
        shared.store(ctypes.addressof(self._header) + offset, value)


def _parsed(destination: str) -> tuple[str, int]:
    """Name and number of slots."""
    name, asked, query = destination[len(SCHEME) :].partition("?")
    if not asked:
        return name, SLOTS
    word, _, number = query.partition("=")
    if word == "slots" and number.isascii() and number.isdigit() and len(number) < 9:
        slots = int(number)
        if 2 <= slots <= MOST_SLOTS:
            return name, slots
    raise BadOutput(
        destination,
        expected=f"slots=N behind the '?', N from 2 to {MOST_SLOTS}",
        found=query,
        remedy=f"leave it out for {SLOTS} frames",
    )
