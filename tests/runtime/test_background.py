"""The background at another size."""

from __future__ import annotations

import numpy as np
import pytest

from emogene.runtime.render.background import resized

RANDOM = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)


def test_the_same_size_is_left_alone() -> None:
    assert resized(RANDOM, 64) is RANDOM


@pytest.mark.parametrize("size", [1, 16, 63, 65, 200])
def test_a_plain_colour_stays_itself(size: int) -> None:
    plain = np.full((64, 64, 3), (10, 200, 255), np.uint8)
    made = resized(plain, size)
    assert made.shape == (size, size, 3) and made.dtype == np.uint8
    assert (made == plain[:1, :1]).all()


def test_a_ramp_stays_a_ramp() -> None:
    ramp = np.repeat(np.linspace(0, 252, 64)[None, :, None], 64, axis=0)
    small = resized(np.broadcast_to(ramp, (64, 64, 3)).astype(np.uint8), 32)[0, 1:-1, 0]
    expected = (np.arange(1, 31) * 2 + 0.5) * 4
    # Half a level of rounding, twice.
    assert np.abs(small - expected).max() <= 1.0


def test_halving_takes_means() -> None:
    # A fine chequerboard becomes grey: no aliasing.
    board = np.indices((64, 64)).sum(axis=0) % 2 * 255
    small = resized(np.repeat(board[..., None], 3, axis=2).astype(np.uint8), 32)
    assert np.abs(small[1:-1, 1:-1].astype(int) - 127).max() <= 1
