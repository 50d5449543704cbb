"""Rays march to their next samples."""

from __future__ import annotations

import numpy as np
import pytest

from emogene.kernels.occupancy import Occupancy
from emogene.kernels.reference import traversal
from emogene.kernels.traversal import RAY_DONE, MarchState

from .stand import RAYS, SAMPLES_TAKEN, Made, needs_nvrtc, started

pytestmark = needs_nvrtc


@pytest.mark.parametrize("kind", ["realtime", "authors"])
def test_marching_goes_on_where_it_was(made: Made, kind: str) -> None:
    waves = made(kind)
    origin, directions, near, far = started(waves)
    field, a = waves.scene.field, waves.arrays
    bits = waves.scene.weights["occupancy"]
    side = field.march.occupancy_resolution
    occupancy = Occupancy.from_bits(bits, side, field.bounds_min, field.bounds_max)
    live = a["live"][: waves.counts.live[0]].copy()
    assert len(live) > 100
    state = MarchState.start(RAYS)
    for each in (1, 2, 8, 3):
        a["positions"][:] = np.nan
        waves.counts.each[0] = each
        if each > 2:  # fewer rays, so that slots suffice
            live = live[: waves.rows // each]
            a["live"][: len(live)], waves.counts.live[0] = live, len(live)
        waves.run("march_rays", waves.model, waves.at_frame, waves.memory, 0)
        wanted = traversal.march(
            origin, directions, near, far, occupancy, field.march, state, count=each, live=live
        )
        counts = np.diff(wanted.offsets)
        assert np.array_equal(a["marks"][: len(live)], counts)
        done = state.cursor[live] == RAY_DONE
        short = counts < each
        assert (a["cursors"][live][short] == RAY_DONE).all() and done[short].all()
        waves.scan(SAMPLES_TAKEN)
        waves.run("place_samples", waves.memory, 0)
        total = len(wanted)
        assert waves.counts.samples == total
        slots = a["slots"][:total]
        ray = np.repeat(np.arange(len(live)), counts)
        within = np.arange(total) - np.repeat(wanted.offsets[:-1], counts)
        assert np.array_equal(slots, ray * each + within)
        assert np.array_equal(a["places"][: len(live)], wanted.offsets[:-1])
        found = a["positions"].reshape(-1, 4)[: waves.rows][slots]
        assert np.array_equal(found[:, :3], wanted.positions)
        assert np.array_equal(found[:, 3], wanted.distances)
