"""The loudness of a stream without an end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emogene.contract.units import SAMPLE_RATE
from emogene.runtime.audio.normalise import REMEMBERED, RunningMoments, normalise
from tests.speech import spoken

ONE = np.ones(1, np.float32)


def gain(moments: RunningMoments) -> float:
    return float((moments.scale(ONE) - moments.scale(0 * ONE))[0])


def heard(*sounds: np.ndarray) -> RunningMoments:
    moments = RunningMoments()
    for sound in sounds:
        moments.push(sound.astype(np.float32))
    return moments


@settings(max_examples=20)
@given(st.lists(st.integers(0, 40_000), max_size=9))
def test_any_cut_gives_the_same_bits(cuts: list[int]) -> None:
    sound = spoken()[:40_000]
    cut, whole = heard(*np.split(sound, sorted(cuts))), heard(sound)
    assert cut.scale(sound[:99]).tobytes() == whole.scale(sound[:99]).tobytes()


def test_speech_is_as_loud_as_it_is_offline() -> None:
    sound = np.tile(spoken(), 3)
    moments = heard(sound)
    # It still counts a second that it took for granted, and pauses up to half a second only.
    np.testing.assert_allclose(moments.scale(sound), normalise(sound), rtol=0.15, atol=0.05)


@pytest.mark.parametrize("noise", [0.0, 1e-3])
def test_minutes_in_which_nobody_speaks_change_nothing(noise: float) -> None:
    sound = spoken()
    pause = noise * np.random.default_rng(0).standard_normal(300 * SAMPLE_RATE)
    before = gain(heard(sound))
    # Of the pause half a second counts.
    assert gain(heard(sound, pause)) == pytest.approx(before, rel=0.08)
    opening = gain(heard(pause))
    assert opening == pytest.approx(gain(RunningMoments()), rel=0.3)
    assert gain(heard(pause, sound)) == pytest.approx(before, rel=0.08)


def test_a_speaker_who_comes_nearer_is_followed() -> None:
    sound = np.tile(spoken(), 2 + REMEMBERED // len(spoken()))
    far, near = 0.3 * sound, sound
    moments = heard(far, near)
    # What is older than a minute has faded to 1/e.
    assert gain(moments) == pytest.approx(gain(heard(near)), rel=0.25)
    assert gain(heard(far)) == pytest.approx(gain(heard(near)) / 0.3, rel=0.15)


def test_pure_silence_stays_finite() -> None:
    moments = heard(np.zeros(10 * SAMPLE_RATE))
    assert np.isfinite(moments.scale(np.zeros(10, np.float32))).all()
