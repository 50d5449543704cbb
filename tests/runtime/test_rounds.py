"""Marching in shared rounds, against the published loop written out ray by ray in float64."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from emogene.contract.field import MarchSpec
from emogene.kernels import box
from emogene.kernels.occupancy import Occupancy
from emogene.kernels.threads import ThreadPool
from emogene.kernels.traversal import Samples
from emogene.runtime.render.rounds import trace_in_rounds

Float64 = NDArray[np.float64]
LOW, HIGH = (-1.0, -1.0, -1.0), (1.0, 1.0, 1.0)
CELLS = 8
STEP = 0.0871


def density(x: Float64) -> Float64:
    """Thick in the middle, thin outside: some rays end early, others never."""
    return 60.0 * np.exp(-8.0 * (x**2).sum(-1))


def colour(x: Float64) -> Float64:
    return (np.sin(5 * x) + 1) / 2


def published(
    origin: Float64,
    directions: Float64,
    near: Float64,
    far: Float64,
    cells: NDArray[np.bool_],
    total: int,
    threshold: float,
    most: int,
) -> tuple[Float64, Float64]:
    """Rounds over all rays; every ray keeps its place on the lattice of steps."""
    n = len(directions)
    t, done, out = near.copy(), np.zeros(n), np.zeros((n, 3))
    alive = [r for r in range(n)]
    count, given = total, 0
    while given < most and alive:
        length = max(min(total // count, 8), 1)
        left = []
        for r in alive:
            used = 0
            while used < length:
                while t[r] < far[r]:
                    x = np.clip(origin + t[r] * directions[r], -1, 1)
                    i, j, k = np.clip(((x + 1) / 2 * CELLS).astype(int), 0, CELLS - 1)
                    if cells[k, j, i]:
                        break
                    t[r] += STEP
                if t[r] >= far[r]:
                    break
                through = 1 - done[r]
                weight = (1 - np.exp(-density(x) * STEP)) * through
                done[r] += weight
                out[r] += weight * colour(x)
                t[r] += STEP
                if through < threshold:
                    break
                used += 1
            if used == length:
                left.append(r)
        alive, count, given = left, len(left), given + length
    return out, done


@pytest.mark.parametrize("most, total", [(16, 900), (16, 2000), (5, 900), (40, 900)])
def test_rounds_equal_the_published_loop(most: int, total: int) -> None:
    rng = np.random.default_rng(0)
    origin = np.array([0.0, 0.0, 3.0])
    towards = rng.uniform(-0.9, 0.9, (300, 3)) - origin
    directions = (towards / np.linalg.norm(towards, axis=1, keepdims=True)).astype(np.float32)
    cells = rng.uniform(size=(CELLS,) * 3) < 0.7
    bits = np.packbits(cells.reshape(-1), bitorder="little")
    occupancy = Occupancy.from_bits(bits, CELLS, LOW, HIGH)
    spec = MarchSpec(STEP, 0.0, 0.05, most, CELLS)
    start = origin.astype(np.float32)

    def evaluate(samples: Samples) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        x = samples.positions.astype(np.float64)
        return density(x).astype(np.float32), colour(x).astype(np.float32)

    pool = ThreadPool(1)
    near, far = box.box_interval(start, directions, LOW, HIGH, spec.min_near, pool=pool)
    traced = trace_in_rounds(
        start, directions, (near, far), occupancy, spec, evaluate,
        total=total, threshold=0.01, pool=pool,
    )  # fmt: skip
    pool.close()
    out, done = published(
        origin, directions.astype(np.float64), near.astype(np.float64), far.astype(np.float64),
        cells, total, 0.01, most,
    )  # fmt: skip
    # A cell's border may be rounded to the other side: of 300 rays, a handful at most.
    wrong = np.abs(traced.colour - out).max(axis=1) > 1e-4
    assert wrong.sum() <= 6
    np.testing.assert_allclose(traced.opacity[~wrong], done[~wrong], atol=1e-4)
    assert len(set(traced.taken.tolist())) >= 5
    if (most, total) == (16, 2000):
        assert traced.taken.max() > 16  # others had ended, so these were given more
