"""The loudness HuBERT expects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...contract.units import SAMPLE_RATE

VARIANCE_FLOOR = 1e-7
"""Added to the variance, as `transformers.Wav2Vec2FeatureExtractor` does; keeps silence finite."""

USUAL_VARIANCE, USUAL_SAMPLES = 0.005, SAMPLE_RATE
"""Before the first sample a stream counts as a second of speech at -23 dBFS: the moments of an
opening pause alone would blow up its noise."""


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
    """Mean and variance of all that was heard so far, for a stream that has no end to wait for.

    What is pushed is summed up piece by piece in double precision, so the pieces must stand on
    fixed indices for the same bits.
    """

    def __init__(self) -> None:
        self._count, self._sum = USUAL_SAMPLES, 0.0
        self._squares = USUAL_SAMPLES * USUAL_VARIANCE

    def push(self, samples: NDArray[np.float32]) -> None:
        """Hear (n,) float32 samples."""
        exact = samples.astype(np.float64)
        self._count += len(exact)
        self._sum += float(exact.sum())
        self._squares += float((exact * exact).sum())

    def scale(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """``samples`` less the mean, over the deviation: (n,) float32 → (n,) float32."""
        mean = self._sum / self._count
        variance = max(0.0, self._squares / self._count - mean * mean)
        scaled: NDArray[np.float32] = (samples - np.float32(mean)) / np.float32(
            np.sqrt(variance + VARIANCE_FLOOR)
        )
        return scaled
