"""The head never jumps, whatever speech and silence do."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from emogene.contract.motion import IdleSpec
from emogene.runtime.poses.glide import COAST, GlideSpeed
from emogene.runtime.poses.idle import IdleTrack, build_idle_track
from emogene.runtime.poses.movement import Movement
from emogene.runtime.poses.rotation import angle_between, rotation_matrix, rotation_vector
from emogene.runtime.poses.walk import PoseWalk, mirrored

from .pose_tracks import track

SPEED = GlideSpeed(rotation=math.radians(0.8), translation=0.015)
PACE = np.ones(190)
PACE[20:50], PACE[80:120] = 0, 0
PACE = np.convolve(PACE, np.hanning(11) / np.hanning(11).sum(), "same")
# Sways, and rests twice where it happens to be; both ends are turning points.
POSES = track(12 * np.cos(np.cumsum(PACE) * 5 * np.pi / PACE.sum()))


def walk(seed: int = 0) -> PoseWalk:
    return PoseWalk(POSES, build_idle_track(POSES, IdleSpec(gap=10), "tolerant", seed), SPEED)


@dataclass(frozen=True)
class Pace:
    """The most from one pose to the next, and by how much that changes from frame to frame."""

    turn: float
    shift: float
    turn_change: float
    shift_change: float

    @staticmethod
    def of(poses: Iterable[NDArray[np.float32]]) -> Pace:
        moves = [
            Movement.between(a, b)
            for a, b in itertools.pairwise(pose.astype(np.float64) for pose in poses)
        ]
        turns = np.array([move.rotation for move in moves])
        shifts = np.array([move.translation for move in moves])
        return Pace(
            *(float(np.linalg.norm(of, axis=1).max()) for of in (turns, shifts)),
            *(
                float(np.linalg.norm(np.diff(of, axis=0), axis=1).max(initial=0.0))
                for of in (turns, shifts)
            ),
        )


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
def test_neither_the_place_nor_the_speed_of_the_head_jumps(
    runs: list[int], begins_silent: bool, seed: int
) -> None:
    made, poses, silent = walk(seed), [], begins_silent
    for run in runs:
        for _ in range(run):
            poses.append(made.step(len(poses), silent).matrix)
        silent = not silent
    if len(poses) > 2:
        check_pace(Pace.of(poses), Pace.of(POSES))


def check_pace(found: Pace, own: Pace) -> None:
    for one, its_change, most, change, glide in (
        (found.turn, found.turn_change, own.turn, own.turn_change, SPEED.rotation),
        (found.shift, found.shift_change, own.shift, own.shift_change, SPEED.translation),
    ):
        # While the head coasts its track may take up speed: b' t is 3.9 frames at most.
        fastest = most + 4 * change + glide
        # float32 poses: rounding of 8 units is 5e-7, of a rotation 1e-7.
        assert one <= fastest + 1e-5
        coasting, fading = 1.5 / COAST * (fastest + most), 4 / COAST * glide
        assert its_change <= change + coasting + fading + 1e-5


def test_the_glide_arrives_and_then_is_the_track() -> None:
    made, silent_from_the_start = walk(), walk()
    for frame in range(200):
        there = silent_from_the_start.step(frame, silent=True).matrix
        pose = made.step(frame, silent=frame >= 90).matrix
        assert (frame > 140) <= np.array_equal(pose, there)
