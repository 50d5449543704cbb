"""What the mouth does while a phone is spoken: 17 visemes joined by dominance functions.

Coarticulation after Cohen and Massaro, "Modeling coarticulation in synthetic visual speech"
(1993): every segment pulls each parameter towards its viseme's target with a dominance that
peaks in the segment and decays exponentially away from it; the parameter is the dominance-
weighted mean. Strong targets (closed lips for p, b, m) decay quickly and win where they stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..head.parameters import MOUTH_PARAMETERS
from .phones import SILENCE, PhoneSegment

_RATE = 100  # Hz at which tracks are computed
_SIGMA_S = 0.022  # of the Gaussian that rounds corners a muscle could not make
_ATTACK_S, _RELEASE_S, _SILENCE_S = 0.045, 0.050, 0.060  # decay before, after; around silence
_PLATEAU = 0.55  # share of a segment's half-length at full dominance
_EDGE_S = 0.05  # a plateau ends at most this long before its segment does
_CLOSURE_S = 0.08  # lips stay closed for at least this long, or no frame of 40 ms would show it


def _vector(default: float = 0.0, **values: float) -> NDArray[np.float64]:
    unknown = set(values) - set(MOUTH_PARAMETERS)
    if unknown:
        raise KeyError(f"no mouth parameter {sorted(unknown)}")
    return np.array([values.get(name, default) for name in MOUTH_PARAMETERS])


TARGETS: Mapping[str, NDArray[np.float64]] = {
    "silence": _vector(press=1.0),
    "PBM": _vector(press=1.9, jaw=0.02, lodrop=-0.1),
    "FV": _vector(press=0.55, jaw=0.08, lodrop=-0.55, upraise=0.35),
    "TH": _vector(press=-0.2, jaw=0.18),
    "TD": _vector(press=0.0, jaw=0.14, wide=0.15, lodrop=0.2),
    "KG": _vector(press=-0.2, jaw=0.22, wide=0.05),
    "CH": _vector(press=0.0, jaw=0.14, wide=-0.55, funnel=0.75, upraise=0.25, lodrop=0.3),
    "SZ": _vector(press=0.2, jaw=0.07, wide=0.35, upraise=0.25, lodrop=0.35),
    "NL": _vector(press=-0.2, jaw=0.18, wide=0.1, lodrop=0.15),
    "R": _vector(press=0.1, jaw=0.14, wide=-0.45, funnel=0.5),
    "AA": _vector(press=-0.6, jaw=0.72, wide=0.05, upraise=0.2, lodrop=0.2),
    "EH": _vector(press=-0.4, jaw=0.42, wide=0.35, upraise=0.15, lodrop=0.2),
    "IY": _vector(
        press=-0.2, jaw=0.20, wide=0.75, smileL=0.15, smileR=0.15, upraise=0.2, lodrop=0.25
    ),
    "OH": _vector(press=-0.5, jaw=0.48, wide=-0.65, funnel=0.65),
    "UW": _vector(press=-0.1, jaw=0.18, wide=-1.0, funnel=1.0),
    "W": _vector(press=0.3, jaw=0.10, wide=-1.0, funnel=1.0),
    "AX": _vector(press=-0.3, jaw=0.30, lodrop=0.15),
}
"""(8,) targets of the 17 visemes, in the order of MOUTH_PARAMETERS."""

_VISEME = {
    phone: viseme
    for viseme, phones in {
        "silence": SILENCE,
        "PBM": "P B M",
        "FV": "F V",
        "TH": "TH DH",
        "TD": "T D",
        "KG": "K G NG",
        "CH": "SH ZH CH JH",
        "SZ": "S Z",
        "NL": "N L",
        "R": "R ER",
        "AA": "AA",
        "EH": "AE EH",
        "IY": "IY IH Y",
        "OH": "AO",
        "UW": "UW UH",
        "W": "W",
        "AX": "AH HH",
    }.items()
    for phone in phones.split()
}
_DIPHTHONGS = {
    "AY": ("AA", "IY"),
    "AW": ("AA", "UW"),
    "EY": ("EH", "IY"),
    "OW": ("OH", "UW"),
    "OY": ("OH", "IY"),
}

# Peak dominances. Tongue consonants leave the lips to their vowels; lip sounds own the lips:
# those of PBM are what it takes for the rig's lips to meet in nearly every p, b and m.
_TONGUE = _vector(jaw=0.6, wide=0.25, smileL=0.3, smileR=0.3, upraise=0.4, lodrop=0.5, press=0.7,
                  funnel=0.25)  # fmt: skip
_ROUNDED = _vector(1.0, wide=1.8, smileL=0.6, smileR=0.6, funnel=1.8)
_DOMINANCE: Mapping[str, NDArray[np.float64]] = {
    **{viseme: np.ones(len(MOUTH_PARAMETERS)) for viseme in TARGETS},
    **{viseme: _TONGUE for viseme in ("TD", "NL", "KG", "TH", "AX")},
    **{viseme: _ROUNDED for viseme in ("CH", "UW", "W", "OH")},
    "SZ": _vector(0.3, jaw=1.2, wide=0.5, upraise=0.6, lodrop=0.8, press=1.0, funnel=0.4),
    "PBM": _vector(0.4, jaw=8.0, upraise=3.0, lodrop=4.0, press=20.0),
    "FV": _vector(0.4, jaw=1.5, wide=0.5, upraise=1.2, lodrop=3.0, press=2.5, funnel=0.5),
    "silence": _vector(0.8),
}


def visemes_of(segments: Iterable[PhoneSegment]) -> list[tuple[str, float, float, float]]:
    """(viseme, start, end, weight) of each segment; diphthongs become two halves."""
    found = []
    for segment in segments:
        if segment.phone in _DIPHTHONGS:
            first, second = _DIPHTHONGS[segment.phone]
            middle = 0.5 * (segment.start + segment.end)
            found += [(first, segment.start, middle, 1.0), (second, middle, segment.end, 0.7)]
        else:
            found.append((_VISEME[segment.phone], segment.start, segment.end, 1.0))
    return found


def speech_parameters(
    segments: Sequence[PhoneSegment], seconds: float, fps: float = 25.0
) -> NDArray[np.float32]:
    """The mouth while `segments` are spoken.

    Args:
        segments: phones in order; time they do not cover is silence.
        seconds: length of the track; frame i shows the middle of its interval.
        fps: frames a second.

    Returns:
        (F, 8) float32 in the order of MOUTH_PARAMETERS, F = ceil(seconds · fps).
    """
    ticks = int(np.ceil(seconds * _RATE)) + 1
    times = np.arange(ticks) / _RATE
    # A faint pull towards silence decides where nothing else does.
    pull = np.full((ticks, len(MOUTH_PARAMETERS)), 1e-4)
    total = pull * TARGETS["silence"]
    for viseme, start, end, weight in visemes_of(segments):
        dominance = weight * _DOMINANCE[viseme] * _decay(times, start, end, viseme)[:, None]
        pull += dominance
        total += dominance * TARGETS[viseme]
    track = _smooth(total / pull)
    frames = int(np.ceil(round(seconds * fps, 6)))
    middles = (np.arange(frames) + 0.5) / fps
    columns = [np.interp(middles, times, column) for column in track.T]
    return np.stack(columns, axis=1).astype(np.float32)


def _decay(
    times: NDArray[np.float64], start: float, end: float, viseme: str
) -> NDArray[np.float64]:
    """(T,) 1 on the segment's plateau, exponential outside."""
    centre, half = 0.5 * (start + end), 0.5 * (end - start)
    plateau = max(half * _PLATEAU, half - _EDGE_S)
    away = np.maximum(np.abs(times - centre) - plateau, 0.0)
    constant = np.where(times < centre, _ATTACK_S, _RELEASE_S)
    if viseme == "silence":
        constant = np.full_like(times, _SILENCE_S)
    elif viseme == "PBM":
        constant = constant / 2.5  # closures are short and sharp
        away = np.maximum(np.abs(times - centre) - max(plateau, _CLOSURE_S / 2), 0.0)
    return np.exp(-away / constant)


def _smooth(track: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaussian along time, edges held."""
    reach = int(np.ceil(3 * _SIGMA_S * _RATE))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (_SIGMA_S * _RATE)) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(track, ((reach, reach), (0, 0)), mode="edge")
    return np.stack([np.convolve(column, kernel, "valid") for column in padded.T], axis=1)
