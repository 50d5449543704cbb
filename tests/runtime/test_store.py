"""Samples that are pushed at one end and forgotten at the other."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from emogene.runtime.audio.store import LOOSE_PIECES, SampleStore

Samples = NDArray[np.float32]


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 400), st.integers(0, 300))))
def test_what_is_not_forgotten_can_be_read(steps: list[tuple[int, int, int]]) -> None:
    store, place = SampleStore(), 0
    for length, ahead, forgotten in steps:
        store.push(np.arange(store.end, store.end + length, dtype=np.float32) + 1)
        found = store.read(place, place + ahead)
        expected = np.arange(place, place + ahead, dtype=np.float32) + 1
        expected[max(0, store.end - place) :] = 0  # silence beyond the end
        np.testing.assert_array_equal(found, expected)
        place = min(store.end, place + forgotten)
        store.forget(place)
        assert store.held <= 2 * (store.end - place) + 1


def test_tiny_pushes_do_not_cost_an_array_each() -> None:
    store, sound = SampleStore(), np.arange(5000, dtype=np.float32)
    for start in range(5000):
        store.push(sound[start : start + 1])
    assert store.end == 5000 and store.pieces < LOOSE_PIECES
    np.testing.assert_array_equal(store.read(0, 5000), sound)
