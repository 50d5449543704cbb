"""Walking rays through the occupancy grid."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np

from ..contract.errors import BadOption
from ..contract.field import MarchSpec
from . import native
from .arrays import (
    F32,
    I32,
    Float32,
    Int32,
    address,
    check_at_least,
    check_indices,
    check_positive,
    length,
    optional_address,
)
from .occupancy import Occupancy
from .rays import origin_stride
from .threads import ThreadPool


class OccupancyStructure(ctypes.Structure):
    """``emogene_occupancy``."""

    _fields_ = (
        ("bits", native.POINTER),
        ("distance", native.POINTER),
        ("resolution", native.I32),
        ("box", native.Box),
    )

    @classmethod
    def of(cls, occupancy: Occupancy) -> OccupancyStructure:
        """It points at the arrays of `occupancy`, which must outlive it."""
        return cls(
            occupancy.bits.ctypes.data,
            occupancy.distance.ctypes.data,
            occupancy.resolution,
            native.Box.of(occupancy.bounds_min, occupancy.bounds_max),
        )


class _March(ctypes.Structure):
    _fields_ = (
        ("step", native.F32),
        ("phase", native.F32),
        ("count", native.I32),
        ("max_count", native.I32),
    )


class _Rays(ctypes.Structure):
    _fields_ = (
        ("origins", native.POINTER),
        ("origin_stride", native.I64),
        ("directions", native.POINTER),
        ("near", native.POINTER),
        ("far", native.POINTER),
        ("phases", native.POINTER),
    )


_march_rays = native.Kernel(
    "emogene_march_rays",
    ctypes.POINTER(_Rays),
    native.POINTER,
    native.I64,
    ctypes.POINTER(OccupancyStructure),
    ctypes.POINTER(_March),
    *[native.POINTER] * 6,
    result=native.I64,
)

RAY_DONE = -1
"""The cursor of a ray that has no samples left."""


@dataclass(eq=False)
class MarchState:
    """Where each ray of a frame goes on in the next round.

    Attributes:
        cursor: (N,) lattice index the ray goes on at; `RAY_DONE` once nothing is left.
        taken: (N,) samples the ray got so far.
    """

    cursor: Int32
    taken: Int32

    @staticmethod
    def start(rays: int) -> MarchState:
        """All rays at their entry."""
        return MarchState(np.zeros(rays, np.int32), np.zeros(rays, np.int32))


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples packed ray after ray.

    Attributes:
        positions: (S, 3) head space.
        distances: (S,) from the ray's origin.
        rays: (S,) number of the ray.
        offsets: (L + 1,) live ray i has samples offsets[i] to offsets[i + 1].
    """

    positions: Float32
    distances: Float32
    rays: Int32
    offsets: Int32

    def __len__(self) -> int:
        return len(self.distances)


def march(
    origins: Float32,
    directions: Float32,
    near: Float32,
    far: Float32,
    occupancy: Occupancy,
    spec: MarchSpec,
    state: MarchState,
    *,
    count: int | None = None,
    phase: Float32 | None = None,
    live: Int32 | None = None,
    pool: ThreadPool | None = None,
) -> Samples:
    """The next samples of rays: lattice points whose occupancy cell is set.

    Sample k stands at ``near + (phase + k) * step`` and counts while that is < far, rounded to
    float32 after every operation. Any sequence of calls visits the samples that one call would.

    Args:
        origins: (3,) or (N, 3).
        directions: (N, 3).
        near, far: (N,) from `box.box_interval`; lower `far` to end a ray before it.
        occupancy: the cells.
        spec: step, phase and the most samples of a ray over all calls. (The resolution is the
            occupancy's.)
        state: brought up to date.
        count: the most samples of a ray in this call; `spec.max_samples` if None.
        phase: (N,) offset of each ray's first lattice point in steps, >= 0; `spec.phase` if None.
        live: (L,) numbers of the rays to go on with, each at most once; all if None.

    Returns:
        The samples; their arrays are views of larger buffers.

    Raises:
        BadOption: an array has another dtype or shape, or an option is out of range.
    """
    rays = length("directions", directions)
    if live is None:
        live = np.arange(rays, dtype=np.int32)
    n = length("live", live)
    count = spec.max_samples if count is None else count
    check_at_least("count", count, 1)
    check_positive("march step", spec.step)
    if n * count >= 2**31:
        raise BadOption(
            "rays * count",
            expected="fewer than 2**31 samples in one call",
            found=f"{n} * {count}",
            remedy="march fewer rays or samples at a time",
        )
    at_origins, stride = origin_stride(origins, rays)
    at_live = address("live", live, I32, (n,))
    check_indices("live", live, rays)
    positions = np.empty((n * count, 3), np.float32)
    distances = np.empty(n * count, np.float32)
    sample_rays = np.empty(n * count, np.int32)
    offsets = np.empty(n + 1, np.int32)
    samples = _march_rays.on(
        pool,
        _Rays(
            at_origins,
            stride,
            address("directions", directions, F32, (rays, 3)),
            address("near", near, F32, (rays,)),
            address("far", far, F32, (rays,)),
            optional_address("phase", phase, F32, (rays,)),
        ),
        at_live,
        n,
        OccupancyStructure.of(occupancy),
        _March(spec.step, spec.phase, count, spec.max_samples),
        address("state.cursor", state.cursor, I32, (rays,), write=True),
        address("state.taken", state.taken, I32, (rays,), write=True),
        positions.ctypes.data,
        distances.ctypes.data,
        sample_rays.ctypes.data,
        offsets.ctypes.data,
    )
    return Samples(positions[:samples], distances[:samples], sample_rays[:samples], offsets)
