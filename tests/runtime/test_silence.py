"""Silence: real speech with pauses at known places, under noise, clipping and whispers."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emogene.contract.errors import BadOption
from emogene.contract.units import SAMPLE_RATE, SAMPLES_PER_FRAME
from emogene.runtime.audio.silence import (
    HANGOVER,
    LEAD,
    LOOKAHEAD_FRAMES,
    SHORTEST_SILENCE,
    TOLD_AFTER,
    TOLD_LATE,
    SilenceJudge,
    Silences,
    speaking,
)
from tests.speech import spoken

EARLY, LATE = LEAD + 1, HANGOVER + 3
"""Frames by which speech may begin early and end late: what is held, and what words fade into."""


@cache
def dialogue(pauses: tuple[float, ...] = (1.0, 1.2, 0.7, 1.5)) -> tuple[np.ndarray, np.ndarray]:
    """Samples with ``pauses`` (seconds) around sentences, and where somebody speaks, by frame."""
    sound, talking = [], []
    for turn, pause in enumerate(pauses):
        gap = round(pause * 25) * SAMPLES_PER_FRAME
        sound.append(np.zeros(gap, np.float32))
        talking.append(np.zeros(gap // SAMPLES_PER_FRAME, bool))
        if turn < len(pauses) - 1:
            words = spoken("Good morning everyone.", ("en-us", "en-us+f3", "de+m3")[turn % 3])
            loud = np.flatnonzero(np.abs(words) > 0.01 * np.abs(words).max())
            words = words[loud[0] :][: (loud[-1] - loud[0]) // 640 * 640]
            sound.append(words)
            talking.append(np.ones(len(words) // SAMPLES_PER_FRAME, bool))
    return np.concatenate(sound), np.concatenate(talking)


def assert_follows(judged: np.ndarray, truth: np.ndarray) -> None:
    assert judged.shape == truth.shape
    assert judged[truth].mean() > 0.99, "speech was called silence"
    # Silence is owed only where no held frame may reach.
    near = np.array([truth[max(0, k - LATE) : k + EARLY + 1].any() for k in range(len(truth))])
    assert not judged[~near].any(), "silence was called speech"
    assert (~near).sum() > 20


def noise(count: int, level: float) -> np.ndarray:
    return (level * np.random.default_rng(1).standard_normal(count)).astype(np.float32)


def loudness(sound: np.ndarray) -> float:
    return float(np.sqrt(np.mean(sound[sound != 0] ** 2)))


def test_pauses_of_digital_silence_are_found():
    assert_follows(speaking(dialogue()[0]), dialogue()[1])


@pytest.mark.parametrize("snr_db", [40, 25, 15])
def test_a_noise_floor_is_no_speech_even_from_the_first_sample(snr_db):
    sound, truth = dialogue()
    noisy = sound + noise(len(sound), loudness(sound) * 10 ** (-snr_db / 20))
    assert_follows(speaking(noisy), truth)


def test_whispers_count():
    sound, truth = dialogue()
    assert_follows(speaking(sound * np.float32(1e-3)), truth)
    sixteen_bits = np.round(sound * 1e-3 * 32768) / 32768
    assert_follows(speaking(sixteen_bits.astype(np.float32)), truth)


def test_clipping_and_an_offset_do_not_matter():
    sound, truth = dialogue()
    assert_follows(speaking(np.clip(20 * sound, -1, 1)), truth)
    assert_follows(speaking(0.5 * sound + np.float32(0.25)), truth)


def test_speech_from_the_very_first_sample():
    sound, truth = dialogue((0.0, 1.5, 1.5))
    assert truth[0] and speaking(sound)[0]
    assert_follows(speaking(sound), truth)


def test_nothing_said():
    assert not speaking(np.zeros(SAMPLE_RATE, np.float32)).any()
    assert not speaking(np.full(SAMPLE_RATE, 0.4, np.float32)).any()
    assert not speaking(noise(5 * SAMPLE_RATE, 0.05)).any()


def test_a_click_is_not_speech():
    sound = noise(4 * SAMPLE_RATE, 1e-3)
    sound[2 * SAMPLE_RATE : 2 * SAMPLE_RATE + 100] = 0.5
    assert not speaking(sound).any()


def test_a_shout_does_not_deafen_for_ever():
    shout, quiet = dialogue((0.4, 1.0)), dialogue((0.4, 1.0, 1.0))
    pause = np.zeros(12 * SAMPLE_RATE, np.float32)
    sound = np.concatenate([shout[0], pause, quiet[0] * np.float32(0.005)])
    judged = speaking(sound)[-len(quiet[1]) :]
    assert judged[quiet[1]].mean() > 0.95


def test_no_silence_is_shorter_than_promised():
    sound, _ = dialogue((0.2, 0.3, 0.32, 0.36, 0.4, 0.44, 0.48, 0.6))
    judged = speaking(sound)
    edges = np.flatnonzero(np.diff(judged.astype(int)))
    assert len(edges) > 2
    falls = edges[judged[edges]]
    for fall in falls:
        rises = edges[edges > fall]
        if len(rises):
            assert rises[0] - fall >= SHORTEST_SILENCE


@pytest.mark.parametrize("count", [0, 1, 639, 640, 641, 3200])
def test_one_judgement_for_every_frame_begun(count):
    assert speaking(dialogue()[0][:count]).shape == (-(-count // 640),)


def test_audio_must_begin_at_a_frame():
    sound, truth = dialogue()
    assert np.array_equal(speaking(sound, 6400), speaking(sound))
    with pytest.raises(BadOption, match="multiple of 640"):
        speaking(sound, 100)
    assert len(truth) == len(speaking(sound))


@settings(max_examples=15)
@given(st.lists(st.integers(0, 90_000), max_size=12))
def test_any_cut_gives_the_same_judgements(cuts):
    sound = dialogue()[0] + noise(len(dialogue()[0]), 1e-3)
    judge = SilenceJudge()
    cuts = sorted(min(cut, len(sound)) for cut in cuts)
    parts = [judge.push(part) for part in np.split(sound, cuts)]
    assert np.array_equal(np.concatenate([*parts, judge.flush()]), speaking(sound))


def test_it_looks_ahead_exactly_as_far_as_declared():
    sound = dialogue()[0]
    judge = SilenceJudge()
    assert len(judge.push(sound[: (LOOKAHEAD_FRAMES + 1) * SAMPLES_PER_FRAME - 1])) == 0
    assert len(judge.push(sound[:1])) == 1


def test_the_head_is_told_late_and_of_nothing_else():
    sound, _ = dialogue()
    judged = ~speaking(sound)
    told = Silences()
    frames, heard = len(judged), 0
    for frame in range(frames):
        until = min(len(sound), (frame + 1 + TOLD_AFTER) * SAMPLES_PER_FRAME)
        told.push(sound[heard:until])
        if heard < until == len(sound):
            told.flush()
        heard = until
        expected = judged[frame - TOLD_LATE] if frame >= TOLD_LATE else True
        assert told[frame] == expected
    assert len(told._silent) < frames  # what was told is forgotten
