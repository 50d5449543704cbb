"""The sample of speech that ships: `python -m emogene.training.demo.speech.sample OUT.wav`.

Two sentences with a pause between them, long enough for the idle path to show, in the flite voice
that training never hears.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from ....contract.units import SAMPLE_RATE
from . import flite
from .corpus import HELD_OUT_FLITE
from .flite import FliteVoice

SENTENCES = ("Hello! I am your new avatar.", "Tell me how you feel, and I will show it.")
PAUSE_S = 0.65
"""Beside the quarter second that flite adds to either side."""
PEAK = 0.6


def sample() -> NDArray[np.float32]:
    """(N,) float32 at 16 kHz. Raises Unavailable without flite."""
    voice = FliteVoice(HELD_OUT_FLITE, stretch=0.95)
    parts = []
    for text in SENTENCES:
        speech = flite.synthesize(text, voice)
        samples = soxr.resample(speech.samples, speech.rate, SAMPLE_RATE)
        parts += [_faded(samples), np.zeros(round(PAUSE_S * SAMPLE_RATE), np.float32)]
    whole = np.concatenate(parts[:-1])
    return np.asarray(whole * (PEAK / np.abs(whole).max()), np.float32)


def _faded(samples: NDArray[np.float32], seconds: float = 0.02) -> NDArray[np.float32]:
    """Both ends brought to zero, so that joints do not click."""
    ramp = np.linspace(0.0, 1.0, round(seconds * SAMPLE_RATE), dtype=np.float32)
    faded = samples.copy()
    faded[: len(ramp)] *= ramp
    faded[-len(ramp) :] *= ramp[::-1]
    return faded


if __name__ == "__main__":
    soundfile.write(Path(sys.argv[1]), sample(), SAMPLE_RATE, subtype="PCM_16")
