"""Which emotion is worn when."""

from __future__ import annotations

import numpy as np
import pytest

from emogene.contract.emotions import EMOTIONS, emotion_index
from emogene.contract.errors import BadOption
from emogene.runtime.emotion_timeline import EmotionTimeline

HAPPY, SAD = emotion_index("happy"), emotion_index("sad")


def test_the_first_emotion_holds_from_the_start() -> None:
    weights = EmotionTimeline("happy", 1.5, 10).weights(0, 3)
    assert weights.shape == (3, len(EMOTIONS)) and weights.dtype == np.float32
    assert (weights[:, HAPPY] == 1.5).all() and weights.sum() == 4.5


def test_neutral_has_no_weight() -> None:
    assert not EmotionTimeline("neutral", 1.0, 10).weights(0, 5).any()


def test_a_change_holds_from_the_first_frame_that_begins_after_it_and_fades() -> None:
    timeline = EmotionTimeline("happy", 1.0, 10)
    timeline.set(641, "sad", 0.5)
    weights = timeline.weights(0, 30)
    assert (weights[:2, HAPPY] == 1).all() and not weights[:2, SAD].any()
    assert (np.diff(weights[1:12, SAD]) > 0).all() and weights[11:, SAD].tolist() == [0.5] * 19
    assert not weights[11:, HAPPY].any()
    # The mixture never exceeds the stronger of the two.
    assert (weights.sum(axis=1) <= 1).all()
    assert [timeline.emotion(k) for k in (0, 1, 2, 40)] == ["happy", "happy", "sad", "sad"]


def test_a_change_before_the_first_sample_does_not_fade() -> None:
    timeline = EmotionTimeline("happy", 1.0, 10)
    timeline.set(0, "sad")
    assert (timeline.weights(0, 2)[:, SAD] == 1).all() and timeline.emotion(0) == "sad"


def test_weights_do_not_depend_on_the_run_they_are_asked_in_nor_on_forgetting() -> None:
    timeline = EmotionTimeline("happy", 1.0, 10)
    for sample, emotion in ((6400, "sad"), (9600, "angry"), (9600, "fear"), (64_000, "neutral")):
        timeline.set(sample, emotion)
    whole = timeline.weights(0, 150)
    for first in (0, 12, 14, 15, 24, 26, 101):
        np.testing.assert_array_equal(timeline.weights(first, 7), whole[first : first + 7])
    for frame in (9, 20, 24, 25, 109, 110):
        timeline.forget(frame)
        np.testing.assert_array_equal(timeline.weights(frame, 30), whole[frame : frame + 30])
    assert not whole[:, emotion_index("angry")].any()  # replaced before it was worn


def test_later_changes_do_not_touch_earlier_frames() -> None:
    timeline = EmotionTimeline("happy", 1.0, 10)
    before = timeline.weights(0, 50)
    timeline.set(50 * 640, "sad")
    np.testing.assert_array_equal(timeline.weights(0, 50), before)


def test_intensity_is_kept_unless_given_and_bad_values_are_refused() -> None:
    timeline = EmotionTimeline("happy", 0.5, 1)
    timeline.set(640, "sad")
    assert timeline.weights(1, 1)[0, SAD] == 0.5
    with pytest.raises(BadOption, match="did you mean 'happy'"):
        timeline.set(640, "hapy")
    with pytest.raises(BadOption, match="intensity"):
        timeline.set(640, "sad", 2.0)
    assert timeline.emotion(5) == "sad"


def test_a_change_may_say_how_long_it_takes() -> None:
    timeline = EmotionTimeline("happy", 1.0, 10)
    timeline.set(640, "sad", over=1.0)
    share = timeline.weights(0, 40)[:, SAD]
    assert share[0] == 0 and (np.diff(share[:26]) > 0).all() and (share[25:] == 1).all()
    timeline.set(40 * 640, "happy", over=0.0)
    assert timeline.weights(40, 1)[0, HAPPY] == 1
    for bad in (-0.1, 60.1, float("nan"), True, "1"):
        with pytest.raises(BadOption, match="over"):
            timeline.set(50 * 640, "sad", over=bad)  # type: ignore[arg-type]


def test_a_cut_brings_forward_what_was_to_be_worn_last() -> None:
    timeline = EmotionTimeline("happy", 1.0, 4)
    for second, emotion in enumerate(("angry", "sad"), 1):
        timeline.set(16_000 * second, emotion)
    before = timeline.weights(0, 10)
    timeline.cut(10)
    np.testing.assert_array_equal(timeline.weights(0, 10), before)
    weights = timeline.weights(10, 60)
    assert (np.diff(weights[:4, SAD]) > 0).all() and (weights[3:, SAD] == 1).all()
    assert not weights[:, emotion_index("angry")].any()
    assert timeline.emotion(9) == "happy" and timeline.emotion(10) == "sad"
    timeline.cut(20)  # nothing is waiting any more
    np.testing.assert_array_equal(timeline.weights(10, 60), weights)
    opening = EmotionTimeline("happy", 1.0, 4)
    opening.set(6400, "sad")
    opening.cut(0)
    assert opening.weights(0, 1)[0, SAD] == 1
