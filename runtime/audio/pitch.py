"""Pitch of speech, one value for each HuBERT feature.

`pitch` and `pitch_bins` look at a whole utterance. `PitchTracker` takes audio in pieces of any size
and gives the same values for any cut of it: its windows, its reference level and its decisions all
stand on absolute feature indices.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ...contract.units import (
    FEATURES_PER_FRAME,
    FEATURES_PER_SECOND,
    FIRST_PITCH_BIN,
    FRAMES_PER_LATENT,
    LAST_PITCH_BIN,
    SAMPLES_PER_FEATURE,
)
from .autocorrelation import Float32, PitchSettings, analysis_windows, find_candidates
from .pitch_path import PathFinder

DEFAULTS = PitchSettings()

BLOCK = FEATURES_PER_FRAME * FRAMES_PER_LATENT
"""Features the tracker decides together: one latent's worth."""

LOOKAHEAD = BLOCK
"""Features after a block that the tracker waits for before it decides the block (160 ms)."""

LEVEL_HALF_LIFE_SECONDS = 4.0
"""The tracker's reference level, the loudest peak so far, falls to half in this time."""

LEVEL_FLOOR = 1e-3
"""The tracker's lowest reference level (-60 dBFS): it keeps a hiss before speech unvoiced."""

_BATCH = 256
"""Windows analysed at once when a whole utterance is there; bounds the memory used."""

_SPECTROGRAM_WINDOW = 512
"""Samples under one column of the published extraction's spectrogram."""

_LOWEST_BIN_MEL, _HIGHEST_BIN_MEL = (1127 * math.log(1 + hz / 700) for hz in (50, 1100))
_MELS = _HIGHEST_BIN_MEL - _LOWEST_BIN_MEL


def features_of(samples: int) -> int:
    """Features needed to cover ``samples`` audio samples; the last one may be partly silence."""
    return -(-samples // SAMPLES_PER_FEATURE)


def pitch(samples: Float32, settings: PitchSettings = DEFAULTS) -> Float32:
    """Pitch of a whole utterance.

    Args:
        samples: (n,) float32, mono, 16 kHz.
        settings: what counts as pitch.

    Returns:
        (ceil(n / 320),) float32 Hz, 0 where unvoiced; entry k is the pitch around sample
        320 k + `PitchSettings.middle`.
    """
    return _pitch(samples, features_of(len(samples)), settings)


def published_pitch(samples: Float32, settings: PitchSettings) -> Float32:
    """Pitch of a whole utterance with the ends that the published extraction gives it.

    The sound is followed by 1 to 320 zeros, up to a whole feature, and one feature less is looked
    at. Those that begin later than 512 samples before the end, which is as long as the windows of
    the spectrogram that is made beside it, are dropped again.

    Args:
        samples: (n,) float32, mono, 16 kHz.
        settings: what counts as pitch.

    Returns:
        (1 + (n - 512) // 320,) float32 Hz, 0 where unvoiced.
    """
    count = len(samples) // SAMPLES_PER_FEATURE
    padded = np.zeros((count + 1) * SAMPLES_PER_FEATURE, np.float32)
    padded[: len(samples)] = samples
    kept = 1 + (len(samples) - _SPECTROGRAM_WINDOW) // SAMPLES_PER_FEATURE
    return _pitch(padded, count, settings)[: max(0, kept)]


def _pitch(samples: Float32, count: int, settings: PitchSettings) -> Float32:
    """Pitch of the first ``count`` features, (count,) float32 Hz."""
    length = max(len(samples), count * SAMPLES_PER_FEATURE + settings.after)
    padded = np.zeros(settings.before + length, np.float32)
    padded[settings.before : settings.before + len(samples)] = samples
    windows = analysis_windows(padded, settings)[:count]
    # Silence is judged against the loudest moment of the utterance.
    level = float(np.abs(samples - samples.mean(dtype=np.float64)).max()) if len(samples) else 0.0
    path = PathFinder(settings)
    for start in range(0, count, _BATCH):
        batch = find_candidates(windows[start : start + _BATCH], settings)
        path.add(batch, np.full(len(batch.peak), level))
    return path.decide(count)


def coarse_bins(hz: Float32) -> NDArray[np.int32]:
    """Pitch in Hz → bins 1…255, evenly spaced in mel = 1127 ln(1 + f / 700) over 50…1100 Hz.

    Unvoiced (0 Hz) and everything below 50 Hz is bin 1.
    """
    # In single precision and in this order, as published: a border moves by a rounding.
    count = np.float32(LAST_PITCH_BIN - FIRST_PITCH_BIN)
    place = (_mel(hz) - np.float32(_LOWEST_BIN_MEL)) * count / np.float32(_MELS)
    place = np.clip(place + 1, np.float32(FIRST_PITCH_BIN), np.float32(LAST_PITCH_BIN))
    bins: NDArray[np.int32] = (place + np.float32(0.5)).astype(np.int32)
    return bins


def pitch_bins(samples: Float32, settings: PitchSettings = DEFAULTS) -> NDArray[np.int32]:
    """`coarse_bins` of `pitch`: (n,) float32 at 16 kHz → (ceil(n / 320),) int32 in 1…255."""
    return coarse_bins(pitch(samples, settings))


def _mel(hz: Float32) -> Float32:
    mel: Float32 = np.float32(1127) * np.log(np.float32(1) + hz / np.float32(700))
    return mel


class PitchTracker:
    """Pitch of audio that arrives in pieces, in bounded memory.

    Features are decided in blocks of `BLOCK` on absolute indices; a block is decided once the
    windows of the `LOOKAHEAD` features after it have been seen. Silence is judged against a
    reference level that follows the loudest peak so far and decays.

    Args:
        settings: what counts as pitch.
    """

    def __init__(self, settings: PitchSettings = DEFAULTS) -> None:
        self._settings = settings
        self._path = PathFinder(settings)
        self._tail: Float32 = np.zeros(settings.before, np.float32)
        self._level = LEVEL_FLOOR
        self._decay = 0.5 ** (1 / (LEVEL_HALF_LIFE_SECONDS * FEATURES_PER_SECOND))
        self._pushed = 0
        self._given = 0

    @property
    def delay(self) -> int:
        """Samples past the end of a block that must be pushed before the block is given."""
        return LOOKAHEAD * SAMPLES_PER_FEATURE + self._settings.after

    def push(self, samples: Float32) -> Float32:
        """Take (n,) float32 samples; return (T,) float32 Hz for the blocks they complete."""
        self._pushed += len(samples)
        decided = self._analyse(samples)
        self._given += len(decided)
        return decided

    def undecided(self) -> Float32:
        """The best guess at the features that were analysed and not yet given, (T,) float32 Hz."""
        return self._path.guess()

    def flush(self) -> Float32:
        """End the audio, as if silence followed: the features not yet given.

        All that was given adds up to ceil(n / 320) features; the tracker is spent afterwards.
        """
        left = features_of(self._pushed) - self._given
        end = -(-(self._given + left) // BLOCK) * BLOCK * SAMPLES_PER_FEATURE
        silence = np.zeros(max(0, end - self._pushed + self._settings.after), np.float32)
        early = self._analyse(silence)
        rest = self._path.decide(max(0, left - len(early)))
        return np.concatenate([early, rest])[:left]

    def _analyse(self, samples: Float32) -> Float32:
        audio = np.concatenate([self._tail, samples])
        windows = analysis_windows(audio, self._settings)
        groups = len(windows) // BLOCK
        decided = []
        for group in range(groups):
            # Always whole blocks, so that arithmetic never sees how the input was cut.
            found = find_candidates(windows[group * BLOCK : (group + 1) * BLOCK], self._settings)
            self._path.add(found, self._levels(found.peak))
            if self._path.pending == BLOCK + LOOKAHEAD:
                decided.append(self._path.decide(BLOCK))
        self._tail = audio[groups * BLOCK * SAMPLES_PER_FEATURE :].copy()
        return np.concatenate(decided) if decided else np.zeros(0, np.float32)

    def _levels(self, peaks: NDArray[np.float64]) -> NDArray[np.float64]:
        levels = np.empty_like(peaks)
        for t, peak in enumerate(peaks):
            self._level = max(LEVEL_FLOOR, self._level * self._decay, float(peak))
            levels[t] = self._level
        return levels
