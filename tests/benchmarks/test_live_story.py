"""The picture of a live session marks the frames that answer."""

from __future__ import annotations

import numpy as np
from benchmarks.live.story import EMOTION, Story, chosen

from emogene.contract.data import Frame


def story() -> Story:
    """120 frames shown 0.5 s after their time: sound in 40 … 89, happy from 60, cut at 90."""
    picture = np.zeros((2, 2, 3), np.uint8)
    frames = [
        Frame(
            picture,
            k,
            np.full(640, 0.1 if 40 <= k < 90 else 0.0, np.float32),
            idle=not 45 <= k < 90,
            emotion=EMOTION if k >= 60 else "neutral",
        )
        for k in range(120)
    ]
    shown = 0.5 + np.arange(120) / 25
    told = {"speech": 1.6, "emotion": 2.4, "interrupt": 4.07}
    return Story(frames, shown, np.zeros(120), np.zeros(120), told)


def test_answers_are_the_first_frames_that_show_them() -> None:
    answers = story().answers
    assert {name: frame for name, (frame, _) in answers.items()} == {
        "speech": 40,
        "emotion": 60,
        "interrupt": 90,
    }
    assert np.allclose([late for _, late in answers.values()], [500, 500, 30])


def test_frames_that_tell_the_story() -> None:
    frames = chosen(story(), 16)
    assert frames == sorted(set(frames)) and 12 <= len(frames) <= 16
    assert {39, 89, 90, 119} <= set(frames)
