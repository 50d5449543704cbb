"""Rays composite their samples."""

from __future__ import annotations

import numpy as np
import pytest

from emogene.kernels.compositing import CompositeState
from emogene.kernels.reference import compositing

from .stand import RAYS, Made, needs_nvrtc, started

pytestmark = needs_nvrtc


@pytest.mark.parametrize("kind", ["realtime", "surface", "authors"])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 2.0])
def test_samples_are_composited(made: Made, kind: str, threshold: float) -> None:
    waves = made(kind, threshold=threshold)
    field, a, rng = waves.scene.field, waves.arrays, np.random.default_rng(5)
    started(waves)
    each = 4
    live = rng.permutation(RAYS)[: waves.rows // each].astype(np.int32)
    counts = rng.integers(0, each + 1, len(live))
    counts[:50] = each
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    total, outputs, width = offsets[-1], field.density.outputs, 3
    raw = rng.normal(-1, 2, (total, outputs)).astype(np.float32)
    seen = rng.uniform(0, 1, (total, 3)).astype(np.float32)
    distances = rng.uniform(5, 9, total).astype(np.float32)
    a["live"][: len(live)], waves.counts.live[0], waves.counts.each[0] = live, len(live), each
    a["places"][: len(live)] = offsets[:-1]
    waves.mark(counts)
    a["raw"][: raw.size] = raw.reshape(-1)
    within = np.arange(total) - np.repeat(offsets[:-1], counts)
    slots = np.repeat(np.arange(len(live)), counts) * each + within
    if field.colour_at == "sample":
        a["seen"][: seen.size] = seen.reshape(-1)
        values = seen
    else:
        a["positions"].reshape(-1, 4)[slots, 3] = distances
        values = np.concatenate([raw[:, 1:], distances[:, None]], axis=1)
        width = outputs
    # Rays that have gathered something before.
    state = CompositeState.start(RAYS, width)
    state.transmittance[:] = rng.uniform(0.05, 1, RAYS)
    state.channels[:] = rng.normal(0, 1, state.channels.shape)
    a["transmittances"][:RAYS] = state.transmittance
    for c in range(width):
        a["channels"][c * RAYS : (c + 1) * RAYS] = state.channels[:, c]
    waves.run("composite_samples", waves.at_frame, waves.memory, 0)
    sigmas = np.exp(np.clip(raw[:, 0] + np.float32(field.density_shift), -15, 15))
    compositing.composite(
        sigmas, values, offsets, field.march.step, state, threshold=threshold, live=live
    )
    near = {"rtol": 0, "atol": 2e-5}
    assert np.allclose(a["transmittances"][:RAYS], state.transmittance, **near)
    found = np.stack([a["channels"][c * RAYS : (c + 1) * RAYS] for c in range(width)], axis=1)
    assert np.allclose(found, state.channels, rtol=1e-4, atol=1e-4)
    assert np.array_equal(a["taken"][:RAYS], state.used)
    on = (counts == each) & ~(state.transmittance[live] < threshold)
    on &= state.used[live] == counts
    assert np.array_equal(a["marks"][: len(live)], on)
    assert on.any() == (threshold < 1) and (threshold < 2 or not state.used.any())


def test_a_density_that_is_no_number_stops_nothing(made: Made) -> None:
    waves = made("realtime")
    started(waves)
    a = waves.arrays
    waves.counts.live[0], waves.counts.each[0] = 40, 1
    a["live"][:40], a["places"][:40] = np.arange(40), np.arange(40)
    waves.mark(np.ones(40, np.int32))
    a["raw"][:] = 0.0
    a["positions"][:] = 1.0
    a["raw"][7 * waves.scene.field.density.outputs] = np.nan
    waves.run("composite_samples", waves.at_frame, waves.memory, 0)
    # The least density there is.
    assert np.isfinite(a["transmittances"][:40]).all() and 0.999 < a["transmittances"][7] <= 1
    assert a["marks"][:40].all() and (a["taken"][:40] == 1).all()
