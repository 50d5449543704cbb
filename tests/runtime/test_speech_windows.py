"""Clips and windows: each frame from the right samples, and the same whatever the hop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import emogene
from emogene.contract.measure import relative_l2
from emogene.contract.units import HUBERT_RECEPTIVE_FIELD, SAMPLES_PER_FEATURE
from emogene.runtime.profiles import OFFLINE
from emogene.runtime.speech.features import UtteranceFeatures
from emogene.runtime.speech.landmarks import UtteranceLandmarks
from emogene.runtime.speech.networks import latents_of
from tests.speech import spoken


class FirstSample:
    """A HuBERT whose feature is the first sample of its receptive field."""

    backend, inputs, outputs = "test", (), ()

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def run(self, values: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        samples = values["samples"][0]
        self.lengths.append(len(samples))
        count = (len(samples) - HUBERT_RECEPTIVE_FIELD) // SAMPLES_PER_FEATURE + 1
        return {"features": samples[None, : count * SAMPLES_PER_FEATURE : 320, None]}


@pytest.mark.parametrize("clip_frames", [4, 25, 500])
def test_feature_k_begins_at_sample_320_k(clip_frames: int) -> None:
    samples = spoken()[:33_000]
    hubert = FirstSample()
    features = UtteranceFeatures(hubert, samples, 104, clip_frames)  # type: ignore[arg-type]
    whole = features.read(0, 104)[:, 0]
    centred = (samples - samples.mean()) / samples.std()
    np.testing.assert_allclose(whole, centred[::320][:104], rtol=1e-4, atol=1e-4)
    for first, last in ((0, 8), (40, 104), (96, 104), (48, 64), (7, 9)):
        np.testing.assert_array_equal(features.read(first, last)[:, 0], whole[first:last])
    assert max(hubert.lengths) <= clip_frames * 640 + 80


def test_what_lies_beyond_the_end_is_silence() -> None:
    features = UtteranceFeatures(FirstSample(), np.ones(1, np.float32) * 0.3, 8, 500)  # type: ignore[arg-type]
    assert not features.read(1, 8).any() and np.isfinite(features.read(0, 1)).all()


def test_latents_cover_the_samples() -> None:
    assert [latents_of(n) for n in (1, 640, 2560, 2561)] == [1, 1, 1, 2]


def landmarks(avatar: emogene.Avatar, hop: int, overlap: int) -> NDArray[np.float32]:
    profile = replace(OFFLINE, hop=hop, overlap=overlap)
    session = avatar.session(profile=profile, size=16)
    made = UtteranceLandmarks(
        session._parts.speech, np.tile(spoken(), 2), profile, first_latent=9, seed=4
    )
    hops = -(-made.latents * 4 // hop)
    return np.concatenate([made.hop(k) for k in range(hops)])


def test_overlapping_windows_equal_one_long_run(avatar: emogene.Avatar) -> None:
    whole = landmarks(avatar, 10_000, 0)
    assert len(whole) > 200
    for hop in (8, 100, 300):
        # The same sums in another order: float32 rounding.
        assert relative_l2(landmarks(avatar, hop, 68), whole) < 1e-6
    # Without the overlap the borders show: the comparison can fail.
    assert relative_l2(landmarks(avatar, 8, 0), whole) > 1e-4
