"""Pitch candidates from the autocorrelation of short windows.

After P. Boersma, "Accurate short-term analysis of the fundamental frequency and the
harmonics-to-noise ratio of a sampled sound", IFA Proceedings 17 (1993). The autocorrelation of a
windowed signal divided by the autocorrelation of the window estimates that of the signal itself
(eq. 9); its maxima are the candidates.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ...contract.units import SAMPLE_RATE, SAMPLES_PER_FEATURE

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

OVERSAMPLING = 4
"""Lags a sample: the spectrum is zero-padded by this before it is turned back, which interpolates
the autocorrelation with a sinc; a parabola through three such points then finds the maximum."""

PERIODS_PER_WINDOW = 3
"""A Hanning window must hold three periods of the lowest pitch (Boersma, section 3.2)."""


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
    """

    floor_hz: float = 80.0
    ceiling_hz: float = 750.0
    voicing_threshold: float = 0.6
    silence_threshold: float = 0.03
    octave_cost: float = 0.01
    octave_jump_cost: float = 0.35
    voiced_unvoiced_cost: float = 0.14
    candidates: int = 14

    @property
    def window(self) -> int:
        """Samples in one analysis window; even."""
        return 2 * round(PERIODS_PER_WINDOW * SAMPLE_RATE / self.floor_hz / 2)

    @property
    def longest_period(self) -> int:
        """Samples in one period of the lowest pitch."""
        return int(SAMPLE_RATE / self.floor_hz)

    @property
    def before(self) -> int:
        """Samples the window of feature k reaches back before sample 320 k."""
        return self.window // 2 - SAMPLES_PER_FEATURE // 2

    @property
    def after(self) -> int:
        """Samples the window of feature k reaches past sample 320 (k + 1)."""
        return self.before


@dataclass(frozen=True)
class Candidates:
    """Autocorrelation maxima of T windows, at most C each.

    Attributes:
        frequency: (T, C) float64 Hz; the floor where there is no candidate.
        strength: (T, C) float64, height of the maximum; -inf where there is no candidate.
        peak: (T,) float64, largest magnitude within half a longest period of the window's middle.
    """

    frequency: Float64
    strength: Float64
    peak: Float64


@cache
def _fft_size(settings: PitchSettings) -> int:
    # Circular correlation must not wrap into the lags that are looked at.
    needed = settings.window + settings.longest_period + 2
    return int(1 << (needed - 1).bit_length())


def _autocorrelation(windows: Float64, size: int) -> Float64:
    """(T, n) → (T, OVERSAMPLING · size // 2 …) autocorrelation, lag 0 first, not normalised."""
    spectrum = np.fft.rfft(windows, size, axis=-1)
    power = spectrum.real**2 + spectrum.imag**2
    power[..., -1] *= 0.5  # the Nyquist bin becomes an inner one and would count twice
    correlation: Float64 = np.fft.irfft(power, OVERSAMPLING * size, axis=-1)
    return correlation


@cache
def _window(settings: PitchSettings) -> tuple[Float64, Float64]:
    """The Hanning window and its normalised autocorrelation at the lags that are looked at."""
    n = settings.window
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(n) + 0.5) / n)
    correlation = _autocorrelation(window, _fft_size(settings))[: _lags(settings)[1]]
    return window, correlation / correlation[0]


def _lags(settings: PitchSettings) -> tuple[int, int]:
    """First lag and one past the last one looked at, in samples / OVERSAMPLING."""
    first = int(OVERSAMPLING * SAMPLE_RATE / settings.ceiling_hz) - 1
    return first, OVERSAMPLING * (settings.longest_period + 2)


def analysis_windows(samples: Float32, settings: PitchSettings) -> Float32:
    """The windows of all features that lie wholly in ``samples``.

    Args:
        samples: (n,) float32 at 16 kHz; ``samples[settings.before]`` begins the first feature.

    Returns:
        (T, settings.window) read-only view.
    """
    if len(samples) < settings.window:
        return np.zeros((0, settings.window), np.float32)
    return sliding_window_view(samples, settings.window)[::SAMPLES_PER_FEATURE]


def find_candidates(windows: Float32, settings: PitchSettings) -> Candidates:
    """Maxima of the autocorrelation of each of (T, settings.window) float32 windows."""
    middle, period = settings.window // 2, settings.longest_period
    local = windows.astype(np.float64)
    local -= local[:, middle - period : middle + period].mean(axis=1, keepdims=True)
    half = period // 2
    peak = np.abs(local[:, middle - half : middle + half]).max(axis=1, initial=0.0)

    taper, taper_correlation = _window(settings)
    first, last = _lags(settings)
    correlation = _autocorrelation(local * taper, _fft_size(settings))
    energy = correlation[:, :1]
    # A window of zeros has no maxima; any divisor will do.
    scale = np.where(energy > 0, energy, 1.0)
    ratio = correlation[:, first:last] / scale / taper_correlation[first:]

    left, here, right = ratio[:, :-2], ratio[:, 1:-1], ratio[:, 2:]
    is_maximum = (here > left) & (here >= right) & (here > 0.5 * settings.voicing_threshold)
    lag = np.arange(first + 1, last - 1, dtype=np.float64)
    # The shorter of two equal periods is the true one, hence the octave cost in the choice.
    merit = np.where(is_maximum, here - settings.octave_cost * np.log2(lag), -np.inf)
    chosen = np.argpartition(-merit, settings.candidates - 1, axis=1)[:, : settings.candidates]
    chosen.sort(axis=1)

    rows = np.arange(len(windows))[:, None]
    a, b, c = left[rows, chosen], here[rows, chosen], right[rows, chosen]
    curvature = 2 * b - a - c
    offset = np.where(curvature > 0, 0.5 * (c - a) / np.where(curvature > 0, curvature, 1.0), 0.0)
    height = b + 0.25 * (c - a) * offset
    frequency = OVERSAMPLING * SAMPLE_RATE / (lag[chosen] + offset)
    usable = is_maximum[rows, chosen] & (frequency <= settings.ceiling_hz)
    # Short windows can overshoot 1; fold such a height back, as Boersma does.
    height = np.where(height > 1, 1 / np.maximum(height, 1e-9), height)
    return Candidates(
        frequency=np.where(usable, frequency, settings.floor_hz),
        strength=np.where(usable, height, -np.inf),
        peak=peak,
    )
