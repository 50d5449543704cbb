"""A whole speech: what it costs a frame, stage by stage, and the memory it takes."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emogene.contract import stages
from emogene.contract.closing import Closing
from emogene.contract.data import Frame
from emogene.contract.units import SAMPLE_RATE
from emogene.runtime.audio.pitch import pitch_bins
from emogene.runtime.avatar import Avatar
from emogene.runtime.backends.protocol import Runner
from emogene.runtime.loading import Loaded
from emogene.runtime.sinks import open_sink

from .recorded import WatchedAvatar, speech
from .timing import Stopwatch, Timing

STAGES = ("speech encoder", "pitch", "audio to motion", "motion", "render", "encode")
"""In the order of the pipeline; ``motion`` is all that is none of the others."""

WATCHED_EVERY = 0.25
"""Seconds between two looks at a process's memory."""

TAKEN_APART = 12.0
"""Seconds of speech of which every stage's time is taken."""


class WatchedRunner(Closing):
    """A runner whose processor time is added up.

    Attributes:
        watch: of all cores.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner, self.watch = runner, Stopwatch()
        self.backend, self.inputs, self.outputs = runner.backend, runner.inputs, runner.outputs

    def run(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Run it and take the time."""
        with self.watch:
            return self._runner.run(values)

    def close(self) -> None:
        """Close what really runs."""
        self._runner.close()


@dataclass(frozen=True)
class SpeechRun:
    """A piece of speech rendered into an mp4 file.

    Attributes:
        size, threads, quality, renderer: how.
        frames: how many there were.
        seconds: of wall-clock time, all in: from samples to the finished file.
        first_frame: seconds until the first frame was there.
        rendering: time per picture, milliseconds.
        samples_per_ray: field samples over rays that met the head.
        core_ms: processor milliseconds a frame of all cores, everything included.
        stages: processor milliseconds a frame in each of `STAGES`, of the run's first seconds.
    """

    size: int
    threads: int
    quality: str
    renderer: str
    frames: int
    seconds: float
    first_frame: float
    rendering: Timing
    samples_per_ray: float
    core_ms: float
    stages: Mapping[str, float]

    @property
    def frames_per_second(self) -> float:
        """Sustained, everything included."""
        return self.frames / self.seconds


def measure_speech(
    loaded: Loaded, threads: int, size: int, seconds: float, quality: str
) -> SpeechRun:
    """Render ``seconds`` of speech at ``size`` pixels."""
    apart = take_apart(loaded, threads, size, min(seconds, TAKEN_APART), quality)
    avatar = Avatar(loaded, threads)
    samples, watch, frames = speech(seconds), Stopwatch(), []
    with tempfile.TemporaryDirectory() as folder, watch:
        began, first = time.perf_counter(), 0.0
        with open_sink(Path(folder) / "speech.mp4", (size, size)) as sink:
            for frame in avatar.render(samples, emotion="happy", size=size, quality=quality):
                first = first or time.perf_counter() - began
                frames.append((frame.render_seconds, frame.samples_per_ray))
                sink.write(frame)
        spent = time.perf_counter() - began
    rendering, per_ray = zip(*frames, strict=True)
    return SpeechRun(
        size=size,
        threads=threads,
        quality=quality,
        renderer=avatar.renderer(size, quality).name,
        frames=len(frames),
        seconds=spent,
        first_frame=first,
        rendering=Timing.of(rendering),
        samples_per_ray=float(np.mean(per_ray)),
        core_ms=1e3 * watch.seconds / len(frames),
        stages=apart,
    )


def take_apart(
    loaded: Loaded, threads: int, size: int, seconds: float, quality: str
) -> dict[str, float]:
    """Processor milliseconds a frame of every stage, one of which runs at a time.

    The video is encoded afterwards: the encoder's own threads would run beside the others.
    """
    samples = speech(seconds)
    runners = {name: WatchedRunner(runner) for name, runner in loaded.runners.items()}
    avatar = WatchedAvatar(dataclasses.replace(loaded, runners=runners), threads)
    frames: list[Frame] = []
    whole, pitch, encode = Stopwatch(), Stopwatch(), Stopwatch()
    with whole:
        frames.extend(avatar.render(samples, emotion="happy", size=size, quality=quality))
    assert avatar.watched is not None
    with pitch:
        pitch_bins(samples)
    with tempfile.TemporaryDirectory() as folder, encode:
        _write(Path(folder) / "speech.mp4", frames)
    spent = {
        "speech encoder": runners[stages.HUBERT].watch.seconds,
        "pitch": pitch.seconds,
        "audio to motion": runners[stages.AUDIO_TO_MOTION].watch.seconds,
        "render": avatar.watched.watch.seconds,
    }
    spent["motion"] = max(0.0, whole.seconds - sum(spent.values()))
    spent["encode"] = encode.seconds
    return {stage: 1e3 * spent[stage] / len(frames) for stage in STAGES}


def _write(path: Path, frames: Sequence[Frame]) -> None:
    with open_sink(path, frames[0].image.shape[:2]) as sink:
        for frame in frames:
            sink.write(frame)


@dataclass(frozen=True)
class MemoryRun:
    """Resident memory of ``emogene-run`` while it renders a long file, 10⁶ bytes.

    Attributes:
        minutes, size: of the speech; of the pictures.
        seconds: the run took.
        resident: every `WATCHED_EVERY` seconds.
        peak: the most there ever was.
    """

    minutes: float
    size: int
    seconds: float
    resident: Sequence[float]
    peak: float


def measure_memory(engine_dir: Path, minutes: float, size: int) -> MemoryRun:
    """Run ``emogene-run`` on ``minutes`` of speech and watch it from outside."""
    import soundfile

    with tempfile.TemporaryDirectory() as folder:
        audio, video = Path(folder) / "speech.wav", Path(folder) / "speech.mp4"
        soundfile.write(audio, speech(60 * minutes), SAMPLE_RATE)
        program = Path(sys.executable).with_name("emogene-run")
        command: list[str | Path] = [program, audio, "-o", video, "--engine-dir", engine_dir]
        command += ["--size", str(size)]
        began, seen, peak = time.perf_counter(), [], 0.0
        run = subprocess.Popen(command, stderr=subprocess.PIPE)
        while run.poll() is None:
            now, most = resident(run.pid)
            if now:
                seen.append(now)
                peak = max(peak, most)
            time.sleep(WATCHED_EVERY)
        assert run.stderr is not None
        if run.returncode:
            raise RuntimeError(run.stderr.read().decode())
    return MemoryRun(minutes, size, time.perf_counter() - began, seen, peak)


def resident(process: int) -> tuple[float, float]:
    """Resident memory now and at its peak, 10⁶ bytes; zeros once the process is gone."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    said = dict(line.split(":", 1) for line in lines)
    now, most = (said.get(key, "0 kB").split()[0] for key in ("VmRSS", "VmHWM"))
    return int(now) * 1.024e-3, int(most) * 1.024e-3
