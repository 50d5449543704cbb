"""The mouth does what the phones ask of it."""

from __future__ import annotations

import numpy as np
import pytest

from emogene.training.demo.head.parameters import MOUTH_PARAMETERS
from emogene.training.demo.speech.espeak import Espeak
from emogene.training.demo.speech.phones import PHONES, SILENCE, PhoneSegment
from emogene.training.demo.speech.visemes import TARGETS, speech_parameters, visemes_of

JAW, WIDE, PRESS, FUNNEL = (
    MOUTH_PARAMETERS.index(name) for name in ("jaw", "wide", "press", "funnel")
)


def word(*phones: str, each: float = 0.12) -> list[PhoneSegment]:
    return [PhoneSegment(p, each * i, each * (i + 1)) for i, p in enumerate(phones)]


def test_every_phone_has_a_viseme_and_there_are_17() -> None:
    assert len(TARGETS) == 17
    found = {name for name, *_ in visemes_of(word(*PHONES))}
    assert found == set(TARGETS)


def test_silence_is_the_closed_mouth() -> None:
    track = speech_parameters([], 1.0)
    assert track.shape == (25, 8) and track.dtype == np.float32
    np.testing.assert_allclose(track, np.tile(TARGETS["silence"], (25, 1)), atol=1e-6)


def test_length_is_the_frames_needed() -> None:
    assert len(speech_parameters([], 641 / 16_000)) == 2
    assert len(speech_parameters([], 3.0, fps=100.0)) == 300


@pytest.mark.parametrize("lips", ["P", "B", "M"])
def test_lips_close_between_open_vowels(lips: str) -> None:
    track = speech_parameters(word(SILENCE, "AA", lips, "AA", SILENCE), 0.6, fps=100.0)
    assert track[30, PRESS] > 1.5
    # Closures last 80 ms at least, so lips begin to close early in the vowel before.
    assert track[16, PRESS] < 0.2 and track[44, PRESS] < 0.2
    assert track[30, JAW] < 0.2 * track[18, JAW]


def test_even_a_short_closure_closes() -> None:
    segments = [PhoneSegment("AA", 0.0, 0.3), PhoneSegment("B", 0.3, 0.35),
                PhoneSegment("AA", 0.35, 0.6)]  # fmt: skip
    assert speech_parameters(segments, 0.6, fps=100.0)[:, PRESS].max() > 1.1


def test_a_tongue_consonant_takes_its_lips_from_the_vowels() -> None:
    rounded = speech_parameters(word("UW", "T", "UW"), 0.36, fps=100.0)
    spread = speech_parameters(word("IY", "T", "IY"), 0.36, fps=100.0)
    assert rounded[18, FUNNEL] > 0.5 > spread[18, FUNNEL]
    assert rounded[18, WIDE] < 0.0 < spread[18, WIDE]


def test_the_track_is_smooth_and_within_its_targets() -> None:
    speech = Espeak().synthesize("Maybe five people move away from the blue moon.")
    seconds = len(speech.samples) / speech.rate
    track = speech_parameters(speech.segments, seconds, fps=100.0)
    targets = np.stack(list(TARGETS.values()))
    assert np.all(track >= targets.min(0) - 1e-5) and np.all(track <= targets.max(0) + 1e-5)
    assert np.abs(np.diff(track, axis=0)).max() < 0.5  # in 10 ms; a step would be 2


def test_time_shifts_with_the_segments() -> None:
    def after(pause: float) -> np.ndarray:
        joined = [PhoneSegment(SILENCE, 0.0, pause), PhoneSegment("AA", pause, pause + 0.2),
                  PhoneSegment("M", pause + 0.2, pause + 0.3)]  # fmt: skip
        return speech_parameters(joined, pause + 0.4)

    np.testing.assert_allclose(after(0.4)[5:], after(2.4)[55:], atol=1e-3)


def test_a_long_silence_stays_silent_until_shortly_before_the_word() -> None:
    track = speech_parameters([PhoneSegment(SILENCE, 0.0, 3.0), PhoneSegment("AA", 3.0, 3.3)], 3.3,
                              fps=100.0)  # fmt: skip
    assert np.abs(track[:280] - TARGETS["silence"]).max() < 0.05
