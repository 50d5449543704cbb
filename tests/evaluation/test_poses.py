"""Pose figures of walks that were made up."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from emogene.evaluation.poses import pose_figures
from emogene.runtime.poses.rotation import rotation_matrix


def walk(degrees: NDArray[np.float64], shift: NDArray[np.float64]) -> NDArray[np.float64]:
    poses = np.zeros((len(degrees), 3, 4))
    for pose, angle, x in zip(poses, np.radians(degrees), shift, strict=True):
        pose[:, :3] = rotation_matrix(np.array([0.0, angle, 0.0]))
        pose[0, 3] = x
    return poses


def test_steps_joins_and_stillness() -> None:
    frames = 200
    turn = np.arange(frames) * 0.5  # half a degree a frame
    turn[100:] -= 2.0  # a jump of -1.5 degrees where silence begins
    turn[140:] = turn[140]
    silent = np.arange(frames) >= 100
    found = pose_figures(walk(turn, np.zeros(frames)), silent)
    assert found["pose.step_deg"] == pytest.approx(1.5, abs=1e-6)
    assert found["pose.join_step_deg"] == pytest.approx(1.5, abs=1e-6)
    assert found["pose.step_mm"] == 0.0
    assert found["pose.transitions"] == 1
    assert found["idle.still_runs"] == 1
    assert found["idle.still_longest_s"] == pytest.approx(59 / 25)
    assert found["idle.still_share"] == pytest.approx(59 / 99)


def test_a_jump_far_from_any_change_is_none_of_the_joins() -> None:
    shift = np.zeros(120)
    shift[80:] = 0.03
    silent = np.arange(120) >= 20
    found = pose_figures(walk(np.zeros(120), shift), silent)
    assert found["pose.step_mm"] == pytest.approx(3.0)
    assert found["pose.join_step_mm"] == 0.0
