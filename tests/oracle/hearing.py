"""What the published extraction makes of a recording, window by window, in float64.

Pitch after Boersma (1993), with the lengths and ranks of Praat's `To Pitch (ac)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

Float64 = NDArray[np.float64]

RATE, STEP, FIELD = 16_000, 320, 400
FLOOR, CEILING, VOICED, SILENT = 80.0, 750.0, 0.6, 0.03
OCTAVE, JUMP, SWITCH = 0.01, 0.35 * 0.01 / 0.02, 0.14 * 0.01 / 0.02
"""Costs; the last two are stated for steps of 10 ms, and these are 20."""

CLIP = 1000 * STEP


def normalised(samples: Float64) -> Float64:
    """Zero mean and unit variance over the whole recording."""
    return (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)


def feature_count(samples: int) -> int:
    """How many features are kept: a multiple of eight."""
    return (samples - (FIELD - STEP)) // STEP // 8 * 8


def clips(samples: int) -> list[tuple[int, int]]:
    """First sample, and one past the last, of what the speech encoder hears at once.

    Of 20 s each, and 80 samples more where there are any; a rest that gives no feature is left out.
    """
    whole = samples // CLIP
    heard = [(k * CLIP, min(k * CLIP + CLIP + FIELD - STEP, samples)) for k in range(whole)]
    rest = samples - whole * CLIP
    return heard + [(whole * CLIP, samples)] * (rest >= FIELD)


def pitch_bins(samples: Float64) -> NDArray[np.int64]:
    """(feature_count,) bins of a recording; a frame takes every second of them."""
    columns = 1 + (len(samples) - 512) // STEP
    sound = np.zeros((len(samples) // STEP + 1) * STEP)
    sound[: len(samples)] = samples
    hz = pitch(sound)[:columns]
    wanted = feature_count(len(samples))
    hz = np.concatenate([hz, np.zeros(max(0, wanted - len(hz)))])[:wanted]
    mel, low, high = (1127 * np.log(1 + f / 700) for f in (hz, 50, 1100))
    place = np.where(mel > 0, (mel - low) * 254 / (high - low) + 1, 0)
    return np.floor(np.clip(place, 1, 255) + 0.5).astype(np.int64)


def pitch(sound: Float64) -> Float64:
    """Hz, 0 where unvoiced, of windows 20 ms apart that lie evenly in the sound."""
    loudest = np.abs(sound - sound.mean()).max()
    length = len(sound) / RATE
    count = int((length - 3 / FLOOR) / 0.02 + 1e-9) + 1
    first = length / 2 - count * 0.01 + 0.01
    frames = [_frame(sound, round((first + 0.02 * k) * RATE), loudest) for k in range(count)]
    return _cheapest(frames)


@dataclass(frozen=True)
class _Frame:
    """Candidates, the first of them voiceless, and how good each is."""

    hz: Float64
    merit: Float64


def _frame(sound: Float64, middle: int, loudest: float) -> _Frame:
    half, period = 299, 200
    hanning = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1, 2 * half + 1) / (2 * half + 1))
    local = sound[middle - half : middle + half] - sound[middle - period : middle + period].mean()
    local = local * hanning
    peak = np.abs(local[half - 101 : half + 101]).max()
    hz, merit = [0.0], [VOICED + max(0.0, 2 - _share(peak, loudest) * (1 + VOICED) / SILENT)]
    if peak > 0:
        for f, height in _candidates(_correlation(local) / _correlation(hanning)):
            if f < CEILING:
                hz.append(f)
                merit.append(height - OCTAVE * np.log2(CEILING / f))
    return _Frame(np.array(hz), np.array(merit))


def _share(peak: float, loudest: float) -> float:
    return min(1.0, peak / loudest)


def _correlation(x: Float64) -> Float64:
    """Of lags 0 … 299, divided by that of lag 0."""
    full = np.correlate(x, x, "full")[len(x) - 1 :][:300]
    return full / full[0]


def _candidates(r: Float64) -> list[tuple[float, float]]:
    """(Hz, height) of the fourteen best maxima."""
    both = np.concatenate([r[:0:-1], r])  # lag 0 at 299
    found = []
    for lag in range(2, 201):
        a, b, c = r[lag - 1 : lag + 2]
        if b > 0.5 * VOICED and b > a and b >= c:
            near = lag + 0.5 * (c - a) / (2 * b - a - c)
            rank = _folded(_between(both, near + 299, 30)) + OCTAVE * np.log2(RATE / near / FLOOR)
            found.append((rank, lag))
    best = sorted(found, reverse=True)[:14]
    return [_refined(both, lag) for _, lag in sorted(best, key=lambda one: one[1])]


def _refined(both: Float64, lag: int) -> tuple[float, float]:
    made = minimize_scalar(
        lambda x: -_between(both, x + 299, 70),
        bounds=(lag - 1, lag + 1),
        method="bounded",
        options={"xatol": 1e-9},
    )
    return RATE / made.x, _folded(-made.fun)


def _folded(height: float) -> float:
    return 1 / height if height > 1 else height


def _between(y: Float64, x: float, depth: int) -> float:
    """Sinc under a Hanning window that ends at the first point left out on either side."""
    left, right = int(np.floor(x)) - depth + 1, int(np.floor(x)) + depth
    n = np.arange(left, right + 1)
    width = np.where(n <= x, x - left + 1, right + 1 - x)
    weight = np.sinc(x - n) * (0.5 + 0.5 * np.cos(np.pi * (x - n) / width))
    return float(weight @ y[n])


def _cheapest(frames: list[_Frame]) -> Float64:
    score, pointers = frames[0].merit, []
    for one, two in pairwise(frames):
        voiced = (one.hz[:, None] > 0) * 1 + (two.hz[None] > 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            octaves = np.abs(np.log2(one.hz[:, None] / two.hz[None]))
        cost = np.choose(voiced, [0.0, SWITCH, np.where(voiced == 2, JUMP * octaves, 0.0)])
        total = score[:, None] - cost
        pointers.append(total.argmax(axis=0))
        score = total.max(axis=0) + two.merit
    best, found = int(score.argmax()), []
    for frame, pointer in zip(frames[::-1], [*pointers[::-1], None], strict=True):
        found.append(frame.hz[best])
        best = 0 if pointer is None else int(pointer[best])
    return np.array(found[::-1])
