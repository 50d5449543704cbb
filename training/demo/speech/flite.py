"""Speech with known phones from the flite command, where it is installed (optional).

flite's voices are built from recorded speakers: closer to a human timbre than espeak-ng's
formants. `voices()` is empty where the command is missing, and the corpus then does without.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import soundfile

from ....contract.errors import Failure, Unavailable
from .espeak import Synthesis
from .phones import SILENCE, from_flite, segments_from_onsets

_VOICES = ("slt", "rms", "awb", "kal16")


@dataclass(frozen=True)
class FliteVoice:
    """How a sentence is spoken."""

    name: str = "slt"
    stretch: float = 1.0
    """Factor on all durations."""
    pitch_hz: float | None = None
    """Mean fundamental frequency; None keeps the speaker's own."""


def voices() -> tuple[str, ...]:
    """Names of the voices that can be used here; empty without the command."""
    return _VOICES if shutil.which("flite") else ()


def synthesize(text: str, voice: FliteVoice | None = None) -> Synthesis:
    """Speak `text`. Raises Unavailable without that voice, Failure when flite fails."""
    voice = voice or FliteVoice()
    if voice.name not in voices():
        raise Unavailable(
            f"flite voice {voice.name!r}",
            expected=f"one of {', '.join(_VOICES)} and the flite command",
            found=f"{', '.join(voices()) or 'no flite command'}",
        )
    with tempfile.TemporaryDirectory(prefix="emogene-flite-") as folder:
        wave = Path(folder) / "speech.wav"
        command = ["flite", "-voice", voice.name, "-psdur", "-t", text, "-o", str(wave)]
        command += ["--setf", f"duration_stretch={voice.stretch:.3f}"]
        if voice.pitch_hz is not None:
            command += ["--setf", f"int_f0_target_mean={voice.pitch_hz:.0f}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0 or not wave.exists():
            raise Failure(f"flite failed on {text!r}", found=done.stderr.strip())
        samples, rate = soundfile.read(wave, dtype="float32")
    # `-psdur` prints "phone:end" pairs; a phone starts where the one before it ended.
    onsets, start = [], 0.0
    for token in done.stdout.split():
        name, end = token.rsplit(":", 1)
        onsets.append((start, from_flite(name)))
        start = float(end)
    onsets.append((start, SILENCE))
    return Synthesis(samples, int(rate), segments_from_onsets(onsets, len(samples) / rate))
