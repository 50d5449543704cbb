"""The occupancy grid."""

from __future__ import annotations

import numpy as np

from ..arrays import Bool, Float32, Int32, UInt8, Vector
from ..occupancy import BLOCK
from ..threads import ThreadPool


def pack_cells(cells: Bool) -> UInt8:
    """As `emogene.kernels.occupancy.pack_cells`."""
    return np.packbits(cells.ravel(), bitorder="little")


def unpack_cells(bits: UInt8, resolution: int) -> Bool:
    """As `emogene.kernels.occupancy.unpack_cells`."""
    cells = np.unpackbits(bits, bitorder="little")[: resolution**3]
    shaped: Bool = cells.reshape((resolution,) * 3).astype(np.bool_)
    return shaped


def block_distance(bits: UInt8, resolution: int) -> UInt8:
    """As `emogene.kernels.occupancy.block_distance`."""
    blocks = -(-resolution // BLOCK)
    z, y, x = np.nonzero(unpack_cells(bits, resolution))
    reached = np.zeros((blocks,) * 3, np.bool_)
    reached[z // BLOCK, y // BLOCK, x // BLOCK] = True
    distance = np.where(reached, 0, 255).astype(np.uint8)
    for ring in range(1, 255):
        grown = reached
        for axis in range(3):  # a cube of 3³ is grown axis by axis
            grown = grown | _shifted(grown, axis, 1) | _shifted(grown, axis, -1)
        if np.array_equal(grown, reached):
            break
        distance[grown & ~reached] = ring
        reached = grown
    return distance


def dilate(cells: Bool, *, pool: ThreadPool | None = None) -> Bool:
    """As `emogene.kernels.occupancy.dilate`."""
    dilated: Bool = cells.copy()
    for axis in range(3):
        dilated = dilated | _shifted(cells, axis, 1) | _shifted(cells, axis, -1)
    return dilated


def cell_maximum(
    largest: Float32,
    positions: Float32,
    values: Float32,
    bounds_min: Vector,
    bounds_max: Vector,
) -> None:
    """As `emogene.kernels.occupancy.cell_maximum`."""
    cells = cells_of(positions, bounds_min, bounds_max, len(largest))
    counted = ~np.isnan(values)
    at = tuple(cells[counted, axis] for axis in (2, 1, 0))
    np.maximum.at(largest, at, values[counted])


def mark_segments(
    cells: Bool,
    origins: Float32,
    directions: Float32,
    start: Float32,
    end: Float32,
    bounds_min: Vector,
    bounds_max: Vector,
) -> None:
    """As `emogene.kernels.occupancy.mark_segments`."""
    resolution = len(cells)
    low = np.asarray(bounds_min, np.float32)
    scale = cells_per_unit(bounds_min, bounds_max, resolution)
    origins = np.broadcast_to(origins, directions.shape)
    per_unit = np.float32(2.0) * scale.max()
    for o, d, first, length in zip(origins, directions, start, end - start, strict=True):
        if not length >= 0:
            continue
        gaps = min(max(np.ceil(length * per_unit), np.float32(1.0)), np.float32(2**20))
        steps = np.arange(int(gaps) + 1, dtype=np.float32)
        t = first + length * (steps / gaps)
        at = (o + t[:, None] * d - low) * scale
        inside = np.all((at >= 0) & (at < resolution), axis=1)
        x, y, z = at[inside].astype(np.int32).T
        cells[z, y, x] = True


def cells_per_unit(bounds_min: Vector, bounds_max: Vector, resolution: int) -> Float32:
    """(3,) cells to a unit of length along each axis."""
    low, high = np.asarray(bounds_min, np.float32), np.asarray(bounds_max, np.float32)
    scale: Float32 = np.float32(resolution) / (high - low)
    return scale


def cells_of(positions: Float32, bounds_min: Vector, bounds_max: Vector, resolution: int) -> Int32:
    """(S, 3) cell along x, y, z of each position; the nearest one for those outside."""
    low = np.asarray(bounds_min, np.float32)
    at = (positions - low) * cells_per_unit(bounds_min, bounds_max, resolution)
    cells: Int32 = np.fmin(np.fmax(at, 0), np.float32(resolution - 1)).astype(np.int32)
    return cells


def _shifted(cells: Bool, axis: int, by: int) -> Bool:
    """Cells moved along an axis; what comes in from outside is empty."""
    moved = np.zeros_like(cells)
    ahead: list[slice] = [slice(None)] * 3
    behind: list[slice] = [slice(None)] * 3
    ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
    to, source = (ahead, behind) if by > 0 else (behind, ahead)
    moved[tuple(to)] = cells[tuple(source)]
    return moved
