"""The displacement of the moving face from the face at rest, as a grid baked once a frame."""

from __future__ import annotations

import ctypes

import numpy as np

from ..contract.errors import BadOption
from ..contract.field import DisplacementSpec
from . import native
from .arrays import (
    F32,
    I32,
    Float32,
    Int32,
    Vector,
    address,
    check_indices,
    length,
    optional_address,
)
from .occupancy import Occupancy
from .threads import ThreadPool


class NodesStructure(ctypes.Structure):
    """``emogene_nodes``."""

    _fields_ = (("nodes", native.I32 * 3), ("box", native.Box))

    @classmethod
    def of(
        cls, resolution: tuple[int, int, int], bounds_min: Vector, bounds_max: Vector
    ) -> NodesStructure:
        """Nodes on the corners of the bounds and between.

        Raises:
            BadOption: fewer than two nodes along an axis, or bounds without an inside.
        """
        if min(resolution) < 2:
            raise BadOption(
                "displacement resolution",
                expected="at least 2 nodes an axis",
                found=str(resolution),
            )
        return cls((native.I32 * 3)(*resolution), native.Box.of(bounds_min, bounds_max))


_P, _I32, _I64 = native.POINTER, native.I32, native.I64
_NODES = ctypes.POINTER(NodesStructure)
_active = native.Kernel("emogene_active_nodes", _NODES, _P, _I32, _P)
_bake = native.Kernel(
    "emogene_bake_displacement", _NODES, _P, _P, _I32, native.F32, _P, _I32, _P, _I64, _P
)
_read = native.Kernel("emogene_read_displacement", _NODES, _P, _P, _P, _I64, _P)


def active_nodes(
    resolution: tuple[int, int, int], occupancy: Occupancy, *, pool: ThreadPool | None = None
) -> Int32:
    """The nodes that positions in occupied cells may read; computed once a field.

    Args:
        resolution: nodes along x, y, z.

    Returns:
        (A,) rising numbers x + X * (y + Y * z).

    Raises:
        BadOption: fewer than two nodes along an axis.
    """
    x, y, z = resolution
    nodes = NodesStructure.of(resolution, occupancy.bounds_min, occupancy.bounds_max)
    active = np.empty(x * y * z, np.uint8)
    _active(nodes, occupancy.bits.ctypes.data, occupancy.resolution, active.ctypes.data)
    return np.flatnonzero(active).astype(np.int32)


def in_bricks(nodes: Int32, resolution: tuple[int, int, int]) -> Int32:
    """The same nodes, those near each other together: 4 × 2 × 2 at a time, 16 for each step of
    `bake_displacement`, which passes over landmarks that are far from all of them."""
    x, y, _ = resolution
    across, up, deep = nodes % x, nodes // x % y, nodes // (x * y)
    brick = (deep // 2 * ((y + 1) // 2) + up // 2) * ((x + 3) // 4) + across // 4
    return nodes[np.argsort(brick, kind="stable")]


def bake_displacement(
    spec: DisplacementSpec,
    rest: Float32,
    falloff: Float32,
    landmarks: Float32,
    bounds_min: Vector,
    bounds_max: Vector,
    *,
    nodes: Int32 | None = None,
    pool: ThreadPool | None = None,
) -> Float32:
    """Displacement at the nodes for each frame's landmarks (see `DisplacementSpec`).

    Args:
        rest: (68, 3) landmarks of the face at rest.
        falloff: (68,) 1 / (2 sigma²).
        landmarks: (F, 68, 3).
        nodes: (A,) from `active_nodes`; the others stay zero. All if None.

    Returns:
        (F, z, y, x, 3) float32.

    Raises:
        BadOption: an array has another dtype or shape, or an index is out of range.
    """
    x, y, z = spec.resolution
    frames, count = length("landmarks", landmarks), length("rest", rest)
    at_nodes = None
    if nodes is not None:
        at_nodes = address("nodes", nodes, I32, (None,))
        check_indices("nodes", nodes, x * y * z)
    allocate = np.empty if nodes is None else np.zeros
    grid: Float32 = allocate((frames, z, y, x, 3), np.float32)
    _bake.on(
        pool,
        NodesStructure.of(spec.resolution, bounds_min, bounds_max),
        address("rest", rest, F32, (count, 3)),
        address("falloff", falloff, F32, (count,)),
        count,
        spec.regulariser,
        address("landmarks", landmarks, F32, (frames, count, 3)),
        frames,
        at_nodes,
        0 if nodes is None else len(nodes),
        grid.ctypes.data,
    )
    return grid


def read_displacement(
    grid: Float32,
    positions: Float32,
    bounds_min: Vector,
    bounds_max: Vector,
    *,
    frames: Int32 | None = None,
    pool: ThreadPool | None = None,
) -> Float32:
    """Trilinear readings at positions; positions outside the bounds read their faces.

    Args:
        grid: (F, z, y, x, 3) from `bake_displacement`.
        positions: (S, 3).
        frames: (S,) the frame of each sample; may be left out where F is 1.

    Returns:
        (S, 3) float32.

    Raises:
        BadOption: an array has another dtype or shape, or an index is out of range.
    """
    at_grid = address("grid", grid, F32, (None, None, None, None, 3))
    count, z, y, x, _ = grid.shape
    n = length("positions", positions)
    at_frames = optional_address("frames", frames, I32, (n,))
    if frames is not None:
        check_indices("frames", frames, count)
    elif count != 1:
        raise BadOption("frames", expected=f"(S,) indices into {count} frames", found="None")
    out = np.empty((n, 3), np.float32)
    _read.on(
        pool,
        NodesStructure.of((x, y, z), bounds_min, bounds_max),
        at_grid,
        address("positions", positions, F32, (n, 3)),
        at_frames,
        n,
        out.ctypes.data,
    )
    return out
