"""A session without end: whether its memory, and the time between sound and lips, stay."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emogene.contract.data import Float32, Frame
from emogene.contract.units import FRAMES_PER_SECOND, SAMPLES_PER_FRAME
from emogene.runtime.avatar import Avatar
from emogene.runtime.profiles import LIVE

from .pipeline import resident
from .recorded import speech

SOUND = 30.0
"""Seconds of speech that are said over and over, a pause of two seconds after each."""

LOOKED_AT = 1500
"""Frames at the start and at the end whose lips are compared with their sound."""

FURTHEST = 12
"""Frames that lips may be before or behind the sound and be found."""


@dataclass(frozen=True)
class EndlessRun:
    """A live session pushed and pulled at full speed.

    Attributes:
        size: of the pictures.
        seconds: of wall-clock time.
        frames: pulled.
        minutes_of_sound: they show.
        warm_up: seconds left out of the slopes.
        resident: memory, 10⁶ bytes, at regular moments of the run.
        slope: its growth after the warm-up, 10⁶ bytes in 10 minutes of the run.
        slope_of_sound: the same in 10 minutes of sound.
        misplaced: frames whose sound is not the one that was pushed for them, bit by bit.
        lips: frames by which the lips follow the sound, in the first and the last `LOOKED_AT`.
        held_seconds: sound in memory at the end.
        threads, files: of the process, after the first frame, with which the kernels' threads
            start, and at the end.
    """

    size: int
    seconds: float
    frames: int
    minutes_of_sound: float
    warm_up: float
    resident: Sequence[float]
    slope: float
    slope_of_sound: float
    misplaced: int
    lips: tuple[int, int]
    held_seconds: float
    threads: tuple[int, int]
    files: tuple[int, int]


def measure_endless(avatar: Avatar, size: int, seconds: float, warm_up: float) -> EndlessRun:
    """Run for ``seconds``."""
    pause = np.zeros(2 * FRAMES_PER_SECOND * SAMPLES_PER_FRAME, np.float32)
    sound = np.concatenate([speech(SOUND), pause])
    sound = sound[: len(sound) // SAMPLES_PER_FRAME * SAMPLES_PER_FRAME]
    pieces = sound.reshape(-1, SAMPLES_PER_FRAME)
    first, last = Lips(LOOKED_AT), Lips(LOOKED_AT)
    misplaced = frames = pushed = 0
    opened = (0, 0)
    moments: list[tuple[float, float]] = []
    with avatar.session("happy", profile=LIVE, size=size) as session:
        began = now = time.perf_counter()
        while now - began < seconds:
            while not session.ready:
                session.push(pieces[pushed % len(pieces)])
                pushed += 1
            frame = session.pull()
            assert frame is not None
            misplaced += frame.audio.tobytes() != pieces[frames % len(pieces)].tobytes()
            frames += 1
            if frames == 1:
                opened = threads_and_files()
            if not first.full:
                first.add(frame)
            last.add(frame)
            now = time.perf_counter()
            if not moments or now - began - moments[-1][0] >= max(0.25, seconds / 600):
                moments.append((now - began, resident(os.getpid())[0]))
        held = session.metrics.held_seconds
    closed = threads_and_files()
    slope = slope_after(moments, warm_up)
    minutes = frames / FRAMES_PER_SECOND / 60
    spent = now - began
    return EndlessRun(
        size=size,
        seconds=spent,
        frames=frames,
        minutes_of_sound=minutes,
        warm_up=warm_up,
        resident=[round(memory, 3) for _, memory in moments],
        slope=600 * slope,
        slope_of_sound=600 * slope * spent / (60 * minutes),
        misplaced=misplaced,
        lips=(first.behind(), last.behind()),
        held_seconds=held,
        threads=(opened[0], closed[0]),
        files=(opened[1], closed[1]),
    )


def slope_after(moments: Sequence[tuple[float, float]], warm_up: float) -> float:
    """Least-squares slope of (seconds, value) pairs, of those after ``warm_up`` seconds."""
    after = np.array([m for m in moments if m[0] >= warm_up])
    if len(after) < 2:
        return 0.0
    return float(np.polyfit(after[:, 0], after[:, 1], 1)[0])


class Lips:
    """Movement of the mouth beside loudness, over the last so many frames.

    Args:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._pairs: list[tuple[float, float]] = []
        self._before: NDArray[np.float32] | None = None

    @property
    def full(self) -> bool:
        """Whether so many were added."""
        return len(self._pairs) >= self._count

    def add(self, frame: Frame) -> None:
        """Look at a frame's mouth: the middle of the lower half, the head being in the middle."""
        height, width, _ = frame.image.shape
        box = frame.image[height // 2 : height * 3 // 4, width * 3 // 8 : width * 5 // 8]
        mouth = box.astype(np.float32)
        moved = 0.0 if self._before is None else float(np.abs(mouth - self._before).mean())
        self._before = mouth
        self._pairs.append((moved, loudness(frame.audio)))
        if len(self._pairs) > self._count:
            del self._pairs[0]

    def behind(self) -> int:
        """Frames by which the movement follows the sound: where the two correlate most."""
        return lag(*np.array(self._pairs).T)


def loudness(samples: Float32) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(samples * samples)))


def lag(moved: NDArray[np.float64], loud: NDArray[np.float64]) -> int:
    """Frames by which ``moved`` follows ``loud``; both (F,)."""
    room = slice(FURTHEST, len(moved) - FURTHEST)
    if room.stop - room.start < 2 * FURTHEST:
        return 0
    correlations = {
        shift: np.corrcoef(np.roll(moved, -shift)[room], loud[room])[0, 1]
        for shift in range(-FURTHEST, FURTHEST + 1)
    }
    return max(correlations, key=lambda shift: float(correlations[shift]))


def threads_and_files() -> tuple[int, int]:
    """How many this process has."""
    return len(os.listdir("/proc/self/task")), len(os.listdir(Path("/proc/self/fd")))
