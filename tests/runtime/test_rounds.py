"""Marching in shared rounds, against the published loop in float64."""

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
from tests.oracle.rounds import March
from tests.oracle.rounds import traced as traced_in_float64

Float64 = NDArray[np.float64]
LOW, HIGH = (-1.0, -1.0, -1.0), (1.0, 1.0, 1.0)
CELLS = 8
STEP = 0.0871


def density(x: Float64) -> Float64:
    """Thick in the middle, thin outside: some rays end early, others never."""
    return 60.0 * np.exp(-8.0 * (x**2).sum(-1))


def colour(x: Float64) -> Float64:
    return (np.sin(5 * x) + 1) / 2


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

    def occupied(x: Float64) -> NDArray[np.bool_]:
        i, j, k = np.clip(((x + 1) / 2 * CELLS).astype(int), 0, CELLS - 1).T
        return cells[k, j, i]

    out, done = traced_in_float64(
        March(STEP, most, 0.01, total), origin, directions.astype(np.float64),
        near.astype(np.float64), far.astype(np.float64), occupied,
        lambda x, rays: (density(x), colour(x)),
    )  # fmt: skip
    # A cell's border may be rounded to the other side: of 300 rays, a handful at most.
    wrong = np.abs(traced.colour - out).max(axis=1) > 1e-4
    assert wrong.sum() <= 6
    np.testing.assert_allclose(traced.opacity[~wrong], done[~wrong], atol=1e-4)
    assert len(set(traced.taken.tolist())) >= 5
    if (most, total) == (16, 2000):
        assert traced.taken.max() > 16  # others had ended, so these were given more
