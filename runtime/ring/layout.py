"""What lies where in the shared memory: ``capi/include/emogene_ring.h`` tells readers."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from ...contract.units import SAMPLES_PER_FRAME

MAGIC, VERSION = b"EMORING\0", 1
OPEN, ENDED, BROKEN = 1, 2, 3
"""States: the writer is at work, done, or gave up."""

ALIGNMENT = 64
"""Header, slots and pictures begin at multiples of this: a processor's cache line."""

U32, U64, I32, F64 = ctypes.c_uint32, ctypes.c_uint64, ctypes.c_int32, ctypes.c_double


class Header(ctypes.Structure):
    """``emogene_ring_header``."""

    _fields_ = (
        ("magic", ctypes.c_char * 8),
        ("version", U32),
        ("slots", U32),
        ("slot_bytes", U64),
        ("first_slot", U64),
        ("pixels", U32),
        ("width", U32),
        ("height", U32),
        ("sample_rate", U32),
        ("frames_per_second", U32),
        ("writer", U32),
        ("written", U64),
        ("state", U64),
    )


class Slot(ctypes.Structure):
    """``emogene_ring_slot``."""

    _fields_ = (
        ("sequence", U64),
        ("index", ctypes.c_int64),
        ("time", F64),
        ("idle", I32),
        ("emotion", I32),
        ("speech_seconds", F64),
        ("render_seconds", F64),
        ("audio", ctypes.c_float * SAMPLES_PER_FRAME),
    )


@dataclass(frozen=True)
class Geometry:
    """Where slots and their parts lie.

    Attributes:
        size: (height, width) of the pictures, pixels.
        slots: how many frames are kept.
    """

    size: tuple[int, int]
    slots: int

    @property
    def first_slot(self) -> int:
        """Bytes from the start."""
        return _aligned(ctypes.sizeof(Header))

    @property
    def pixels(self) -> int:
        """Bytes from a slot's start to its picture."""
        return _aligned(ctypes.sizeof(Slot))

    @property
    def slot_bytes(self) -> int:
        """Bytes from one slot to the next."""
        return _aligned(self.pixels + 3 * self.size[0] * self.size[1])

    @property
    def total(self) -> int:
        """Bytes in all."""
        return self.first_slot + self.slots * self.slot_bytes

    def slot(self, frame: int) -> int:
        """Bytes from the start to frame ``frame``'s slot."""
        return self.first_slot + frame % self.slots * self.slot_bytes


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
