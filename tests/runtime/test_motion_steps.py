"""Every step of the motion pipeline, and the pipeline itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emogene.contract.emotions import EMOTIONS, emotion_index
from emogene.contract.landmarks import FLAT, LANDMARKS, LOWER_LIDS, UPPER_LIDS
from emogene.contract.motion import (
    BlinkStep,
    ClampStep,
    DeformStep,
    MotionSpec,
    MotionStep,
    NormaliseStep,
    WindowStep,
)
from emogene.runtime.motion.blink import Blink
from emogene.runtime.motion.clamp import Clamp
from emogene.runtime.motion.deform import Deform
from emogene.runtime.motion.normalise import Normalise
from emogene.runtime.motion.pipeline import Conditions, MotionPipeline, Shaped
from emogene.runtime.motion.step import Moment
from emogene.runtime.motion.window import window

POINTS = np.random.default_rng(0).normal(size=(6, FLAT)).astype(np.float32)


class EmotionNumber:
    """A deformation whose Δ is the emotion's row number plus one, everywhere."""

    backend, inputs, outputs = "test", (), ()

    def __init__(self) -> None:
        self.calls: list[int] = []

    def run(self, values: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        assert values["emotion"].dtype == np.int64
        self.calls.append(int(values["emotion"][0]))
        return {"delta": np.ones_like(values["neutral"]) * (values["emotion"][:, None] + 1)}


def moment(first: int = 0, frames: int = 6, **weights: float) -> Moment:
    table = np.zeros((frames, len(EMOTIONS)), np.float32)
    for name, weight in weights.items():
        table[:, emotion_index(name)] = weight
    return Moment(first, table)


def test_deform_adds_the_weighted_deformations() -> None:
    runner = EmotionNumber()
    both = Deform(runner)(POINTS, moment(happy=0.5, sad=1.0))  # type: ignore[arg-type]
    np.testing.assert_allclose(both, POINTS + 0.5 * 5 + 7, rtol=1e-6)
    assert runner.calls == [emotion_index("happy"), emotion_index("sad")]


def test_neutral_bypasses_the_model() -> None:
    runner = EmotionNumber()
    np.testing.assert_array_equal(Deform(runner)(POINTS, moment()), POINTS)  # type: ignore[arg-type]
    assert not runner.calls


BLINK = BlinkStep(shape=(0.5, 1.0, 0.25), shortest=20, longest=60, gap=0.1)


def test_blinks_keep_their_distance_and_their_shape() -> None:
    blink = Blink(BLINK, seed=3)
    closed = blink.closedness(0, 4000)
    starts = [blink.start(k) for k in range(80)]
    gaps = np.diff(starts)
    assert gaps.min() >= 20 and gaps.max() <= 60 and len(set(gaps)) > 10
    for start in starts[:60]:
        assert closed[start : start + 3].tolist() == [0.5, 1.0, 0.25]
    assert np.count_nonzero(closed[: starts[60]]) == 180


def test_any_run_of_blinks_is_the_same_by_itself() -> None:
    blink = Blink(BLINK, seed=3)
    whole = blink.closedness(0, 400)
    for first in range(0, 380, 7):
        np.testing.assert_array_equal(blink.closedness(first, 20), whole[first : first + 20])
    assert not np.array_equal(Blink(BLINK, seed=4).closedness(0, 400), whole)


def test_a_closed_eye_keeps_the_gap_and_moves_nothing_else() -> None:
    blink = Blink(BLINK, seed=0)
    start = blink.start(1)
    shut = blink(POINTS[:1], moment(start + 1, 1)).reshape(LANDMARKS, 3)
    still = POINTS[0].reshape(LANDMARKS, 3)
    upper, lower = list(UPPER_LIDS), list(LOWER_LIDS)
    expected = still[lower] + 0.1 * (still[upper] - still[lower])
    np.testing.assert_allclose(shut[upper], expected, rtol=1e-5, atol=1e-6)
    others = [i for i in range(LANDMARKS) if i not in upper]
    np.testing.assert_array_equal(shut[others], still[others])


def test_clamp_and_normalise() -> None:
    low, high = np.full(FLAT, -0.5, np.float32), np.full(FLAT, 0.25, np.float32)
    clamped = Clamp(low, high)(POINTS, moment())
    assert clamped.min() == -0.5 and clamped.max() == 0.25
    scaled = Normalise(low, high)(POINTS, moment())
    np.testing.assert_allclose(scaled, (POINTS + 0.5) * 4, rtol=1e-6)


def test_window_has_zeros_beyond_the_ends() -> None:
    def frame_at(index: int) -> NDArray[np.float32]:
        return np.full(FLAT, index + 1, np.float32)

    assert window(frame_at, 0, 3, 5)[:, 0].tolist() == [0, 1, 2]
    assert window(frame_at, 2, 5, 5)[:, 0].tolist() == [1, 2, 3, 4, 5]
    assert window(frame_at, 4, 5, 5)[:, 0].tolist() == [3, 4, 5, 0, 0]
    assert window(frame_at, 0, 1, 1)[:, 0].tolist() == [1]


WEIGHTS = {
    "motion.low": np.full(FLAT, -1, np.float32),
    "motion.high": np.full(FLAT, 1, np.float32),
    "motion.mean": np.full(FLAT, 2, np.float32),
    "motion.scale": np.full(FLAT, 4, np.float32),
}
STEPS: tuple[MotionStep, ...] = (DeformStep(), ClampStep(), NormaliseStep(), WindowStep(3))


@pytest.mark.parametrize("torso", ["emotional", "neutral"])
def test_the_pipeline_runs_its_steps_in_order(torso: Any) -> None:
    spec = MotionSpec(STEPS, torso)
    pipeline = MotionPipeline(spec, WEIGHTS, EmotionNumber(), seed=0)  # type: ignore[arg-type]
    shaped = pipeline.shape(POINTS, moment(happy=0.1))
    emotional = np.clip(POINTS + np.float32(0.5), -1, 1)
    np.testing.assert_allclose(shaped.landmarks.reshape(6, FLAT), emotional, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(shaped.code, (emotional - 2) / 4, rtol=1e-6, atol=1e-6)
    expected = emotional if torso == "emotional" else np.clip(POINTS, -1, 1)
    np.testing.assert_allclose(shaped.torso, expected, rtol=1e-6, atol=1e-6)


def test_a_clamp_after_normalising_leaves_the_landmarks_alone() -> None:
    spec = MotionSpec((NormaliseStep(), ClampStep()))
    pipeline = MotionPipeline(spec, WEIGHTS, EmotionNumber(), seed=0)  # type: ignore[arg-type]
    shaped = pipeline.shape(POINTS, moment())
    np.testing.assert_array_equal(shaped.landmarks.reshape(6, FLAT), POINTS)
    np.testing.assert_array_equal(shaped.code, np.clip((POINTS - 2) / 4, -1, 1))


@pytest.mark.parametrize("hop", [1, 4, 100])
def test_windows_cross_hops(hop: int) -> None:
    rows = np.arange(1, 12, dtype=np.float32)[:, None] * np.ones(FLAT, np.float32)

    def shaped(index: int) -> Shaped:
        part = rows[index * hop : (index + 1) * hop]
        return Shaped(part.reshape(-1, LANDMARKS, 3), part, part)

    conditions = Conditions(shaped, hop=hop, width=5, count=lambda: 10, first=70)
    for frame in (0, 3, 4, 9, 2):
        condition = conditions[frame]
        assert condition.first == 70 + frame
        seen = [k + 1 if 0 <= k < 10 else 0 for k in range(frame - 2, frame + 3)]
        assert condition.windows[0, :, 0].tolist() == seen
        assert condition.landmarks[0, 0, 0] == condition.torso[0, 0] == frame + 1
