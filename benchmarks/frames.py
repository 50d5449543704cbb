"""Whole frames: the runtime's on speech, and one of them beside the PyTorch reference's."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
import torch

from emogene.contract.data import Condition
from emogene.contract.landmarks import LANDMARKS
from emogene.contract.measure import psnr
from emogene.contract.units import SAMPLE_RATE, SAMPLES_PER_FRAME
from emogene.contract.weights import POSES, REST
from emogene.reference.avatar import ReferenceAvatar
from emogene.reference.frame import render_frame
from emogene.runtime.audio.load import load
from emogene.runtime.avatar import Avatar
from emogene.runtime.backends.protocol import Runner
from emogene.runtime.loading import Loaded

from .timing import Timing


class Stopwatch:
    """A runner that adds up the time of its runs.

    Args:
        runner: what really runs.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self.backend, self.inputs, self.outputs = runner.backend, runner.inputs, runner.outputs
        self.seconds = 0.0

    def run(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Run it and take the time."""
        began = time.perf_counter()
        try:
            return self._runner.run(values)
        finally:
            self.seconds += time.perf_counter() - began

    def close(self) -> None:
        """Close what really runs."""
        self._runner.close()

    def __enter__(self) -> Stopwatch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@dataclass(frozen=True)
class SpeechRun:
    """A piece of speech rendered from end to end, without writing a video.

    Attributes:
        size: side of the pictures, pixels.
        frames: how many there were.
        seconds: of wall-clock time, all in.
        first_frame: seconds until the first frame was there.
        rendering: time per picture, milliseconds.
        samples_per_ray: field samples over rays that met the head.
        networks: milliseconds a frame spent in each network.
    """

    size: int
    frames: int
    seconds: float
    first_frame: float
    rendering: Timing
    samples_per_ray: float
    networks: Mapping[str, float]

    @property
    def frames_per_second(self) -> float:
        """Sustained, everything but the video encoder included."""
        return self.frames / self.seconds


def measure_speech(loaded: Loaded, threads: int, size: int, seconds: float) -> SpeechRun:
    """Render the packaged sample's first ``seconds`` at ``size`` pixels."""
    samples = load(sample_path())[: round(SAMPLE_RATE * seconds)]
    watches = {name: Stopwatch(runner) for name, runner in loaded.runners.items()}
    avatar = Avatar(dataclasses.replace(loaded, runners=watches), threads)
    for _ in avatar.render(samples[:SAMPLES_PER_FRAME], size=size):
        pass  # the first picture of a size prepares its torso and background
    for watch in watches.values():
        watch.seconds = 0.0
    pictures, rays, first = [], [], 0.0
    began = time.perf_counter()
    for frame in avatar.render(samples, emotion="happy", size=size):
        first = first or time.perf_counter() - began
        pictures.append(frame.render_seconds)
        rays.append(frame.samples_per_ray)
    spent = time.perf_counter() - began
    networks = {name: 1e3 * watch.seconds / len(pictures) for name, watch in watches.items()}
    return SpeechRun(
        size=size,
        frames=len(pictures),
        seconds=spent,
        first_frame=first,
        rendering=Timing.of(pictures),
        samples_per_ray=float(np.mean(rays)),
        networks=networks,
    )


def sample_path() -> str:
    """Path of the speech that ships with the package."""
    from importlib.resources import files

    return str(files("emogene.runtime") / "data" / "sample.wav")


@dataclass(frozen=True)
class PictureRow:
    """One picture by both: a face that does not move, the first training pose.

    Attributes:
        size: pixels.
        torch, runtime: times of the reference and of the runtime, milliseconds.
        psnr: dB between the two pictures.
    """

    size: int
    torch: Timing
    runtime: Timing
    psnr: float

    @property
    def ratio(self) -> float:
        """How many times faster the runtime is."""
        return self.torch.median / self.runtime.median


def measure_picture(
    reference: ReferenceAvatar, loaded: Loaded, threads: int, size: int, runs: int = 3
) -> PictureRow:
    """Render one picture ``runs`` times by both, in turns."""
    torch.set_num_threads(threads)
    rest = np.array(loaded.weights.get(REST, np.zeros((LANDMARKS, 3))), np.float32)
    window = np.zeros((loaded.manifest.motion.window, rest.size), np.float32)
    pose = np.array(loaded.weights[POSES][0], np.float32)
    condition = Condition(rest[None], window[None], rest.reshape(1, -1), 0)
    renderer = Avatar(loaded, threads).renderer(size)
    background = torch.from_numpy(renderer.background.copy())

    def theirs() -> np.ndarray[Any, Any]:
        return render_frame(
            reference.head,
            reference.torso,
            renderer.camera,
            torch.from_numpy(pose),
            torch.from_numpy(window),
            torch.from_numpy(rest),
            torch.from_numpy(rest.reshape(-1)),
            background,
        ).numpy()

    taken: tuple[list[float], list[float]] = ([], [])
    pictures = [theirs(), renderer.render(condition, pose).image]
    for _ in range(runs):
        for function, times in zip(
            (theirs, lambda: renderer.render(condition, pose)), taken, strict=True
        ):
            began = time.perf_counter()
            function()
            times.append(time.perf_counter() - began)
    return PictureRow(size, Timing.of(taken[0]), Timing.of(taken[1]), psnr(*pictures))
