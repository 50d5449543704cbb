"""Grids are read at the samples."""

from __future__ import annotations

import numpy as np
import pytest

from emogene.kernels.reference import fused as reference
from emogene.kernels.reference import grids

from .stand import RAYS, Made, Waves, needs_nvrtc

pytestmark = needs_nvrtc


def sampled(waves: Waves, count: int, seed: int) -> np.ndarray:
    """Random positions, some of them beyond the bounds, in shuffled slots."""
    rng, field = np.random.default_rng(seed), waves.scene.field
    low, high = np.asarray(field.bounds_min), np.asarray(field.bounds_max)
    positions = rng.uniform(low - 0.1, high + 0.1, (count, 3)).astype(np.float32)
    slots = rng.permutation(waves.rows)[:count]
    waves.arrays["positions"].reshape(-1, 4)[slots, :3] = positions
    waves.arrays["slots"][:count] = slots
    waves.counts.samples = count
    return positions


@pytest.mark.parametrize("kind", ["realtime", "surface", "authors", "odd"])
@pytest.mark.parametrize("count", [0, 1, 333, 2 * RAYS])
def test_grids_are_read(made: Made, kind: str, count: int) -> None:
    waves = made(kind)
    waves.bake()
    field, scene, a = waves.scene.field, waves.scene, waves.arrays
    positions = sampled(waves, count, seed=count)
    plain = reference.FusedField(field, scene.weights)
    waves.run("encode_samples", waves.model, waves.memory)
    at = np.random.default_rng(2).uniform(-1, 1, (count, 3)).astype(np.float32)
    if field.ambient is not None:
        width, outputs = field.grids[0].width, field.ambient.outputs
        first = a["looks"][: count * width].reshape(count, width)
        features = a["features"][: count * field.feature_width]
        features = features.reshape(count, field.feature_width)
        assert np.array_equal(first, features[:, :width])
        a["seen"][: count * outputs] = at[:, :outputs].reshape(-1)
        waves.run("encode_ambient", waves.model, waves.memory)
    moved = plain._moved(scene.inputs, positions)
    parts = []
    for grid in field.grids:
        if grid.read_at == "ambient":
            unit = (at[:, : grid.dimensions] + np.float32(1)) * np.float32(0.5)
            parts.append(grids.encode(grid, scene.weights[f"{grid.name}.table"], unit))
        else:
            parts.append(plain._read(grid, positions, moved))
    if field.displacement_gain:
        parts.append(moved * np.float32(field.displacement_gain))
    wanted = np.concatenate(parts, axis=1)
    found = a["features"][: wanted.size].reshape(wanted.shape)
    # Eight products in another order.
    assert np.allclose(found, wanted, atol=2e-5, rtol=0)
    assert waves.poisoned("features", wanted.size)


def test_a_position_that_is_no_number_reads_zeros(made: Made) -> None:
    waves = made("odd")
    sampled(waves, 4, seed=0)
    slots = waves.arrays["positions"].reshape(-1, 4)
    slots[:, :3] = 0.1
    slots[waves.arrays["slots"][2], 1] = np.nan
    waves.run("encode_samples", waves.model, waves.memory)
    width = waves.scene.field.feature_width
    rows = waves.arrays["features"][: 4 * width].reshape(4, width)[:, :8]
    assert not rows[2].any() and rows[[0, 1, 3]].any(axis=1).all()
