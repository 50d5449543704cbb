"""The displacement of the moving face, as a grid baked once a frame."""

from __future__ import annotations

import numpy as np

from ...contract.field import DisplacementSpec
from ..arrays import Bool, Float32, Int32, Vector
from ..occupancy import Occupancy
from ..threads import ThreadPool
from .occupancy import unpack_cells

SLACK = 1e-3
"""How far a cell's faces are moved out, in cells, so that rounding cannot leave out a node."""


def active_nodes(
    resolution: tuple[int, int, int], occupancy: Occupancy, *, pool: ThreadPool | None = None
) -> Int32:
    """As `emogene.kernels.displacement.active_nodes`."""
    near_x, near_y, near_z = (_nodes_near_cells(n, occupancy.resolution) for n in resolution)
    # Matrix products count, for each node, the occupied cells that reach it.
    reached = np.einsum(
        "zyx,ax,by,cz->cba",
        unpack_cells(occupancy.bits, occupancy.resolution).astype(np.float32),
        near_x.astype(np.float32),
        near_y.astype(np.float32),
        near_z.astype(np.float32),
        optimize=True,
    )
    return np.flatnonzero(reached > 0.5).astype(np.int32)


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
    """As `emogene.kernels.displacement.bake_displacement`."""
    x, y, z = spec.resolution
    low, high = np.asarray(bounds_min, np.float32), np.asarray(bounds_max, np.float32)
    nodes = np.arange(x * y * z, dtype=np.int32) if nodes is None else nodes
    spacing = (high - low) / np.asarray([x - 1, y - 1, z - 1], np.float32)
    places = np.stack([nodes % x, nodes // x % y, nodes // x // y], axis=1).astype(np.float32)
    positions = low + places * spacing
    grid = np.zeros((len(landmarks), x * y * z, 3), np.float32)
    for frame, of_frame in enumerate(landmarks):
        squared = np.square(positions[:, None] - of_frame).sum(axis=2)
        pull = np.exp(-squared * falloff)
        moved = pull @ (of_frame - rest)
        grid[frame, nodes] = moved / (pull.sum(axis=1) + np.float32(spec.regulariser))[:, None]
    return grid.reshape(len(landmarks), z, y, x, 3)


def read_displacement(
    grid: Float32,
    positions: Float32,
    bounds_min: Vector,
    bounds_max: Vector,
    *,
    frames: Int32 | None = None,
    pool: ThreadPool | None = None,
) -> Float32:
    """As `emogene.kernels.displacement.read_displacement`."""
    _, z_nodes, y_nodes, x_nodes, _ = grid.shape
    low, high = np.asarray(bounds_min, np.float32), np.asarray(bounds_max, np.float32)
    last = np.asarray([x_nodes - 1, y_nodes - 1, z_nodes - 1], np.float32)
    at = np.clip((positions - low) * (last / (high - low)), 0, last)
    lower = np.minimum(at, last - 1).astype(np.int32)
    fraction = at - lower
    frame = np.zeros(len(positions), np.int32) if frames is None else frames
    read = np.zeros((len(positions), 3), np.float32)
    for corner in range(8):
        upper = np.asarray([corner & 1, corner >> 1 & 1, corner >> 2])
        weight = np.where(upper, fraction, np.float32(1.0) - fraction).prod(axis=1)
        x, y, z = (lower + upper).T
        read += weight[:, None].astype(np.float32) * grid[frame, z, y, x]
    return read


def _nodes_near_cells(nodes: int, resolution: int) -> Bool:
    """(nodes, resolution): whether a position in the cell may read the node, along one axis."""
    cell = np.arange(resolution)
    first = np.floor((cell - SLACK) / resolution * (nodes - 1))
    last = np.floor((cell + 1 + SLACK) / resolution * (nodes - 1)) + 1
    node = np.arange(nodes)[:, None]
    return (node >= first) & (node <= last)
