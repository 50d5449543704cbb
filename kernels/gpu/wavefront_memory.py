"""The memory of a frame in rounds: ``WaveMemory`` of ``cuda/waves.h``, in one piece."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from ...contract.field import FieldSpec, TorsoSpec
from .specification import channels, networks_by_role

LEAST_EACH = 2
"""``kLeastEach``: samples a ray takes in a round, at least."""

SIDE = 8
"""``kSide``: rays are numbered by blocks of so many pixels a side."""

_ALIGNED = 256
_LANES = 32
_I32, _P = ctypes.c_int32, ctypes.c_void_p


class WaveCounts(ctypes.Structure):
    """``WaveCounts``."""

    _fields_ = (
        ("live", _I32 * 2),
        ("each", _I32 * 2),
        ("given", _I32 * 2),
        ("budget", _I32),
        ("samples", _I32),
        ("chosen", _I32),
    )


_ARRAYS = (
    "counts", "directions", "spans", "cursors", "transmittances", "channels", "taken", "live",
    "marks", "places", "tiles", "chosen", "heads", "positions", "slots", "features", "raw",
    "looks", "seen",
)  # fmt: skip


class WaveMemory(ctypes.Structure):
    """``WaveMemory``."""

    _fields_ = (*((name, _P) for name in _ARRAYS), ("rays", _I32))


class WaveChunk(ctypes.Structure):
    """``WaveChunk``."""

    _fields_ = (("first", _I32), ("rays", _I32))


def ray_numbers(size: int) -> int:
    """``pixel_numbers``: rays of a picture, those beyond its borders counted."""
    return (-(-size // SIDE) * SIDE) ** 2


@dataclass(frozen=True)
class WaveLayout:
    """Where everything lies for chunks of so many rays.

    Attributes:
        rays: of a chunk.
        rows: samples of a round at most.
        places: first byte of each array, by name.
        biases: first byte of each network's first-layer bias, by its role: a copy of the frame's,
            placed as engines want it.
        size: bytes in all.
    """

    rays: int
    rows: int
    places: dict[str, int]
    biases: dict[str, int]
    size: int

    def memory(self, address: int) -> WaveMemory:
        """The structure for memory that begins at an address."""
        return WaveMemory(*(address + self.places[name] for name in _ARRAYS), self.rays)

    def count(self, address: int, name: str, turn: int = 0) -> int:
        """Address of one of the counts."""
        field = getattr(WaveCounts, name)
        return int(address + self.places["counts"] + field.offset + 4 * turn)


def wave_layout(field: FieldSpec, torso: TorsoSpec | None, rays: int) -> WaveLayout:
    """The layout for chunks of ``rays`` rays."""
    rows = LEAST_EACH * rays
    per_sample = field.colour_at == "sample"
    ambient = field.ambient
    looks = [
        rays * field.colour.inputs * (LEAST_EACH if per_sample else 1),
        rows * field.grids[0].width if ambient else 0,
        rays * torso.colour.inputs if torso else 0,
    ]
    seen = [
        rows * 3 if per_sample else rays * 3,
        rays * 4,
        rows * ambient.outputs if ambient else 0,
    ]
    numbers = {
        "counts": ctypes.sizeof(WaveCounts) // 4,
        "directions": 3 * rays,
        "spans": 2 * rays,
        "cursors": rays,
        "transmittances": rays,
        "channels": channels(field) * rays,
        "taken": rays,
        "live": 2 * rays,
        "marks": rays,
        "places": rays,
        "tiles": -(-rays // _LANES),
        "chosen": rays,
        "heads": 4 * rays,
        "positions": 4 * rows,
        "slots": rows,
        "features": max(rows * field.feature_width, rays * torso.deform.inputs if torso else 0),
        "raw": rows * field.density.outputs,
        "looks": max(looks),
        "seen": max(seen),
    }
    places, at = {}, 0
    for name in _ARRAYS:
        places[name] = at
        at += _aligned(4 * numbers[name])
    biases = {}
    for role, network in networks_by_role(field, torso).items():
        biases[role] = at
        at += _aligned(4 * network.hidden[0])
    return WaveLayout(rays, rows, places, biases, at)


def _aligned(size: int) -> int:
    return size + -size % _ALIGNED
