"""HuBERT over an utterance, in clips on absolute indices."""

from __future__ import annotations

import numpy as np

from ...contract.data import Float32
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
    without overlap, as the networks were trained; silence follows its end.

    Args:
        hubert: the stage (1, samples) → (1, features, D).
        samples: (n,) float32 of the whole utterance.
        count: features wanted in all; at least those that cover the samples.
        clip_frames: frames in one clip.
    """

    def __init__(self, hubert: Runner, samples: Float32, count: int, clip_frames: int) -> None:
        self._hubert, self._samples, self._count = hubert, normalise(samples), count
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
        first = clip * self._clip
        last = min(first + self._clip, self._count)
        heard = np.zeros((1, (last - first) * SAMPLES_PER_FEATURE + _OVERHANG), np.float32)
        start = first * SAMPLES_PER_FEATURE
        piece = self._samples[start : start + heard.shape[1]]
        heard[0, : len(piece)] = piece
        features: Float32 = self._hubert.run({"samples": heard})["features"][0]
        return features
