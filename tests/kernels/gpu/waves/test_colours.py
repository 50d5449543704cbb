"""What rays and samples are coloured by."""

from __future__ import annotations

import numpy as np
import pytest

from emogene.kernels.compositing import CompositeState
from emogene.kernels.reference import fused as reference
from emogene.kernels.reference import harmonics

from .stand import CHOSEN, RAYS, Made, needs_nvrtc, put_side_by_side, started

pytestmark = needs_nvrtc


@pytest.mark.parametrize("kind", ["realtime", "surface"])
def test_colours_of_rays(made: Made, kind: str) -> None:
    waves = made(kind)
    waves.bake()
    origin, directions, _, _ = started(waves)
    scene, field, a = waves.scene, waves.scene.field, waves.arrays
    rng = np.random.default_rng(6)
    taken = rng.integers(0, 3, RAYS)
    taken[rng.random(RAYS) < 0.5] = 0
    state = CompositeState.start(RAYS, field.geometry_width + 1)
    state.transmittance[:] = np.where(taken > 0, rng.uniform(0, 1, RAYS), 1)
    state.channels[:] = rng.normal(0, 0.3, state.channels.shape) * (taken > 0)[:, None]
    state.channels[:, -1] = 9 * (1 - state.transmittance)
    a["taken"][:RAYS], a["transmittances"][:RAYS] = taken, state.transmittance
    for c in range(state.channels.shape[1]):
        a["channels"][c * RAYS : (c + 1) * RAYS] = state.channels[:, c]
    waves.run("mark_hits", waves.memory, waves.picture, RAYS)
    assert waves.totals.tolist() == [taken.sum(), (taken > 0).sum()]
    waves.scan(CHOSEN)
    put_side_by_side(waves, waves.memory.chosen)
    waves.run("look_at_rays", waves.model, waves.at_frame, waves.memory)
    waves.network("colour", "chosen", "looks", "seen")
    waves.run("put_heads", waves.model, waves.at_frame, waves.memory, waves.picture, waves.chunk())
    plain = reference.FusedField(field, scene.weights, scene.torso)
    wanted = plain._shade(scene.inputs, origin, directions, state) * (taken > 0)[:, None]
    heads = a["heads"][: 4 * RAYS].reshape(RAYS, 4)
    assert np.allclose(heads[:, :3], wanted, atol=2e-4) and wanted.any()
    assert np.array_equal(heads[:, 3], 1 - state.transmittance)


def test_colours_of_samples(made: Made) -> None:
    waves, rng = made("authors"), np.random.default_rng(7)
    _, directions, _, _ = started(waves)
    field, a = waves.scene.field, waves.arrays
    each, total = 3, 500
    live = rng.permutation(RAYS)[: waves.rows // each]
    slots = np.sort(rng.permutation(len(live) * each)[:total])
    raw = rng.normal(0, 1, (total, field.density.outputs)).astype(np.float32)
    a["live"][RAYS : RAYS + len(live)], waves.counts.each[1] = live, each
    a["slots"][:total], waves.counts.samples = slots, total
    a["raw"][: raw.size] = raw.reshape(-1)
    waves.run("look_at_samples", waves.memory, 1)
    seen = harmonics.spherical_harmonics(directions[live[slots // each]], field.directions)
    wanted = np.concatenate([seen, raw[:, 1:]], axis=1)
    found = a["looks"][: wanted.size].reshape(wanted.shape)
    assert np.allclose(found, wanted, atol=1e-6) and waves.poisoned("looks", wanted.size)
