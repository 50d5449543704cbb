"""A live session on the clock that is encoded as it goes: whether every frame is there in time."""

from __future__ import annotations

import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from emogene.contract.data import Float32
from emogene.contract.units import FRAMES_PER_SECOND, SAMPLE_RATE
from emogene.runtime.avatar import Avatar
from emogene.runtime.live.driver import LiveDriver
from emogene.runtime.live.options import PERIOD, LiveOptions
from emogene.runtime.profiles import LIVE
from emogene.runtime.sinks import open_sink

from .live.response import CHUNK
from .recorded import speech
from .timing import Stopwatch, Timing

BUFFERED = 3
"""Frames that a frame is begun before it is shown."""


@dataclass(frozen=True)
class LiveRun:
    """A session into which somebody speaks in real time, its frames written into an mp4 file.

    Attributes:
        size, threads, quality, buffered: how; see `BUFFERED`.
        frames: that were shown.
        late: of them, those ready after the moment they were to be shown.
        dropped, slipped: frames thrown away, and frames' worth of time the clock was set back.
        making: time from the moment a frame was begun to its being ready, milliseconds: speech,
            motion and picture.
        behind: how much later than the earliest frame, by the clock, a frame reached the one who
            looks, milliseconds.
        core_ms: processor milliseconds a frame of all cores, everything included.
    """

    size: int
    threads: int
    quality: str
    buffered: int
    frames: int
    late: int
    dropped: int
    slipped: int
    making: Timing
    behind: Timing
    core_ms: float


def measure_deadlines(
    avatar: Avatar, threads: int, size: int, seconds: float, buffered: int = BUFFERED
) -> LiveRun:
    """Speak for ``seconds``, look at every frame when it is due, and encode it."""
    avatar.renderer(size, LIVE.quality)  # made once an avatar, not once a session
    options = LiveOptions(late="drop", queue=buffered + 1, lead=buffered * PERIOD)
    session = avatar.session("happy", profile=LIVE, size=size)
    making, shown, watch = [], [], Stopwatch()
    with (
        tempfile.TemporaryDirectory() as folder,
        watch,
        open_sink(Path(folder) / "live.mp4", (size, size)) as sink,
        LiveDriver(session, options) as driver,
    ):
        speaker = threading.Thread(target=_speak, args=(driver, speech(seconds)), daemon=True)
        speaker.start()
        for frame in driver:
            shown.append(time.perf_counter() - frame.index / FRAMES_PER_SECOND)
            making.append(frame.speech_seconds + frame.render_seconds)
            sink.write(frame)
        speaker.join()
        metrics = driver.metrics
    earliest = min(shown)
    return LiveRun(
        size=size,
        threads=threads,
        quality=LIVE.quality.name,
        buffered=buffered,
        frames=metrics.taken,
        late=metrics.late,
        dropped=metrics.dropped,
        slipped=metrics.slipped,
        making=Timing.of(making),
        behind=Timing.of([moment - earliest for moment in shown]),
        core_ms=1e3 * watch.seconds / metrics.taken,
    )


def _speak(driver: LiveDriver, samples: Float32) -> None:
    """Push what was spoken by now, a microphone's piece at a time, and end."""
    began = time.perf_counter()
    for at in range(0, len(samples), CHUNK):
        time.sleep(max(0.0, began + at / SAMPLE_RATE - time.perf_counter()))
        driver.push(samples[at : at + CHUNK])
    driver.end_input()
