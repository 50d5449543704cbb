"""The clocks of the system, defined once, by exact division.

Audio runs at 16 kHz, HuBERT features at 50 Hz, video at 25 frames a second, and the VAE's latents
stand every four frames.
"""

from __future__ import annotations


def _exact(numerator: int, denominator: int) -> int:
    quotient, rest = divmod(numerator, denominator)
    if rest:
        raise ArithmeticError(f"{numerator} is not a multiple of {denominator}")
    return quotient


SAMPLE_RATE = 16_000
"""Samples a second of every audio stream inside the system."""

FRAMES_PER_SECOND = 25
"""Video frames a second."""

FEATURES_PER_SECOND = 50
"""HuBERT feature vectors (and pitch bins) a second."""

FRAMES_PER_LATENT = 4
"""Video frames covered by one VAE latent; every streaming hop is a multiple of it."""

SAMPLES_PER_FRAME = _exact(SAMPLE_RATE, FRAMES_PER_SECOND)
SAMPLES_PER_FEATURE = _exact(SAMPLE_RATE, FEATURES_PER_SECOND)
FEATURES_PER_FRAME = _exact(FEATURES_PER_SECOND, FRAMES_PER_SECOND)

HUBERT_RECEPTIVE_FIELD = 400
"""Samples seen by one HuBERT feature: ``n`` samples give ``(n - 400) // 320 + 1`` features."""

FIRST_PITCH_BIN, LAST_PITCH_BIN = 1, 255
"""Coarse pitch bins; 1 also means unvoiced."""


def features_in(samples: int) -> int:
    """HuBERT features that ``samples`` audio samples give by themselves."""
    return max(0, (samples - HUBERT_RECEPTIVE_FIELD) // SAMPLES_PER_FEATURE + 1)


def samples_of_features(features: int) -> int:
    """The least samples that give so many HuBERT features, at least one."""
    return (features - 1) * SAMPLES_PER_FEATURE + HUBERT_RECEPTIVE_FIELD


def frames_of(samples: int) -> int:
    """Video frames needed to show ``samples`` audio samples: the last one may be partly silence."""
    return -(-samples // SAMPLES_PER_FRAME)
