"""The head never jumps, whatever speech and silence do."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emogene.contract.motion import IdleSpec
from emogene.runtime.poses.idle import IdleTrack, build_idle_track
from emogene.runtime.poses.rotation import angle_between, rotation_matrix, rotation_vector
from emogene.runtime.poses.walk import GlideSpeed, PoseWalk, mirrored

from .pose_tracks import track

SPEED = GlideSpeed(rotation=math.radians(0.8), translation=0.015)
SWAY = 12 * np.sin(np.arange(140) / 9)
SWAY[20:35], SWAY[70:100] = SWAY[20], SWAY[70]
POSES = track(SWAY)


def walk(seed: int = 0) -> PoseWalk:
    return PoseWalk(POSES, build_idle_track(POSES, IdleSpec(gap=10), "tolerant", seed), SPEED)


def steps(matrices: np.ndarray) -> tuple[float, float]:
    """Largest rotation (radians) and translation from one pose to the next."""
    wide = matrices.astype(np.float64)
    turns = [angle_between(a[:, :3], b[:, :3]) for a, b in zip(wide[1:], wide, strict=False)]
    shifts = np.linalg.norm(np.diff(wide[:, :, 3], axis=0), axis=1)
    return max(turns), float(shifts.max())


def test_rotation_vectors_and_matrices() -> None:
    random = np.random.default_rng(0)
    for angle in (0.0, 1e-13, 1e-9, 1e-4, 1.0, 3.0, math.pi - 1e-9, math.pi):
        axis = random.normal(size=3)
        vector = axis / np.linalg.norm(axis) * angle
        matrix = rotation_matrix(vector)
        # float64 rounding; near half a turn the axis is known to its square root.
        tolerance = 1e-12 if angle < 3.1 else 1e-7
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-14)
        back = rotation_vector(matrix)
        np.testing.assert_allclose(rotation_matrix(back), matrix, atol=tolerance)
        assert np.linalg.norm(back) == pytest.approx(angle, abs=1e-7)


def test_mirrored() -> None:
    assert [mirrored(k, 3) for k in range(8)] == [0, 1, 2, 2, 1, 0, 0, 1]
    assert {mirrored(k, 1) for k in range(4)} == {0}


def test_speech_walks_the_filmed_track_mirrored() -> None:
    made = walk()
    for frame in range(300):
        pose = made.step(frame, silent=False)
        np.testing.assert_array_equal(pose.matrix, POSES[mirrored(frame, len(POSES))])
        assert pose.matrix.dtype == np.float32 and not pose.idle


def test_silence_walks_the_idle_track() -> None:
    idle = build_idle_track(POSES, IdleSpec(gap=10), "tolerant", 4)
    made = PoseWalk(POSES, idle, SPEED)
    rests = 0
    for frame in range(200):
        pose = made.step(frame, silent=True)
        assert pose.idle
        # Further from a change of pace than the track is averaged over, it is the track.
        around = idle.source[[mirrored(abs(frame + k), len(idle.source)) for k in range(-11, 12)]]
        if frame == 0 or len(set(np.diff(around))) == 1:
            np.testing.assert_array_equal(pose.matrix, POSES[idle.source[frame]])
            rests += 1
    assert rests > 20


def test_an_idle_head_slows_down_before_it_rests() -> None:
    turning = track(12 * np.sin(np.arange(400) / 9))
    held = IdleTrack(np.repeat(np.arange(400), np.where(np.arange(400) % 60 == 30, 40, 1)), ())
    made = PoseWalk(turning, held, SPEED)
    poses = [made.step(frame, silent=True).matrix[:, :3].astype(float) for frame in range(500)]
    moved = np.array([angle_between(a, b) for a, b in zip(poses[1:], poses, strict=False)])
    fastest = math.radians(12 / 9)
    # Rested for a while, and came to it and went from it within several frames, not one.
    assert (moved == 0.0).sum() > 40 and moved.max() > 0.9 * fastest
    assert np.abs(np.diff(moved)).max() < 0.2 * fastest


@settings(max_examples=40, derandomize=True)
@given(
    runs=st.lists(st.integers(1, 60), min_size=2, max_size=12),
    begins_silent=st.booleans(),
    seed=st.integers(0, 50),
)
def test_every_step_is_bounded(runs: list[int], begins_silent: bool, seed: int) -> None:
    made, matrices, silent = walk(seed), [], begins_silent
    for run in runs:
        for _ in range(run):
            matrices.append(made.step(len(matrices), silent).matrix)
        silent = not silent
    own_turn, own_shift = steps(POSES)
    if len(matrices) > 1:
        turn, shift = steps(np.array(matrices))
        # float32 poses: rounding of 8 units is 5e-7, of a rotation 1e-7.
        assert turn <= own_turn + SPEED.rotation + 1e-5
        assert shift <= own_shift + SPEED.translation + 1e-5


def test_the_glide_arrives() -> None:
    made = walk()
    for frame in range(90):
        made.step(frame, silent=False)
    idle = build_idle_track(POSES, IdleSpec(gap=10), "tolerant", 0)
    poses = [made.step(frame, silent=True).matrix for frame in range(90, 190)]
    place = mirrored(189, len(idle.source))
    np.testing.assert_array_equal(poses[-1], POSES[idle.source[place]])
    assert angle_between(poses[0][:, :3].astype(float), POSES[89][:, :3].astype(float)) < 0.05
