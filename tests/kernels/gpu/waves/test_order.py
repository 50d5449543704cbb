"""What goes on is put side by side, in order."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from .stand import CHOSEN, ENTERING, GOING_ON, RAYS, SAMPLES_TAKEN, Made, needs_nvrtc

pytestmark = needs_nvrtc


@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 500, 8192, 40_000])
def test_sums_over_all_warps_before(made: Made, count: int) -> None:
    waves = made("odd", rays=40_000)
    numbers = np.random.default_rng(count).integers(0, 9, count)
    waves.mark(numbers)
    waves.counts.live[1], waves.counts.each[1], waves.counts.given[1] = count, 3, 7
    before = waves.arrays["tiles"].copy()
    waves.scan(SAMPLES_TAKEN, 1)
    tiles = -(-count // 32)
    wanted = np.concatenate([[0], np.cumsum(before[:tiles])])[:-1]
    assert np.array_equal(waves.arrays["tiles"][:tiles], wanted)
    assert waves.counts.samples == numbers.sum() and waves.poisoned("tiles", tiles)
    # Who goes on, of 10 000 samples a round and 48 for each in all.
    waves.counts.budget = 10_000
    waves.mark(numbers % 2)
    waves.scan(GOING_ON, 1)
    on, limit = int((numbers % 2).sum()), waves.scene.field.march.max_samples
    assert waves.counts.live[0] == on and waves.counts.given[0] == 10 < limit
    assert waves.counts.each[0] == (min(max(10_000 // on, 2), 8) if on else 2)
    waves.mark(numbers % 2)
    waves.scan(CHOSEN, rays=count)
    assert waves.counts.chosen == on
    waves.counts.given[1] = limit - 3  # this round was the last one
    waves.mark(numbers % 2)
    waves.scan(GOING_ON, 1)
    assert waves.counts.live[0] == 0
    waves.mark(numbers % 2)
    waves.scan(ENTERING, rays=count)
    assert (waves.counts.live[0], waves.counts.given[0]) == (on, 0)
    assert (waves.counts.each[0], waves.counts.budget) == (2, 2 * on)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("blocks", [1, 7])
def test_chosen_items_keep_their_order(made: Made, share: float, blocks: int) -> None:
    waves, rng = made("odd"), np.random.default_rng(1)
    marked = rng.random(RAYS) < share
    waves.mark(marked)
    waves.scan(CHOSEN)
    nowhere, chosen = ctypes.c_void_p(None), ctypes.c_void_p(waves.memory.chosen)
    waves.run("choose_items", waves.memory, nowhere, RAYS, nowhere, chosen, blocks=blocks)
    wanted = np.flatnonzero(marked)
    assert np.array_equal(waves.arrays["chosen"][: len(wanted)], wanted)
    assert waves.poisoned("chosen", len(wanted))
    places = np.where(marked, np.cumsum(marked) - 1, -1)
    assert np.array_equal(waves.arrays["places"][:RAYS], places)
    # Of a list: those that go on, from one list to the other.
    names = rng.permutation(RAYS)[:300].astype(np.int32)
    waves.arrays["live"][:300], waves.counts.live[0] = names, 300
    waves.mark(marked[:300])
    waves.counts.each[0] = waves.counts.given[0] = 1
    waves.scan(GOING_ON)
    live = waves.memory.live
    where = (waves.memory.counts, live, live + 4 * RAYS)
    count, source, to = map(ctypes.c_void_p, where)
    waves.run("choose_items", waves.memory, count, RAYS, source, to, blocks=blocks)
    on = names[marked[:300]]
    assert waves.counts.live[1] == len(on)
    assert np.array_equal(waves.arrays["live"][RAYS : RAYS + len(on)], on)
    assert waves.poisoned("live", RAYS + len(on))
