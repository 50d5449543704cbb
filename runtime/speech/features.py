"""HuBERT over an utterance, in clips on absolute indices."""

from __future__ import annotations

import numpy as np

from ...contract.data import Float32
from ...contract.hearing import Ending
from ...contract.units import (
    FEATURES_PER_FRAME,
    HUBERT_RECEPTIVE_FIELD,
    SAMPLES_PER_FEATURE,
)
from ..audio.normalise import normalise
from ..backends.protocol import Runner
from ..blocks import Blocks

_OVERHANG = HUBERT_RECEPTIVE_FIELD - SAMPLES_PER_FEATURE
"""Samples that the last feature of a clip sees beyond its own 320."""


class UtteranceFeatures:
    """Features of one whole utterance, computed clip by clip as they are asked for.

    The audio is brought to zero mean and unit variance over the utterance, then cut into clips
    whose features do not overlap, as the networks were trained.

    Args:
        hubert: the stage (1, samples) → (1, features, D).
        samples: (n,) float32 of the whole utterance.
        count: features wanted in all.
        clip_frames: frames in one clip.
        ending: see `HearingSpec`. With ``silence`` the features cover the samples at least, and
            zeros follow until they do so wholly; with ``cut`` there are no more than samples give.
    """

    def __init__(
        self,
        hubert: Runner,
        samples: Float32,
        count: int,
        clip_frames: int,
        ending: Ending = "silence",
    ) -> None:
        self._hubert, self._samples = hubert, normalise(samples)
        if ending == "silence":
            silence = count * SAMPLES_PER_FEATURE + _OVERHANG - len(samples)
            self._samples = np.pad(self._samples, (0, silence))
        self._clip = clip_frames * FEATURES_PER_FRAME
        # Windows of the network after this one reach into two clips at most.
        self._clips: Blocks[Float32] = Blocks(self._encode, keep=2)

    def read(self, first: int, last: int) -> Float32:
        """Features ``first`` … ``last - 1``: (last - first, D) float32."""
        clips = range(first // self._clip, -(-last // self._clip))
        pieces = [
            self._clips[k][max(0, first - k * self._clip) : last - k * self._clip] for k in clips
        ]
        return np.concatenate(pieces)

    def _encode(self, clip: int) -> Float32:
        first, last = clip * self._clip, (clip + 1) * self._clip
        heard = self._samples[first * SAMPLES_PER_FEATURE : last * SAMPLES_PER_FEATURE + _OVERHANG]
        features: Float32 = self._hubert.run({"samples": heard[None]})["features"][0]
        return features
