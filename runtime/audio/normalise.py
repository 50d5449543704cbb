"""The loudness HuBERT expects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

VARIANCE_FLOOR = 1e-7
"""Added to the variance, as `transformers.Wav2Vec2FeatureExtractor` does; keeps silence finite."""


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
