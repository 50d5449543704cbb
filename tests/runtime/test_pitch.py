"""Pitch: known tones, hard cases, Praat and pYIN as oracles, and the law of chunks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emogene.contract.units import SAMPLE_RATE, SAMPLES_PER_FEATURE
from emogene.runtime.audio.autocorrelation import PitchSettings
from emogene.runtime.audio.pitch import (
    BLOCK,
    PitchTracker,
    coarse_bins,
    features_of,
    pitch,
    pitch_bins,
)
from tests.speech import spoken

WOMAN, MAN = "en-us+f3", "en-us"


def tone(hz: float, seconds: float = 1.0, harmonics: int = 1) -> np.ndarray:
    time = np.arange(int(SAMPLE_RATE * seconds)) / SAMPLE_RATE
    waves = [np.sin(2 * np.pi * hz * k * time) / k for k in range(1, harmonics + 1)]
    return (0.3 * np.sum(waves, axis=0)).astype(np.float32)


def tracked(samples: np.ndarray, cuts: list[int]) -> np.ndarray:
    tracker = PitchTracker()
    given_ = [tracker.push(part) for part in np.split(samples, cuts)]
    return np.concatenate([*given_, tracker.flush()])


@pytest.mark.parametrize("harmonics", [1, 5])
@pytest.mark.parametrize("hz", [80.5, 95, 120, 180, 247.3, 330, 440, 523, 600, 700])
def test_tones_are_found_within_one_percent(hz, harmonics):
    found = pitch(tone(hz, harmonics=harmonics))
    assert found.dtype == np.float32 and found.shape == (50,)
    # The first and last windows reach outside the sound and are rougher.
    assert np.abs(found[2:-2] / hz - 1).max() < 0.01
    assert np.median(np.abs(found / hz - 1)) < 0.001


@pytest.mark.parametrize("floor", [50.0, 200.0, 400.0])
def test_other_floors_have_other_windows(floor):
    """Short windows leave fewer lags to interpolate with."""
    found = pitch(tone(450, harmonics=3), PitchSettings(floor_hz=floor))
    assert np.abs(found[2:-2] / 450 - 1).max() < 0.01


@pytest.mark.parametrize("middle", [1, 160, 320])
def test_a_stream_that_ends_with_a_block_is_given_whole(middle):
    tracker = PitchTracker(PitchSettings(middle=middle))
    early = tracker.push(tone(200, seconds=BLOCK * SAMPLES_PER_FEATURE / SAMPLE_RATE))
    assert len(early) + len(tracker.flush()) == BLOCK


def test_a_missing_fundamental_is_heard():
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    samples = sum(np.sin(2 * np.pi * 150 * k * time) for k in (3, 4, 5)) * 0.2
    assert np.allclose(pitch(samples.astype(np.float32))[2:-2], 150, rtol=0.01)


def test_a_louder_second_harmonic_does_not_double_the_pitch():
    samples = 0.2 * tone(130) + 0.8 * tone(260)
    assert np.allclose(pitch(samples)[2:-2], 130, rtol=0.01)


@pytest.mark.parametrize(("start", "end"), [(100, 300), (600, 150), (90, 120)])
def test_glides_are_followed_at_the_middle_of_each_feature(start, end):
    seconds = 2.0
    time = np.arange(int(SAMPLE_RATE * seconds)) / SAMPLE_RATE
    phase = start * time + (end - start) / (2 * seconds) * time**2
    found = pitch((0.5 * np.sin(2 * np.pi * phase)).astype(np.float32))
    middle = (np.arange(len(found)) + 0.5) * SAMPLES_PER_FEATURE / SAMPLE_RATE
    truth = start + (end - start) / seconds * middle
    assert np.abs(found / truth - 1)[2:-2].max() < 0.01


def test_noise_is_mostly_unvoiced_and_silence_wholly():
    noise = np.random.default_rng(0).standard_normal(10 * SAMPLE_RATE).astype(np.float32)
    assert (pitch(0.1 * noise) > 0).mean() < 0.02
    assert not pitch(np.zeros(SAMPLE_RATE, np.float32)).any()
    assert not pitch(np.full(SAMPLE_RATE, 0.3, np.float32)).any(), "an offset is no sound"


def test_a_faint_hum_beside_speech_is_silence():
    samples = np.concatenate([tone(150), 0.01 * tone(150), tone(150)])
    found = pitch(samples)
    assert (found[:48] > 0).all() and not found[53:97].any() and (found[102:] > 0).all()


def test_loudness_and_offset_change_nothing_much():
    samples = spoken(voice=WOMAN)
    plain = pitch(samples)
    for changed in (samples * 1e-3, samples * 0.5 + 0.25):
        again = pitch(changed.astype(np.float32))
        assert ((plain > 0) == (again > 0)).mean() > 0.99
        both = (plain > 0) & (again > 0)
        assert np.abs(again[both] / plain[both] - 1).max() < 0.01


@pytest.mark.parametrize("count", [0, 1, 319, 320, 321, 3200, 16001])
def test_one_value_for_every_feature_begun(count):
    samples = tone(200, 2)[:count]
    assert pitch(samples).shape == (-(-count // 320),) == (features_of(count),)
    assert pitch_bins(samples).dtype == np.int32
    assert tracked(samples, []).shape == (features_of(count),)


def test_bins_are_even_in_mel():
    edges = coarse_bins(np.array([0, 30, 50, 1100, 5000], np.float32))
    assert edges.tolist() == [1, 1, 1, 255, 255]
    # By hand: mel(50) = 77.755, mel(200) = 283.229, mel(1100) = 1064.41;
    # 1 + 254 · (283.229 - 77.755) / (1064.41 - 77.755) = 53.9.
    assert coarse_bins(np.array([200], np.float32)).tolist() == [54]
    rising = coarse_bins(np.linspace(50, 1100, 500, dtype=np.float32))
    assert (np.diff(rising) >= 0).all()


@pytest.mark.parametrize("voice", [MAN, WOMAN, "de+m3"])
def test_agrees_with_praat(voice):
    parselmouth = pytest.importorskip("parselmouth")
    samples = spoken(voice=voice)
    # Praat centres its windows in the sound. A sound of whole frames plus one window puts them
    # where ours are: the middle of window k at sample 320 k + 160 of what we are given.
    count = (len(samples) - 600) // 320
    samples = samples[: 600 + 320 * count]
    praat = parselmouth.Sound(samples.astype(np.float64), SAMPLE_RATE).to_pitch_ac(
        time_step=0.02, pitch_floor=80, voicing_threshold=0.6, pitch_ceiling=750
    )
    first = round(praat.xs()[0] * SAMPLE_RATE)
    ours = pitch(np.concatenate([np.zeros(320 + 160 - first, np.float32), samples]))[1:]
    theirs = praat.selected_array["frequency"].astype(np.float32)
    ours = ours[: len(theirs)]
    # The silence we put around a sound may decide a window at its ends otherwise.
    assert ((ours > 0) == (theirs > 0)).mean() >= 0.99
    both = (ours > 0) & (theirs > 0)
    assert both.sum() > 50
    np.testing.assert_array_equal(coarse_bins(ours)[both], coarse_bins(theirs)[both])


def test_pyin_hears_the_same_pitch_where_we_hear_one():
    librosa = pytest.importorskip("librosa")
    samples = spoken(voice=WOMAN)[: 2 * SAMPLE_RATE]
    hz, voiced, _ = librosa.pyin(
        np.pad(samples, (512 - 160, 512)),
        fmin=80,
        fmax=750,
        sr=SAMPLE_RATE,
        frame_length=1024,
        hop_length=SAMPLES_PER_FEATURE,
        center=False,
    )
    count = min(features_of(len(samples)), len(hz))
    ours, hz, voiced = pitch(samples)[:count], hz[:count], voiced[:count]
    # Its path bridges consonants and the gaps between words, so it can only confirm our voiced.
    assert voiced[ours > 0].mean() >= 0.95
    both = (ours > 0) & voiced
    assert both.sum() > 50
    # Its windows are 64 ms to our 37.5 and its grid is a tenth of a semitone.
    apart = np.abs(coarse_bins(ours[both]) - coarse_bins(hz[both].astype(np.float32)))
    assert (apart <= 3).mean() >= 0.90


@settings(max_examples=12)
@given(st.lists(st.integers(0, 40_000), max_size=12), st.integers(0, 40_000))
def test_any_cut_gives_the_same_values(cuts, length):
    samples = spoken(voice=WOMAN)[4000 : 4000 + length]
    cuts = sorted(min(cut, len(samples)) for cut in cuts)
    assert np.array_equal(tracked(samples, cuts), tracked(samples, []))


def test_the_tracker_keeps_its_promised_delay_and_sees_no_further():
    samples = spoken(voice=MAN)[: 3 * SAMPLE_RATE]
    tracker = PitchTracker()
    block_end = BLOCK * SAMPLES_PER_FEATURE
    assert len(tracker.push(samples[: block_end + tracker.delay - 1])) == 0
    first = tracker.push(samples[block_end + tracker.delay - 1 : block_end + tracker.delay])
    assert len(first) == BLOCK
    assert np.array_equal(first, tracked(samples, [])[:BLOCK])


@pytest.mark.parametrize("voice", [MAN, WOMAN])
def test_the_tracker_agrees_with_the_whole_utterance(voice):
    samples = spoken(voice=voice)
    whole, live = pitch(samples), tracked(samples, [])
    assert ((whole > 0) == (live > 0)).mean() >= 0.97
    both = (whole > 0) & (live > 0)
    assert (np.abs(live[both] / whole[both] - 1) < 0.01).mean() >= 0.98


def test_the_tracker_forgets():
    tracker = PitchTracker()
    second = tone(220)
    for _ in range(20):
        tracker.push(second)
    assert tracker._path.pending <= 2 * BLOCK
    assert len(tracker._tail) < 2 * BLOCK * SAMPLES_PER_FEATURE


def test_what_is_undecided_is_guessed_from_what_was_heard():
    samples = tone(180)
    tracker = PitchTracker()
    decided = tracker.push(samples)
    guess = tracker.undecided()
    assert len(guess) == BLOCK and np.abs(guess / 180 - 1).max() < 0.01
    assert np.array_equal(tracker.undecided(), guess)  # asking changes nothing
    assert np.array_equal(decided, tracked(samples, [])[: len(decided)])
