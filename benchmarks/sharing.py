"""Many sessions on one avatar: whether each gets its share, and keeps the time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from emogene.contract.data import Float32
from emogene.contract.units import FRAMES_PER_SECOND, SAMPLES_PER_FRAME
from emogene.runtime.avatar import Avatar
from emogene.runtime.live.driver import LiveDriver
from emogene.runtime.live.options import LiveMetrics, LiveOptions
from emogene.runtime.profiles import LIVE

from .recorded import speech

SOUND = 30.0
"""Seconds of speech that sessions say over and over."""


@dataclass(frozen=True)
class FullSpeed:
    """Sessions that pull as fast as they can.

    Attributes:
        size, sessions: of the pictures; how many.
        frames_per_second: of all together.
        fewest, most: frames of one session.
        busy: share of the time in which a frame was computed; the rest went into handing over.
    """

    size: int
    sessions: int
    frames_per_second: float
    fewest: int
    most: int
    busy: float


@dataclass(frozen=True)
class RealTime:
    """Sessions that are driven at 25 frames a second.

    Attributes:
        size, sessions: of the pictures; how many.
        beside_a_file: whether an offline session rendered at full speed meanwhile.
        seconds: how long.
        frames: of all together.
        late: share of them that were ready after they should have been shown.
        most_late: the same of the session that was worst off.
        dropped, slipped: of all together.
        waited_ms: mean time a frame waited for its turn.
        latency_seconds: from a push to the frame that plays it, mean over sessions.
        file_frames: of the offline session.
    """

    size: int
    sessions: int
    beside_a_file: bool
    seconds: float
    frames: int
    late: float
    most_late: float
    dropped: int
    slipped: int
    waited_ms: float
    latency_seconds: float
    file_frames: int


def measure_full_speed(avatar: Avatar, sessions: int, size: int, seconds: float) -> FullSpeed:
    """Pull ``sessions`` sessions from as many threads for ``seconds``."""
    counts, sound, computed = [0] * sessions, speech(SOUND), [0.0] * sessions
    ready = threading.Barrier(sessions)
    ends: list[float] = [0.0] * sessions

    def pull(number: int) -> None:
        with avatar.session(profile=LIVE, size=size, seed=number) as session:
            place = _prime(session.push, sound, number)
            list(session)
            ready.wait()
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                while not session.ready:
                    session.push(_piece(sound, place))
                    place += SAMPLES_PER_FRAME
                frame = session.pull()
                assert frame is not None
                computed[number] += frame.speech_seconds + frame.render_seconds
                counts[number] += 1
            ends[number] = time.perf_counter() - end + seconds

    _side_by_side([lambda n=n: pull(n) for n in range(sessions)])  # type: ignore[misc]
    return FullSpeed(
        size=size,
        sessions=sessions,
        frames_per_second=sum(counts) / max(ends),
        fewest=min(counts),
        most=max(counts),
        busy=sum(computed) / max(ends),
    )


def measure_real_time(
    avatar: Avatar, sessions: int, size: int, seconds: float, *, beside_a_file: bool
) -> RealTime:
    """Drive ``sessions`` sessions that are spoken into as somebody speaks, for ``seconds``."""
    sound, stop = speech(SOUND), threading.Event()
    told: list[LiveMetrics] = []
    rendered = [0]

    def drive(number: int) -> None:
        session = avatar.session(profile=LIVE, size=size, seed=number)
        with LiveDriver(session, LiveOptions(late="drop")) as driver:
            place, end = number * SAMPLES_PER_FRAME, time.perf_counter() + seconds
            for frame in driver:
                if time.perf_counter() >= end:
                    break
                assert frame.image.shape == (size, size, 3)
                driver.push(_piece(sound, place))
                place += SAMPLES_PER_FRAME
            told.append(driver.metrics)

    def render() -> None:
        while not stop.is_set():
            for _ in avatar.render(sound, size=size):
                rendered[0] += 1
                if stop.is_set():
                    break

    beside = threading.Thread(target=render)
    if beside_a_file:
        beside.start()
    _side_by_side([lambda n=n: drive(n) for n in range(sessions)])  # type: ignore[misc]
    stop.set()
    if beside_a_file:
        beside.join()
    frames = sum(m.frames for m in told)
    return RealTime(
        size=size,
        sessions=sessions,
        beside_a_file=beside_a_file,
        seconds=seconds,
        frames=frames,
        late=sum(m.late for m in told) / frames,
        most_late=max(m.late / m.frames for m in told),
        dropped=sum(m.dropped for m in told),
        slipped=sum(m.slipped for m in told),
        waited_ms=1e3 * sum(m.session.waited_seconds for m in told) / frames,
        latency_seconds=float(np.mean([m.latency_seconds or 0.0 for m in told])),
        file_frames=rendered[0],
    )


def _prime(push: Callable[[Float32], None], sound: Float32, number: int) -> int:
    """Push a second of sound, so that nobody waits for first frames; the place after it."""
    place = number * SAMPLES_PER_FRAME
    for _ in range(FRAMES_PER_SECOND):
        push(_piece(sound, place))
        place += SAMPLES_PER_FRAME
    return place


def _piece(sound: Float32, place: int) -> Float32:
    """A frame's worth of the sound, said over and over."""
    return np.take(sound, range(place, place + SAMPLES_PER_FRAME), mode="wrap")


def _side_by_side(works: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
