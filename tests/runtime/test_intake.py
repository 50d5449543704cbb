"""What is pushed into a session: every kind of samples, at any rate, in any cut."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import emogene
from emogene.contract.errors import BadAudio
from emogene.contract.units import SAMPLE_RATE
from emogene.runtime.audio.intake import Intake

Samples = NDArray[np.float32]


def taken(intake: Intake, pieces: list[object]) -> Samples:
    made = [intake.take(intake.checked(piece)) for piece in pieces]  # type: ignore[arg-type]
    return np.concatenate([*made, intake.flush()])


@settings(max_examples=30)
@given(
    st.sampled_from((8_000, 16_000, 44_100, 48_000)),
    st.lists(st.integers(0, 6_000), max_size=8),
)
def test_bytes_in_any_cut_are_the_samples_resampled(rate: int, cuts: list[int]) -> None:
    tone = 12_000 * np.sin(np.arange(3_000) * 0.07) + 3_000 * np.sin(np.arange(3_000) * 0.003)
    sound = tone.astype("<i2")
    raw = sound.tobytes()
    bounds = [0, *sorted(cuts), len(raw)]
    pieces = [raw[a:b] for a, b in itertools.pairwise(bounds)]
    intake = Intake(rate)
    found = taken(intake, pieces)  # type: ignore[arg-type]
    whole = taken(Intake(rate), [sound.astype(np.int16)])
    np.testing.assert_array_equal(found, whole)
    assert len(found) == intake.samples == round(len(sound) * SAMPLE_RATE / rate)
    if rate != SAMPLE_RATE:
        told = soxr.resample(sound.astype(np.float32) / 32768, rate, SAMPLE_RATE, quality="HQ")
        # Another block size of the same filter: float32 rounding.
        np.testing.assert_allclose(found, told, atol=2e-4)


def test_all_kinds_of_samples_mean_the_same() -> None:
    whole = (np.sin(np.arange(640) / 9) * 9_000).astype(np.int16)
    scaled = whole / 32768
    for given_ in (
        whole,
        scaled,
        scaled.astype(np.float32),
        whole.tobytes(),
        bytearray(whole.tobytes()),
        memoryview(whole.tobytes()),
    ):
        found = taken(Intake(16_000), [given_])
        np.testing.assert_array_equal(found, scaled.astype(np.float32))


def test_what_is_refused_is_not_taken() -> None:
    intake = Intake(16_000)
    for bad in ([0.0], "speech", np.zeros((2, 2)), np.array([np.nan]), np.array([9e9])):
        with pytest.raises(BadAudio):
            intake.checked(bad)  # type: ignore[arg-type]
    assert intake.samples == 0


def test_a_rate_no_audio_has_is_refused(avatar: emogene.Avatar) -> None:
    with pytest.raises(BadAudio, match="sample rate"):
        avatar.session(sample_rate=10)


@pytest.mark.parametrize("profile", ["offline", "live"])
@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_a_session_takes_its_own_rate_in_any_cut(
    avatar: emogene.Avatar, speech: Samples, rate: int, profile: str
) -> None:
    theirs = soxr.resample(speech[:24_000], SAMPLE_RATE, rate, quality="HQ")
    frames = []
    for cut in (len(theirs), 777, 3):
        with avatar.session(profile=profile, size=16, sample_rate=rate) as session:
            assert session.sample_rate == rate
            for start in range(0, min(len(theirs), 3 * 4000), cut):
                session.push(theirs[start : start + cut][: 3 * 4000 - start])
            session.flush()
            frames.append(list(session))
    assert len(frames[0]) > 5
    for other in frames[1:]:
        for one, two in zip(frames[0], other, strict=True):
            assert one.image.tobytes() == two.image.tobytes()
            assert one.audio.tobytes() == two.audio.tobytes()
