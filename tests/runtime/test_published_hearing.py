"""Imported avatars hear as the published extraction does: its clips, its pitch, its ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.recorded import WatchedAvatar
from numpy.typing import NDArray

import emogene
from emogene.contract.hearing import PUBLISHED_HEARING
from emogene.contract.units import features_in, frames_of, samples_of_features
from emogene.runtime.audio.autocorrelation import PitchSettings
from emogene.runtime.audio.pitch import coarse_bins, published_pitch
from emogene.runtime.loading import load_engine_directory
from emogene.runtime.profiles import LIVE, OFFLINE, Profile
from emogene.runtime.speech.landmarks import UtteranceLandmarks
from emogene.runtime.speech.networks import SpeechNetworks
from tests.lawbook import check_law
from tests.oracle import hearing
from tests.speech import spoken

Samples = NDArray[np.float32]
Arrays = Mapping[str, NDArray[Any]]

SETTINGS = PitchSettings(middle=PUBLISHED_HEARING.pitch_middle)
SIZE = 16


class Whole:
    """A speech encoder each of whose features knows all that it is given at once."""

    backend, inputs, outputs = "test", (), ()

    def __init__(self) -> None:
        self.heard: list[NDArray[np.float64]] = []

    def run(self, values: Arrays) -> dict[str, NDArray[Any]]:
        samples = values["samples"][0].astype(np.float64)
        self.heard.append(samples)
        return {"features": self.features(samples)[None].astype(np.float32)}

    @staticmethod
    def features(samples: NDArray[np.float64]) -> NDArray[np.float64]:
        starts = np.arange(features_in(len(samples))) * 320
        told = [samples[s : s + 400].sum() for s in starts]
        whole = np.full(len(starts), np.abs(samples).sum() + len(samples))
        return np.stack([np.array(told), whole], axis=1)


class Told:
    """An audio-to-motion network that shows what it was told of the first features of frames."""

    backend, inputs, outputs = "test", (), ()

    def run(self, values: Arrays) -> dict[str, NDArray[Any]]:
        made = np.zeros((1, values["features"].shape[1] // 2, 204), np.float32)
        made[0, :, :2] = values["features"][0, ::2]
        made[0, :, 2] = values["pitch_bins"][0, ::2]
        return {"landmarks": made}


def quantised(samples: Samples) -> Samples:
    """As a file of 16 bits has them."""
    rounded: Samples = (np.round(samples * 32768) / 32768).astype(np.float32)
    return rounded


def told_by(samples: Samples, encoder: Whole) -> NDArray[np.float64]:
    networks = SpeechNetworks(encoder, Told(), 1, PUBLISHED_HEARING)  # type: ignore[arg-type]
    made = UtteranceLandmarks(networks, samples, OFFLINE, first_latent=0, seed=0)
    hops = [made.hop(k) for k in range(-(-made.frames // OFFLINE.hop))]
    return np.concatenate(hops)[:, :3].astype(np.float64)


@pytest.mark.parametrize("beyond", [0, 79, 80, 399, 400, 12_345])
@pytest.mark.parametrize("seconds", [0, 20, 40])
def test_clips_are_those_of_the_published_extraction(seconds: int, beyond: int) -> None:
    rng = np.random.default_rng(seconds + beyond)
    count = seconds * 16_000 + beyond
    if count < 2640:
        count = 2640 + beyond
    samples = rng.normal(0.02, 0.1, count).astype(np.float32)
    encoder = Whole()
    found = told_by(samples, encoder)
    scaled = hearing.normalised(samples.astype(np.float64))
    wanted = hearing.feature_count(count)
    # A clip of which no feature is kept need not be heard.
    ranges = [r for r in hearing.clips(count) if r[0] < 320 * wanted]
    assert [len(heard) for heard in encoder.heard] == [end - first for first, end in ranges]
    for heard, (first, end) in zip(encoder.heard, ranges, strict=True):
        np.testing.assert_allclose(heard, scaled[first:end], rtol=1e-5, atol=1e-6)
    expected = np.concatenate([Whole.features(scaled[first:end]) for first, end in ranges])
    assert len(found) == wanted // 2
    np.testing.assert_allclose(found[:, :2], expected[:wanted:2], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("voice", ["en-us", "en-us+f3"])
@pytest.mark.parametrize("cut", [0, 100, 319])
def test_pitch_is_that_of_the_definition(voice: str, cut: int) -> None:
    samples = quantised(spoken(voice=voice))[4_000 : 28_000 + cut]
    noise = np.random.default_rng(cut).normal(0, 0.02 * (cut == 100), len(samples))
    samples = quantised(samples + noise.astype(np.float32))
    expected = hearing.pitch_bins(samples.astype(np.float64))
    assert (expected > 1).mean() > 0.3 and (expected == 1).mean() > 0.05
    np.testing.assert_array_equal(told_by(samples, Whole())[:, 2], expected[::2])


@pytest.mark.parametrize("hz", [79.0, 80.5, 200.3, 740.0, 760.0, 2000.0, 3333.0])
def test_tones_are_those_of_the_definition(hz: float) -> None:
    samples = (0.3 * np.sin(2 * np.pi * hz * np.arange(6000) / 16_000)).astype(np.float32)
    sound = np.zeros(6080)
    sound[:6000] = samples
    expected = hearing.pitch(sound)
    found = published_pitch(samples, SETTINGS)
    assert len(found) == 1 + (6000 - 512) // 320
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_feature_without_a_spectrogram_column_is_unvoiced() -> None:
    # 80 samples past a whole feature give one more HuBERT feature, but no column of 512.
    samples = quantised(spoken()[8_000 : 8_000 + 320 * 24 + 100])
    assert features_in(len(samples)) == 24 == len(samples) // 320
    assert len(published_pitch(samples, SETTINGS)) == 23
    expected = hearing.pitch_bins(samples.astype(np.float64))
    assert len(expected) == 24 and expected[-1] == 1


def test_agrees_with_praat_in_every_bin() -> None:
    parselmouth = pytest.importorskip("parselmouth")
    for voice in ("en-us", "en-us+f3", "de+m3"):
        for loudness in (0.0, 0.01, 0.1):
            noise = np.random.default_rng(1).normal(0, loudness, len(spoken(voice=voice)))
            samples = quantised((spoken(voice=voice) + noise).astype(np.float32))
            sound = np.zeros((len(samples) // 320 + 1) * 320)
            sound[: len(samples)] = samples
            praat = parselmouth.Sound(sound, 16_000).to_pitch_ac(
                time_step=0.02, voicing_threshold=0.6, pitch_floor=80, pitch_ceiling=750
            )
            theirs = praat.selected_array["frequency"].astype(np.float32)
            ours = published_pitch(samples, SETTINGS)
            np.testing.assert_array_equal(coarse_bins(ours), coarse_bins(theirs[: len(ours)]))
            np.testing.assert_allclose(ours, theirs[: len(ours)], rtol=1e-6)


def test_what_gives_no_latent_is_followed_by_silence() -> None:
    assert samples_of_features(8) == 2640
    for count in (1, 399, 2639):
        encoder = Whole()
        assert len(told_by(spoken()[8_000 : 8_000 + count], encoder)) == 4
        assert [len(heard) for heard in encoder.heard] == [2640]


@pytest.fixture(scope="module")
def taught_otherwise(tiny_engines: Path) -> Iterator[WatchedAvatar]:
    """The tiny avatar, as if it had been trained on the published extraction."""
    loaded = load_engine_directory(tiny_engines, 2)
    manifest = replace(loaded.manifest, hearing=PUBLISHED_HEARING)
    with WatchedAvatar(replace(loaded, manifest=manifest), 2) as avatar:
        yield avatar


SHORT_HOPS = replace(OFFLINE, name="short hops", hop=8, clip_seconds=1)


@pytest.mark.parametrize(("profile", "examples"), [(SHORT_HOPS, 15), (LIVE, 15)])
def test_the_law(
    taught_otherwise: WatchedAvatar, speech: Samples, profile: Profile, examples: int
) -> None:
    check_law(
        lambda seed, emotion: taught_otherwise.session(
            emotion, seed=seed, profile=profile, size=SIZE
        ),
        speech,
        examples=examples,
    )


@pytest.mark.parametrize("count", [1, 2640, 8_000, 20_000, 300 * 640 + 2_000])
def test_every_sample_is_shown_and_the_last_face_stays(
    taught_otherwise: WatchedAvatar, speech: Samples, count: int
) -> None:
    samples = np.resize(speech[8_000:], count)
    own = max(4, hearing.feature_count(count) // 2)
    frames = list(taught_otherwise.render(samples, size=2))
    assert len(frames) == frames_of(count) <= own + 5
    assert taught_otherwise.watched is not None
    faces = [moment.condition for moment in taught_otherwise.watched.moments]
    assert [condition.first for condition in faces] == list(range(len(frames)))
    for later in faces[own:]:
        np.testing.assert_array_equal(later.windows, faces[own - 1].windows)
        np.testing.assert_array_equal(later.landmarks, faces[own - 1].landmarks)
    if own <= len(faces):
        # The window of the last face of its own is empty behind it, as at a recording's end.
        assert not faces[own - 1].windows[0, -1].any() and faces[own - 1].windows[0, 0].any()


def test_others_hear_as_they_were_trained_to(avatar: emogene.Avatar) -> None:
    assert avatar.manifest.hearing.pitch_middle == 160
    assert avatar.manifest.hearing.ending == "silence"
    assert "hearing" not in avatar.manifest.requires
