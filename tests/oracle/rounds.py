"""Rays, occupancy, and marching in rounds that all rays share.

Rays, distances and positions are float32 numbers in the published kernels, and rounded sum by sum:
after a hundred steps a distance is 1e-5 beside the exact one. That belongs to the definition here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .encodings import rounded

Float64 = NDArray[np.float64]
Evaluate = Callable[[Float64, NDArray[np.intp]], tuple[Float64, Float64]]
"""Positions (S, 3) and the rays they are on (S,) → σ (S,) and colours (S, 3)."""

LONGEST = 8


def camera_rays(camera: Float64, side: int, focal: float, centre: float) -> tuple[Float64, Float64]:
    """Origin (3,) and directions (side², 3) of a camera (3, 4), through pixel centres.

    A direction is made unit, then turned; a sum of products is rounded term by term.
    """
    v, u = np.meshgrid(np.arange(side) + 0.5, np.arange(side) + 0.5, indexing="ij")
    u, v = (rounded((k - centre) / rounded(np.float64(focal))) for k in (u.ravel(), v.ravel()))
    length = rounded(np.sqrt(rounded(rounded(rounded(u * u) + rounded(v * v)) + 1)))
    seen = [rounded(part / length) for part in (u, v, np.ones_like(u))]
    turned = []
    for row in rounded(camera[:, :3]):
        total = np.zeros_like(u)
        for part, share in zip(seen, row, strict=True):
            total = rounded(total + part * share)
        turned.append(total)
    return rounded(camera[:, 3]), np.stack(turned, axis=1)


def interval(
    origin: Float64, directions: Float64, low: Float64, high: Float64, nearest: float = 0.05
) -> tuple[Float64, Float64]:
    """Where rays enter and leave a box, (R,) each; one that misses leaves before it enters."""
    with np.errstate(divide="ignore"):
        inverse = rounded(1 / directions)
    a, b = (rounded(rounded(edge - origin) * inverse) for edge in (low, high))
    nearest = float(np.float32(nearest))
    return np.maximum(np.minimum(a, b).max(axis=1), nearest), np.maximum(a, b).min(axis=1)


def morton_occupied(bits: NDArray[np.uint8], x: Float64, cells: int) -> NDArray[np.bool_]:
    """Whether the cells of positions (N, 3) in ±1 are set; bits lie in Morton order."""
    cell = np.clip(cells / 2 * (x + 1), 0, cells - 1).astype(np.int64)
    index = np.zeros(len(x), np.int64)
    for bit in range(cells.bit_length()):
        for axis in range(3):
            index |= ((cell[:, axis] >> bit) & 1) << (3 * bit + axis)
    return (bits[index // 8] >> (index % 8)) & 1 == 1


@dataclass(frozen=True)
class March:
    """How rays are marched: length of a step, samples of all rounds, least light, all pixels."""

    step: float
    most: int
    threshold: float
    total: int


def traced(
    march: March,
    origin: Float64,
    directions: Float64,
    near: Float64,
    far: Float64,
    occupied: Callable[[Float64], NDArray[np.bool_]],
    evaluate: Evaluate,
) -> tuple[Float64, Float64]:
    """Colour (R, 3) premultiplied by opacity, and opacity (R,).

    A round gives ``clamp(total / rays alive, 1, 8)`` samples, each ray keeping its place on its
    lattice of steps; a ray ends behind the sample before which too little light came through, or
    in the round it does not fill.
    """
    rays = len(directions)
    t, done, out = near.copy(), np.zeros(rays), np.zeros((rays, 3))
    alive, count, given = np.arange(rays), march.total, 0
    while given < march.most and len(alive):
        length = max(min(march.total // count, LONGEST), 1)
        at, there = _samples(march.step, origin, directions, t, far, occupied, alive, length)
        rows = np.repeat(alive[:, None], length, axis=1)[there]
        sigma, colour = np.zeros(there.shape), np.zeros((*there.shape, 3))
        sigma[there], colour[there] = evaluate(at[there], rows)
        on = np.ones(len(alive), bool)
        for k in range(length):
            seen = on & there[:, k]
            through = 1 - done[alive]
            weight = np.where(seen, (1 - np.exp(-sigma[:, k] * march.step)) * through, 0)
            done[alive] += weight
            out[alive] += weight[:, None] * colour[:, k]
            on &= ~(seen & (through < march.threshold))
        alive = alive[on & there.all(axis=1)]
        count, given = max(len(alive), 1), given + length
    return out, done


def _samples(
    step: float,
    origin: Float64,
    directions: Float64,
    t: Float64,
    far: Float64,
    occupied: Callable[[Float64], NDArray[np.bool_]],
    alive: NDArray[np.intp],
    length: int,
) -> tuple[Float64, NDArray[np.bool_]]:
    """The next ``length`` occupied places of every ray alive: (A, length, 3), and which are.

    A distance is the rounded sum of all steps before it, and a position rounded once.
    """
    step = float(np.float32(step))
    at, there = np.zeros((len(alive), length, 3)), np.zeros((len(alive), length), bool)
    for k in range(length):
        looking = np.arange(len(alive))
        while len(looking := looking[t[alive[looking]] < far[alive[looking]]]):
            ray = alive[looking]
            x = np.clip(rounded(origin + t[ray, None] * directions[ray]), -1, 1)
            hit = occupied(x)
            at[looking[hit], k], there[looking[hit], k] = x[hit], True
            t[ray] = rounded(t[ray] + step)
            looking = looking[~hit]
    return at, there
