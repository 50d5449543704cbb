"""Marching in shared rounds, against the published loop: the same samples, sums in float64."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from emogene.contract.camera import Intrinsics
from emogene.kernels.traversal import Samples
from emogene.runtime.render.published_rays import (
    PublishedOccupancy,
    PublishedRays,
    published_camera_rays,
    published_interval,
)
from emogene.runtime.render.rounds import trace_in_rounds
from tests.oracle.rounds import March, camera_rays, interval
from tests.oracle.rounds import traced as traced_in_float64

Float64 = NDArray[np.float64]
LOW, HIGH = (-1.0, -1.0, -1.0), (1.0, 1.0, 1.0)
CELLS = 8
STEP = 0.0871
STEP_128 = 2 * 3**0.5 / 128


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
    wide = directions.astype(np.float64)
    near, far = published_interval(origin.astype(np.float32), directions, LOW, HIGH, 0.05)
    rays = PublishedRays(origin.astype(np.float32), directions, near.copy(), far, np.float32(STEP))

    def evaluate(samples: Samples) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        x = samples.positions.astype(np.float64)
        return density(x).astype(np.float32), colour(x).astype(np.float32)

    traced = trace_in_rounds(
        rays, PublishedOccupancy(cells, LOW, HIGH), evaluate,
        most=most, total=total, threshold=0.01,
    )  # fmt: skip

    def occupied(x: Float64) -> NDArray[np.bool_]:
        i, j, k = np.clip(((x + 1) / 2 * CELLS).astype(int), 0, CELLS - 1).T
        return cells[k, j, i]

    begin, end = interval(origin, wide, np.array(LOW), np.array(HIGH))
    np.testing.assert_array_equal(begin, near)
    np.testing.assert_array_equal(end, far)
    out, done = traced_in_float64(
        March(STEP, most, 0.01, total), origin, wide, begin, end, occupied,
        lambda x, rays: (density(x), colour(x)),
    )  # fmt: skip
    # Every ray gets the very samples that the loop gives it.
    np.testing.assert_allclose(traced.colour, out, atol=1e-5)
    np.testing.assert_allclose(traced.opacity, done, atol=1e-5)
    assert len(set(traced.taken.tolist())) >= 5
    if (most, total) == (16, 2000):
        assert traced.taken.max() > 16  # others had ended, so these were given more


def test_distances_add_up_as_float32_numbers() -> None:
    """A hundred steps later the sum is 1e-5 beside the product, and samples lie where it says."""
    directions = np.float32([[0.0, 0.0, 1.0]])
    rays = PublishedRays(
        np.float32([0, 0, -4]),
        directions,
        np.float32([3.2]),
        np.float32([4.8]),
        np.float32(STEP_128),
    )
    cells = np.zeros((128,) * 3, bool)
    cells[100:] = True
    samples = rays.march(PublishedOccupancy(cells, LOW, HIGH), np.int32([0]), 3)
    t, sums = np.float32(3.2), []
    while len(sums) < 3:
        if np.float32(t - 4) >= 100 / 64 - 1:
            sums.append(t)
        t = np.float32(t + np.float32(STEP_128))
    assert samples.distances.tolist() == sums
    np.testing.assert_array_equal(samples.positions[:, 2], np.float32(sums) - 4)
    steps = np.round((np.float64(sums) - 3.2) / STEP_128)
    assert np.abs(sums - (3.2 + steps * STEP_128)).max() > 1e-6


def test_rays_of_a_camera_are_the_published_ones() -> None:
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    camera = np.concatenate([turn, [[3.5], [-0.4], [0.3]]], axis=1).astype(np.float32)
    pose = np.concatenate(
        [camera[:, :3].T, -camera[:, :3].T.astype(np.float64) @ camera[:, 3:]], axis=1
    ).astype(np.float32)
    side, focal = 24, 108.75
    pixels = np.arange(side**2, dtype=np.int32)
    origin, directions = published_camera_rays(
        pose, Intrinsics(side, focal, side / 2, side / 2), pixels
    )
    begins, goes = camera_rays(camera.astype(np.float64), side, focal, side / 2)
    # A pose is kept as the inverse of a camera: a few units in the last place.
    np.testing.assert_allclose(origin, begins, atol=1e-6)
    np.testing.assert_array_equal(directions, goes)


def test_a_ray_along_an_axis_and_one_that_misses() -> None:
    origin = np.float32([0, 0, -3])
    directions = np.float32([[0, 0, 1], [0, 1, 0]])
    near, far = published_interval(origin, directions, LOW, HIGH, 0.05)
    assert (near[0], far[0]) == (2, 4) and near[1] > far[1]
