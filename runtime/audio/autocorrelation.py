"""Pitch candidates from the autocorrelation of short windows.

After P. Boersma, "Accurate short-term analysis of the fundamental frequency and the
harmonics-to-noise ratio of a sampled sound", IFA Proceedings 17 (1993). The autocorrelation of a
windowed signal divided by the autocorrelation of the window estimates that of the signal itself
(eq. 9); its maxima are the candidates. Lengths, ranks and interpolation depths are those of Praat's
`To Pitch (ac)`, with which the published networks were trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ...contract.units import SAMPLE_RATE, SAMPLES_PER_FEATURE
from .sinc import sinc_interpolated, sinc_maximum

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

PERIODS_PER_WINDOW = 3
"""A Hanning window must hold three periods of the lowest pitch (Boersma, section 3.2)."""

_RANKING_DEPTH, _REFINING_DEPTH = 30, 70
"""Lags on each side that interpolate a maximum: where the strongest are chosen, and of those."""

_SHORTEST_LAG = 2


@dataclass(frozen=True)
class PitchSettings:
    """What counts as pitch. The defaults are those of the EmoGene authors' feature extraction.

    Attributes:
        floor_hz: lowest pitch.
        ceiling_hz: highest pitch.
        voicing_threshold: an autocorrelation maximum below this is unvoiced (0…1).
        silence_threshold: a window whose peak is below this share of the reference level is silent.
        octave_cost: how much a maximum an octave lower must be higher to win.
        octave_jump_cost: cost of a jump by one octave in 10 ms.
        voiced_unvoiced_cost: cost of a change of voicing in 10 ms.
        candidates: maxima kept for one window.
        middle: sample of a feature's 320 that its window lies around, 1…320.
    """

    floor_hz: float = 80.0
    ceiling_hz: float = 750.0
    voicing_threshold: float = 0.6
    silence_threshold: float = 0.03
    octave_cost: float = 0.01
    octave_jump_cost: float = 0.35
    voiced_unvoiced_cost: float = 0.14
    candidates: int = 14
    middle: int = SAMPLES_PER_FEATURE // 2

    @property
    def window(self) -> int:
        """Samples under the Hanning window, which is zero one sample beyond them; even."""
        return 2 * (int(PERIODS_PER_WINDOW * SAMPLE_RATE / self.floor_hz) // 2 - 1)

    @property
    def longest_period(self) -> int:
        """Samples in one period of the lowest pitch."""
        return int(SAMPLE_RATE / self.floor_hz)

    @property
    def before(self) -> int:
        """Samples that feature k is analysed with before its first, 320 k."""
        return max(0, self.window // 2 + 1 - self.middle)

    @property
    def after(self) -> int:
        """Samples that feature k is analysed with past its last, 320 (k + 1) - 1."""
        return self.middle + self.window // 2 + 1 - SAMPLES_PER_FEATURE

    @property
    def seen(self) -> int:
        """Samples that one feature is analysed with."""
        return self.before + SAMPLES_PER_FEATURE + self.after


@dataclass(frozen=True)
class Candidates:
    """Autocorrelation maxima of T windows, at most C each.

    Attributes:
        frequency: (T, C) float64 Hz; the floor where there is no candidate.
        strength: (T, C) float64, height of the maximum; -inf where there is no candidate.
        peak: (T,) float64, largest magnitude under the Hanning window within half a longest period
            of its middle.
    """

    frequency: Float64
    strength: Float64
    peak: Float64


@cache
def _fft_size(settings: PitchSettings) -> int:
    # Circular correlation must not wrap into the lags that interpolation looks at: half a window.
    return int(1 << (settings.window + settings.window // 2 - 1).bit_length())


def _autocorrelation(windows: Float64, settings: PitchSettings) -> Float64:
    """(T, n) → (T, 1 + window // 2) autocorrelation at lag 0 on, not normalised."""
    size = _fft_size(settings)
    spectrum = np.fft.rfft(windows, size, axis=-1)
    correlation: Float64 = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, size, axis=-1)
    return correlation[..., : 1 + settings.window // 2]


@cache
def _window(settings: PitchSettings) -> tuple[Float64, Float64]:
    """The Hanning window and its normalised autocorrelation."""
    n = settings.window
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1, n + 1) / (n + 1))
    correlation = _autocorrelation(window, settings)
    return window, correlation / correlation[0]


def analysis_windows(samples: Float32, settings: PitchSettings) -> Float32:
    """What all features are analysed with that lie wholly in ``samples``.

    Args:
        samples: (n,) float32 at 16 kHz; ``samples[settings.before]`` begins the first feature.

    Returns:
        (T, settings.seen) read-only view.
    """
    if len(samples) < settings.seen:
        return np.zeros((0, settings.seen), np.float32)
    return sliding_window_view(samples, settings.seen)[::SAMPLES_PER_FEATURE]


def find_candidates(windows: Float32, settings: PitchSettings) -> Candidates:
    """Maxima of the autocorrelation of each of (T, settings.seen) float32 windows."""
    middle, period = settings.before + settings.middle, settings.longest_period
    half, near = settings.window // 2, period // 2 + 1
    around = windows.astype(np.float64)
    mean = around[:, middle - period : middle + period].mean(axis=1, keepdims=True)
    taper, taper_correlation = _window(settings)
    local = (around[:, middle - half : middle + half] - mean) * taper
    peak = np.abs(local[:, half - near : half + near]).max(axis=1, initial=0.0)

    correlation = _autocorrelation(local, settings)
    energy = correlation[:, :1]
    # A window of zeros has no maxima; any divisor will do.
    ratio = correlation / np.where(energy > 0, energy, 1.0) / taper_correlation

    frequency = np.full((len(windows), settings.candidates), settings.floor_hz)
    strength = np.full((len(windows), settings.candidates), -np.inf)
    row, lag = _strongest(ratio, *_maxima(ratio, settings), settings)
    below_ceiling = (lag + 1) * settings.ceiling_hz > SAMPLE_RATE
    row, lag = row[below_ceiling], lag[below_ceiling]
    depth = min(_REFINING_DEPTH, _lags_beyond(settings))
    place, height = sinc_maximum(ratio, row, lag, depth)
    column = np.arange(len(row)) - np.searchsorted(row, row)
    hertz = SAMPLE_RATE / place
    usable = hertz < settings.ceiling_hz
    frequency[row[usable], column[usable]] = hertz[usable]
    strength[row[usable], column[usable]] = _reflected(height[usable])
    return Candidates(frequency, strength, peak)


Lags = NDArray[np.intp]


def _maxima(ratio: Float64, settings: PitchSettings) -> tuple[Lags, Lags]:
    """Rows and lags of maxima that are not too low, row by row.

    Lags of frequencies above the ceiling are among them: they compete for the places.
    """
    first, last = _SHORTEST_LAG, _longest_lag(settings)
    left, here, right = (ratio[:, first + k : last + k] for k in (-1, 0, 1))
    found = (here > left) & (here >= right) & (here > 0.5 * settings.voicing_threshold)
    row, lag = np.nonzero(found)
    return row, lag + first


def _longest_lag(settings: PitchSettings) -> int:
    """One past the last lag at which a maximum is looked for."""
    return min(settings.window // PERIODS_PER_WINDOW + 2, settings.window // 2)


def _lags_beyond(settings: PitchSettings) -> int:
    """Lags that are known past every maximum: fewer than wanted where windows are short."""
    return settings.window // 2 - _longest_lag(settings) + 1


def _strongest(ratio: Float64, row: Lags, lag: Lags, settings: PitchSettings) -> tuple[Lags, Lags]:
    """Those that get one of the places, row by row: high frequencies are favoured a little."""
    counts = np.bincount(row, minlength=len(ratio))
    if counts.max(initial=0) <= settings.candidates:
        return row, lag
    left, here, right = (ratio[row, lag + k] for k in (-1, 0, 1))
    place = lag + 0.5 * (right - left) / (2 * here - left - right)
    depth = min(_RANKING_DEPTH, _lags_beyond(settings))
    height = _reflected(sinc_interpolated(ratio, row, place, depth))
    merit = height - settings.octave_cost * np.log2(settings.floor_hz * place / SAMPLE_RATE)
    order = np.lexsort((-merit, row))
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    kept = np.sort(order[rank < settings.candidates])
    return row[kept], lag[kept]


def _reflected(height: Float64) -> Float64:
    """Heights of short windows can overshoot 1; they are folded back, as Boersma does."""
    folded: Float64 = np.where(height > 1, 1 / np.maximum(height, 1.0), height)
    return folded
