"""Landmark measures on faces whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from emogene.contract.errors import BadInput
from emogene.contract.landmarks import MOUTH
from emogene.evaluation.landmarks import (
    landmark_distance,
    mouth_error_ratio,
    opening_correlation,
    opening_lag,
)


def faces(frames: int = 5) -> NDArray[np.float64]:
    points = np.random.default_rng(0).uniform(0, 512, (frames, 68, 2))
    points[:, 36], points[:, 45] = (100.0, 200.0), (200.0, 200.0)
    return points


def test_distance_of_a_shifted_face() -> None:
    found = landmark_distance(faces() + np.array([3.0, 4.0]), faces())
    assert found.pixels == pytest.approx(5.0)
    assert found.mouth == pytest.approx(5.0)
    assert found.normalised == pytest.approx(0.05)  # of eye corners 100 pixels apart


def test_distance_is_given_in_pixels_of_512() -> None:
    found = landmark_distance(faces() + np.array([0.0, 2.0]), faces(), size=256)
    assert found.pixels == pytest.approx(4.0)
    assert found.normalised == pytest.approx(0.02)


def test_mouth_counts_by_itself() -> None:
    moved = faces()
    moved[:, MOUTH, 0] += 6.8
    found = landmark_distance(moved, faces())
    assert found.mouth == pytest.approx(6.8)
    assert found.pixels == pytest.approx(6.8 * 20 / 68)


def test_different_lengths_are_refused() -> None:
    with pytest.raises(BadInput, match="found 5 and 4"):
        landmark_distance(faces(), faces(4))


def test_mouth_error_is_a_share_of_the_mouths_variance() -> None:
    rng = np.random.default_rng(1)
    true = [rng.normal(size=(n, 68, 3)) for n in (30, 50)]
    everywhere = np.concatenate([face[:, MOUTH] for face in true]).mean(0)
    mute = [np.zeros_like(face) for face in true]
    half = [face.copy() for face in true]
    for face, still, between in zip(true, mute, half, strict=True):
        still[:, MOUTH] = everywhere
        between[:, MOUTH] = 0.5 * (face[:, MOUTH] + everywhere)
    assert mouth_error_ratio(true, true) == 0.0
    assert mouth_error_ratio(mute, true) == pytest.approx(1.0)
    assert mouth_error_ratio(half, true) == pytest.approx(0.25)


@pytest.mark.parametrize("lag", [-7, -1, 0, 3, 15])
def test_lag_of_a_shifted_mouth(lag: int) -> None:
    signal = np.convolve(np.random.default_rng(2).normal(size=200), np.ones(5), "same")
    true = [signal[20:120], signal[60:180]]
    late = [signal[20 - lag : 120 - lag], signal[60 - lag : 180 - lag]]
    assert opening_lag(late, true) == lag


def test_correlation_is_a_mean_over_clips_that_move() -> None:
    x = np.sin(np.arange(50))
    assert opening_correlation([2 * x + 1, -x, x], [x, x, 0 * x]) == pytest.approx(0.0)
    assert np.isnan(opening_correlation([x], [0 * x]))
