"""Walking rays through the occupancy grid, visiting every lattice point."""

from __future__ import annotations

import numpy as np

from ...contract.field import MarchSpec
from ..arrays import Float32, Int32
from ..occupancy import Occupancy
from ..threads import ThreadPool
from ..traversal import RAY_DONE, MarchState, Samples
from .occupancy import cells_of, unpack_cells

LAST_STEP = 2**24
"""Beyond it a lattice index is no longer exact in float32."""


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
    """As `emogene.kernels.traversal.march`, all rays side by side, one lattice point a turn."""
    live = np.arange(len(directions), dtype=np.int32) if live is None else live
    count = spec.max_samples if count is None else count
    o = np.broadcast_to(origins, directions.shape)[live]
    d, start, stop = directions[live], near[live], far[live]
    offset = np.full(len(live), spec.phase, np.float32) if phase is None else phase[live]
    step = np.float32(spec.step)
    cells = unpack_cells(occupancy.bits, occupancy.resolution)
    k = state.cursor[live].astype(np.int32)
    got = np.zeros(len(live), np.int32)
    wanted = np.minimum(count, spec.max_samples - state.taken[live])
    found: list[tuple[Int32, Float32, Float32]] = []
    walking = (k >= 0) & (got < wanted)
    while walking.any():
        i = np.flatnonzero(walking)
        t = start[i] + (offset[i] + k[i].astype(np.float32)) * step
        ended = ~(t < stop[i]) | (k[i] >= LAST_STEP)
        k[i[ended]] = RAY_DONE
        i, t = i[~ended], t[~ended]
        p = o[i] + t[:, None] * d[i]
        x, y, z = cells_of(p, occupancy.bounds_min, occupancy.bounds_max, occupancy.resolution).T
        hit = cells[z, y, x]
        found.append((i[hit].astype(np.int32), p[hit], t[hit]))
        got[i[hit]] += 1
        k[i] += 1
        walking = (k >= 0) & (got < wanted)
    state.taken[live] += got
    state.cursor[live] = np.where(state.taken[live] < spec.max_samples, k, RAY_DONE)
    offsets = np.concatenate([[0], np.cumsum(got)]).astype(np.int32)
    found.append((np.empty(0, np.int32), np.empty((0, 3), np.float32), np.empty(0, np.float32)))
    entries, positions, distances = (np.concatenate(parts) for parts in zip(*found, strict=True))
    by_ray = np.argsort(entries, kind="stable")
    return Samples(positions[by_ray], distances[by_ray], live[entries[by_ray]], offsets)
