"""The occupancy grid: which cells of the field's bounds can hold anything visible."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np

from ..contract.errors import BadOption, KernelLibraryMissing
from . import native
from .arrays import BOOL, F32, U8, Bool, Float32, UInt8, Vector, address, length
from .rays import origin_stride
from .threads import ThreadPool

BLOCK = 4
"""Cells along the side of a block of the distance map."""

_P, _I32, _I64 = native.POINTER, native.I32, native.I64
_BOX = ctypes.POINTER(native.Box)
_pack = native.Kernel("emogene_pack_cells", _P, _I64, _P)
_unpack = native.Kernel("emogene_unpack_cells", _P, _I64, _P)
_block_distance = native.Kernel("emogene_block_distance", _P, _I32, _P)
_dilate = native.Kernel("emogene_dilate", _P, _I32, _P)
_cell_maximum = native.Kernel("emogene_cell_maximum", _P, _P, _I64, _BOX, _I32, _P)
_mark = native.Kernel("emogene_mark_segments", _P, _I64, _P, _P, _P, _I64, _BOX, _I32, _P)


@dataclass(frozen=True, eq=False)
class Occupancy:
    """Occupancy bits, where they lie, and the map of distances that lets rays leap over nothing.

    Attributes:
        bits: (ceil(G³/8),) uint8, x fastest, bit i % 8 of byte i // 8.
        resolution: G, cells along each axis.
        bounds_min, bounds_max: the box they fill, head space.
        distance: (B, B, B) uint8, B = ceil(G / 4), [z, y, x]: Chebyshev distance in blocks of 4³
            cells to the nearest block with a set cell, at most 255.
    """

    bits: UInt8
    resolution: int
    bounds_min: Vector
    bounds_max: Vector
    distance: UInt8

    @staticmethod
    def from_bits(
        bits: UInt8, resolution: int, bounds_min: Vector, bounds_max: Vector
    ) -> Occupancy:
        """From the tensor ``occupancy`` of an engine directory.

        Raises:
            BadOption: the bits have another dtype or length, or the box no inside.
        """
        _check_resolution(resolution)
        native.Box.of(bounds_min, bounds_max)
        distance = _distance(bits, resolution)
        kept = bits.copy()
        kept.flags.writeable = False
        distance.flags.writeable = False
        return Occupancy(kept, resolution, bounds_min, bounds_max, distance)

    @staticmethod
    def from_cells(cells: Bool, bounds_min: Vector, bounds_max: Vector) -> Occupancy:
        """From (G, G, G) bool cells, [z, y, x].

        Raises:
            BadOption: as `from_bits`.
        """
        return Occupancy.from_bits(pack_cells(cells), len(cells), bounds_min, bounds_max)

    @property
    def cells(self) -> Bool:
        """(G, G, G) bool, [z, y, x]."""
        return unpack_cells(self.bits, self.resolution)

    @property
    def filled(self) -> float:
        """Share of cells that are set."""
        return float(self.cells.mean())


def pack_cells(cells: Bool) -> UInt8:
    """(G, G, G) bool cells, [z, y, x], to (ceil(G³/8),) uint8 bits.

    Raises:
        BadOption: another dtype or shape.
    """
    at_cells = _cells_address("cells", cells)
    bits = np.empty((cells.size + 7) // 8, np.uint8)
    _pack(at_cells, cells.size, bits.ctypes.data)
    return bits


def unpack_cells(bits: UInt8, resolution: int) -> Bool:
    """The inverse of `pack_cells`.

    Raises:
        BadOption: the bits have another dtype or length.
    """
    cells = np.empty((resolution,) * 3, np.bool_)
    packed = (cells.size + 7) // 8
    _unpack(address("bits", bits, U8, (packed,)), cells.size, cells.ctypes.data)
    return cells


def block_distance(bits: UInt8, resolution: int) -> UInt8:
    """The map of distances that `Occupancy` holds.

    Raises:
        BadOption: the bits have another dtype or length.
    """
    blocks = -(-resolution // BLOCK)
    distance = np.empty((blocks,) * 3, np.uint8)
    packed = (resolution**3 + 7) // 8
    _block_distance(address("bits", bits, U8, (packed,)), resolution, distance.ctypes.data)
    return distance


def _distance(bits: UInt8, resolution: int) -> UInt8:
    """`block_distance`, by NumPy where the compiled kernels are missing, as beside a GPU."""
    try:
        native.library()
    except KernelLibraryMissing:
        from .reference import occupancy as reference

        address("bits", bits, U8, ((resolution**3 + 7) // 8,))
        return reference.block_distance(bits, resolution)
    return block_distance(bits, resolution)


def dilate(cells: Bool, *, pool: ThreadPool | None = None) -> Bool:
    """Sets every cell of (G, G, G) that has a set neighbour across one of its six faces.

    Raises:
        BadOption: another dtype or shape.
    """
    at_cells = _cells_address("cells", cells)
    dilated = np.empty_like(cells)
    _dilate.on(pool, at_cells, len(cells), dilated.ctypes.data)
    return dilated


def cell_maximum(
    largest: Float32,
    positions: Float32,
    values: Float32,
    bounds_min: Vector,
    bounds_max: Vector,
) -> None:
    """Raises each cell to the largest value of a sample inside it, in place.

    With compositing weights as values this bakes an occupancy grid: cells whose largest weight
    over all conditions stays below a threshold are never seen.

    Args:
        largest: (G, G, G), [z, y, x].
        positions: (S, 3); those outside the box belong to the nearest cell.
        values: (S,); NaN is passed over.

    Raises:
        BadOption: an array has another dtype or shape.
    """
    n, resolution = length("positions", positions), length("largest", largest)
    _cell_maximum(
        address("positions", positions, F32, (n, 3)),
        address("values", values, F32, (n,)),
        n,
        native.Box.of(bounds_min, bounds_max),
        resolution,
        address("largest", largest, F32, (resolution,) * 3, write=True),
    )


def mark_segments(
    cells: Bool,
    origins: Float32,
    directions: Float32,
    start: Float32,
    end: Float32,
    bounds_min: Vector,
    bounds_max: Vector,
) -> None:
    """Sets, in place, the cells along the part of each ray from `start` to `end`.

    Points stand every half cell (of the smallest side), ends included; a cell that a ray only
    clips at a corner may be left out. Nothing is set where end < start or outside the box.

    Args:
        cells: (G, G, G) bool, [z, y, x].
        origins: (3,) or (N, 3).
        directions: (N, 3).
        start, end: (N,) distances.

    Raises:
        BadOption: an array has another dtype or shape.
    """
    n = length("directions", directions)
    at_origins, stride = origin_stride(origins, n)
    _mark(
        at_origins,
        stride,
        address("directions", directions, F32, (n, 3)),
        address("start", start, F32, (n,)),
        address("end", end, F32, (n,)),
        n,
        native.Box.of(bounds_min, bounds_max),
        len(cells),
        _cells_address("cells", cells, write=True),
    )


def _cells_address(name: str, cells: Bool, *, write: bool = False) -> int:
    resolution = length(name, cells)
    _check_resolution(resolution)
    return address(name, cells, BOOL, (resolution,) * 3, write=write)


def _check_resolution(resolution: int) -> None:
    # The number of a cell is a 32-bit integer.
    if not 1 <= resolution <= 1024:
        raise BadOption("occupancy resolution", expected="1 to 1024", found=str(resolution))
