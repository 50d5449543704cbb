"""The loudness HuBERT expects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...contract.units import SAMPLE_RATE, SAMPLES_PER_FEATURE

VARIANCE_FLOOR = 1e-7
"""Added to the variance, as `transformers.Wav2Vec2FeatureExtractor` does; keeps silence finite."""

USUAL_VARIANCE, USUAL_SAMPLES = 0.005, SAMPLE_RATE
"""Before the first sample a stream counts as a second of speech at -23 dBFS: the moments of an
opening pause alone would blow up its noise."""

PAUSE_BELOW, LONGEST_PAUSE = 0.02, 25
"""A block this much weaker than the stream's variance (-17 dB) is a pause; of a pause, as many
blocks count (0.5 s)."""

REMEMBERED = 60 * SAMPLE_RATE
"""Samples of a stream that count together; older ones fade."""


def normalise(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Zero mean and unit variance over the utterance: (n,) float32 → (n,) float32.

    The moments are those of the whole of ``samples``; normalise before cutting into clips.
    """
    if len(samples) == 0:
        return samples
    # Sums in double precision: minutes of audio would lose digits in single.
    mean = samples.mean(dtype=np.float64)
    variance = samples.var(dtype=np.float64)
    scaled: NDArray[np.float32] = (samples - np.float32(mean)) / np.float32(
        np.sqrt(variance + VARIANCE_FLOOR)
    )
    return scaled


class RunningMoments:
    """Mean and variance of what was heard so far, for a stream that has no end to wait for.

    They are taken in blocks of 20 ms on fixed indices, so that any cut of the stream gives the same
    bits. A pause counts no longer than it lasts within sentences: after an hour in which nobody
    spoke, the first word is as loud as ever. And of a long stream the last minute counts most.
    """

    def __init__(self) -> None:
        self._count = float(USUAL_SAMPLES)
        self._sum, self._squares = 0.0, USUAL_SAMPLES * USUAL_VARIANCE
        self._paused = LONGEST_PAUSE
        self._tail: NDArray[np.float32] = np.zeros(0, np.float32)

    def push(self, samples: NDArray[np.float32]) -> None:
        """Hear (n,) float32 samples."""
        heard = np.concatenate([self._tail, samples])
        whole = len(heard) // SAMPLES_PER_FEATURE
        self._tail = heard[whole * SAMPLES_PER_FEATURE :].copy()
        blocks = (
            heard[: whole * SAMPLES_PER_FEATURE].reshape(-1, SAMPLES_PER_FEATURE).astype(np.float64)
        )
        for total, squares in zip(blocks.sum(1), (blocks * blocks).sum(1), strict=True):
            self._take(float(total), float(squares))

    def _take(self, total: float, squares: float) -> None:
        power = squares / SAMPLES_PER_FEATURE - (total / SAMPLES_PER_FEATURE) ** 2
        quiet = power < PAUSE_BELOW * self._variance
        self._paused = self._paused + 1 if quiet else 0
        if self._paused > LONGEST_PAUSE:
            return
        kept = min(1.0, (REMEMBERED - SAMPLES_PER_FEATURE) / self._count)
        self._count = kept * self._count + SAMPLES_PER_FEATURE
        self._sum = kept * self._sum + total
        self._squares = kept * self._squares + squares

    @property
    def _variance(self) -> float:
        return max(0.0, self._squares / self._count - (self._sum / self._count) ** 2)

    def scale(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """``samples`` less the mean, over the deviation: (n,) float32 → (n,) float32."""
        mean = self._sum / self._count
        scaled: NDArray[np.float32] = (samples - np.float32(mean)) / np.float32(
            np.sqrt(self._variance + VARIANCE_FLOOR)
        )
        return scaled
