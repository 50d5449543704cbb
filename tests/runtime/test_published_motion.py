"""The published inference's steps, against their equations in float64 and frame by frame."""

from __future__ import annotations

import numpy as np
import pytest

from emogene.contract.consistency import motion_problems
from emogene.contract.emotions import EMOTIONS
from emogene.contract.landmarks import FLAT, LANDMARKS
from emogene.contract.motion import (
    EyeOpening,
    LleStep,
    MotionSpec,
    PeriodicBlinkStep,
    WindowStep,
)
from emogene.runtime.motion.lle import Lle
from emogene.runtime.motion.periodic_blink import PeriodicBlink
from emogene.runtime.motion.pipeline import Conditions, MotionPipeline
from emogene.runtime.motion.step import Moment
from tests.oracle.motion import blinked, projected

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(5, FLAT)).astype(np.float32)
DATABASE = RNG.normal(size=(60, FLAT)).astype(np.float32)


def moment(first: int, frames: int) -> Moment:
    return Moment(first, np.zeros((frames, len(EMOTIONS)), np.float32))


def test_lle_equals_the_published_projection() -> None:
    """Published landmarks are ten times ours, so their 1e-6 is our 1e-8."""
    drawn = Lle(LleStep(), DATABASE)(POINTS, moment(0, 5))
    for x, found in zip(POINTS.astype(np.float64), drawn, strict=True):
        theirs = projected(10 * x, 10 * DATABASE.astype(np.float64))
        expected = (0.2 * theirs + 0.8 * 10 * x) / 10
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_lle_of_a_frame_does_not_depend_on_its_neighbours_in_time() -> None:
    lle = Lle(LleStep(), DATABASE)
    together = lle(POINTS, moment(0, 5))
    for i in range(5):
        np.testing.assert_array_equal(lle(POINTS[i : i + 1], moment(i, 1))[0], together[i])


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_lle_with_fewer_frames_than_neighbours_uses_them_all(rows: int) -> None:
    drawn = Lle(LleStep(share=1.0), DATABASE[:rows])(DATABASE[:rows], moment(0, rows))
    np.testing.assert_allclose(drawn, DATABASE[:rows], atol=1e-5)


def test_lle_survives_a_film_that_stands_still() -> None:
    still = np.repeat(DATABASE[:1], 40, axis=0)
    drawn = Lle(LleStep(share=1.0), still)(POINTS, moment(0, 5))
    np.testing.assert_allclose(drawn, np.repeat(still[:1], 5, axis=0), atol=1e-5)


@pytest.mark.parametrize("first, frames", [(0, 300), (77, 3), (170, 20)])
def test_periodic_blinks_equal_the_published_ones(first: int, frames: int) -> None:
    points = RNG.normal(size=(frames, FLAT)).astype(np.float32)
    found = PeriodicBlink(PeriodicBlinkStep())(points, moment(first, frames))
    wide = points.astype(np.float64).reshape(-1, LANDMARKS, 3)
    expected = blinked(wide, first).reshape(-1, FLAT)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_condition_is_told_how_far_eyes_are_open() -> None:
    spec = MotionSpec((PeriodicBlinkStep(), WindowStep(3)), "neutral", EyeOpening(0.6, 0.9, 0.1))
    pipeline = MotionPipeline(spec, {}, None, seed=0)  # type: ignore[arg-type]
    points = np.zeros((8, FLAT), np.float32)
    opening = pipeline.shape(points, moment(74, 8)).eye_opening
    mixed = [0.9 * (1 - c) + 0.1 * c for c in (0.1, 0.5, 0.7, 1.0, 0.7, 0.5, 0.1)]
    np.testing.assert_allclose(opening, [0.6, *mixed], rtol=1e-6)
    conditions = Conditions(
        lambda hop: pipeline.shape(points, moment(74, 8)), hop=8, width=3, count=lambda: 8, first=74
    )
    np.testing.assert_allclose(conditions[4].stage_inputs["eye_opening"], [0.1], rtol=1e-6)
    without = MotionPipeline(MotionSpec((WindowStep(1),)), {}, None, seed=0)  # type: ignore[arg-type]
    assert without.shape(points, moment(0, 8)).eye_opening is None


def test_the_neutral_torso_is_not_projected() -> None:
    weights = {"motion.database": DATABASE}
    spec = MotionSpec((LleStep(share=1.0),), "neutral")
    shaped = MotionPipeline(spec, weights, None, seed=0).shape(POINTS, moment(0, 5))  # type: ignore[arg-type]
    np.testing.assert_array_equal(shaped.torso, POINTS)
    assert not np.allclose(shaped.code, POINTS)


@pytest.mark.parametrize(
    "step, said",
    [
        (LleStep(neighbours=1), "1 neighbours"),
        (LleStep(share=1.5), "share 1.5"),
        (LleStep(regulariser=0.0), "regulariser 0"),
        (PeriodicBlinkStep(shape=()), "a blink of 0 frames"),
        (PeriodicBlinkStep(first=100), "from frame 100 of every 100"),
        (PeriodicBlinkStep(shape=(2.0,)), "values from 0 to 1"),
    ],
)
def test_steps_out_of_range_are_named(step: LleStep | PeriodicBlinkStep, said: str) -> None:
    (problem,) = motion_problems(MotionSpec((step,)))
    assert said in problem
