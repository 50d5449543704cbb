"""Performances: emotion on speech, closures kept, blinks, and poses that really stand still."""

from __future__ import annotations

import numpy as np
import pytest

from emogene.contract.emotions import EMOTIONS
from emogene.contract.landmarks import LOWER_LIP_CENTRE, UPPER_LIP_CENTRE
from emogene.training.demo import performance
from emogene.training.demo.head.camera import DISTANCE, head_motion, intrinsics, pose
from emogene.training.demo.head.materials import MOUTH, TEETH
from emogene.training.demo.head.parameters import INDEX, emotion_offset, vector
from emogene.training.demo.head.raster import z_buffer

AA = vector({"press": -0.6, "jaw": 0.72, "upraise": 0.2})[:8]
CLOSED = vector({"press": 1.6, "jaw": 0.02, "lodrop": -0.1})[:8]
BITTEN = vector({"press": 0.55, "jaw": 0.08, "lodrop": -0.55, "upraise": 0.35})[:8]


def babble(frames):
    """Opens and closes the mouth about twice a second."""
    share = (0.5 + 0.5 * np.sin(np.arange(frames) / 2.0))[:, None]
    return (share * AA + (1 - share) * CLOSED).astype(np.float32)


def runs_of_equal(poses):
    same = [*(poses[1:] == poses[:-1]).all((1, 2)).tolist(), False]
    runs, length = [], 1
    for repeated in same:
        if repeated:
            length += 1
        else:
            if length > 1:
                runs.append(length)
            length = 1
    return runs


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_lips_meet_for_closures_whatever_the_emotion(rig, emotion):
    for mouth, most in ((CLOSED, 0.035), (BITTEN, 0.06)):
        face = performance.expression(mouth[None], emotion)
        points = rig.landmarks(face)[0]
        opening = np.linalg.norm(points[UPPER_LIP_CENTRE] - points[LOWER_LIP_CENTRE])
        spoken = rig.landmarks(performance.expression(mouth[None], "neutral"))[0]
        neutral = np.linalg.norm(spoken[UPPER_LIP_CENTRE] - spoken[LOWER_LIP_CENTRE])
        assert opening < neutral + most


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_closed_lips_hide_teeth_and_tongue(rig, emotion):
    face = performance.expression(CLOSED[None], emotion)[0]
    for yaw in (-0.3, 0.0, 0.3):
        vertices = rig.stand(rig.deform(face), pose(yaw))
        lens = intrinsics(256)
        seen = z_buffer(vertices, rig.faces, 256, lens.focal, lens.cx, lens.cy, DISTANCE)[1]
        shown = rig.material[np.unique(rig.faces[seen[seen >= 0]])]
        assert not np.isin(shown, (TEETH, MOUTH)).any()


def test_a_pair_differs_by_the_emotion_alone():
    mouth = np.tile(AA, (5, 1))
    neutral, happy = performance.expression_pair(mouth, "happy", 0.8)
    assert neutral.shape == happy.shape == (5, 21) and happy.dtype == np.float32
    np.testing.assert_allclose(
        happy - neutral, np.tile(emotion_offset("happy", 0.8), (5, 1)), atol=1e-6
    )
    np.testing.assert_array_equal(neutral[:, :8], mouth)
    assert (neutral[:, INDEX["lidL"]] == 1).all()


def test_a_performance_blinks_and_looks_ahead():
    rng = np.random.default_rng(0)
    face = performance.perform(babble(500), "sad", 1.0, rng)
    lids = face[:, INDEX["lidL"]]
    assert lids.min() < 0.05 and np.median(lids) == pytest.approx(
        1 + emotion_offset("sad")[INDEX["lidL"]]
    )
    assert not face[:, [INDEX["gazeX"], INDEX["gazeY"]]].any()
    assert face[:, INDEX["browInL"]].std() > 0.03


def test_a_rich_balance_shows_more_closed_eyes_and_wider_mouths():
    natural, rich = (
        performance.perform(babble(1500), "neutral", 1.0, np.random.default_rng(2), balance)
        for balance in (performance.NATURAL, performance.RICH)
    )
    closed = [float((face[:, INDEX["lidR"]] < 0.2).mean()) for face in (natural, rich)]
    assert closed[1] > 0.07 and closed[1] > 2 * closed[0]
    jaws = [face[:, INDEX["jaw"]].max() for face in (natural, rich)]
    assert jaws[1] > 1.2 * jaws[0] and jaws[1] <= 1.0


@pytest.mark.parametrize("frames", [40, 75, 120, 500, 3000])
@pytest.mark.parametrize("seed", range(12))
def test_poses_stand_still_bit_identically(frames, seed):
    poses = performance.pose_track(frames, np.random.default_rng(seed))
    assert poses.shape == (frames, 3, 4) and poses.dtype == np.float32
    runs = runs_of_equal(poses)
    shortest, longest = performance.STILL_RUN
    assert runs and min(runs) >= shortest and max(runs) <= longest
    assert sum(runs) >= 0.15 * frames
    step = np.abs(np.diff(poses[:, :3, :3], axis=0)).max()
    assert step < 0.06  # at most 3.4 degrees a frame


def test_poses_are_natural_or_wide():
    for wide, spread in ((0.0, (0.07, 0.16)), (0.35, (0.18, 0.32))):
        poses = performance.pose_track(5000, np.random.default_rng(1), wide)
        turns = np.stack([head_motion(pose)[0] for pose in poses[::5]])
        yaw = np.arctan2(turns[:, 0, 2], turns[:, 2, 2])
        assert spread[0] < yaw.std() < spread[1]
        assert np.abs(yaw).max() < 0.45
        assert np.abs(turns @ turns.transpose(0, 2, 1) - np.eye(3)).max() < 1e-5


def test_directing_is_deterministic_and_takes_turns():
    mouths = [babble(60) for _ in range(10)]
    clips, again = performance.direct(mouths, 5), performance.direct(mouths, 5)
    for a, b in zip(clips, again, strict=True):
        np.testing.assert_array_equal(a.parameters, b.parameters)
        np.testing.assert_array_equal(a.poses, b.poses)
    assert [clip.emotion for clip in clips] == [*range(8), 0, 1]
    assert [clip.wide for clip in clips] == [False] * 6 + [True] * 4
    other = performance.direct(mouths, 6)
    assert not np.array_equal(clips[0].poses, other[0].poses)
    assert performance.direct(mouths, 5, wide_share=0.0)[-1].wide is False
