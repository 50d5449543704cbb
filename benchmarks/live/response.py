"""How soon a live session answers: its first frames, and an interruption."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emogene.contract.data import Float32
from emogene.contract.landmarks import MOUTH
from emogene.contract.units import (
    FRAMES_PER_SECOND,
    SAMPLE_RATE,
    SAMPLES_PER_FRAME,
)
from emogene.runtime.avatar import Avatar
from emogene.runtime.loading import Loaded
from emogene.runtime.profiles import LIVE, OVERHANG, Profile
from emogene.training.demo.head.camera import project

from ..recorded import WatchedAvatar
from ..timing import Timing

CHUNK = SAMPLE_RATE // 50
"""Samples a push: a microphone's 20 ms."""

PAUSE, PHRASE = 0.7, 0.5
"""Seconds of silence and of speech in turns."""

MOVED_PX = 0.5
"""An interruption is seen where the mouth stands this far from where it would have stood: as far as
a live mouth may drift from the offline one."""

CLOSED_PX = 1.0
"""The mouth rests where it stands this near to its place in silence."""


@dataclass(frozen=True)
class FirstFrames:
    """Time from the push of a first sample to the frame that shows it, sound arriving as spoken.

    Attributes:
        size: of the pictures, pixels.
        lookahead_ms: sound after a hop that the profile waits for: part of the times below.
        opened: of sessions just opened, milliseconds.
        onsets: of words within a session that has been going on in silence, milliseconds.
    """

    size: int
    lookahead_ms: float
    opened: Timing
    onsets: Timing


def lookahead_ms(profile: Profile) -> float:
    """Sound beyond a hop that must be there, milliseconds."""
    assert profile.lookahead is not None
    return 1e3 * (profile.lookahead / FRAMES_PER_SECOND + OVERHANG / SAMPLE_RATE)


def measure_first_frames(avatar: Avatar, samples: Float32, size: int, count: int) -> FirstFrames:
    """Open ``count`` sessions one after the other, then say ``count`` words in one.

    The time waited is real: nothing is pushed before it would have been spoken.
    """
    # Renderers are made once an avatar, not once a session.
    avatar.renderer(size, LIVE.quality)
    opened = [_first_frame(avatar, samples, size) for _ in range(count)]
    onsets = _onsets(avatar, samples, size, count)
    return FirstFrames(size, lookahead_ms(LIVE), Timing.of(opened), Timing.of(onsets))


def _first_frame(avatar: Avatar, samples: Float32, size: int) -> float:
    with avatar.session(profile=LIVE, size=size) as session:
        began, pushed = time.perf_counter(), 0
        while True:
            _wait_until(began + pushed / SAMPLE_RATE)
            session.push(samples[pushed : pushed + CHUNK])
            pushed += CHUNK
            if session.pull() is not None:
                return time.perf_counter() - began


def _onsets(avatar: Avatar, samples: Float32, size: int, count: int) -> list[float]:
    rng = np.random.default_rng(0)
    pieces, starts, length = [], [], 0
    for number in range(count):
        # Any place within a hop, and within a frame.
        pause = round((PAUSE + 0.32 * rng.random()) * SAMPLE_RATE)
        begin = (number * SAMPLE_RATE) % (len(samples) - SAMPLE_RATE)
        phrase = samples[begin : begin + round(PHRASE * SAMPLE_RATE)]
        starts.append(length + pause)
        pieces += [np.zeros(pause, np.float32), phrase]
        length += pause + len(phrase)
    stream = np.concatenate([*pieces, np.zeros(SAMPLE_RATE, np.float32)])
    shown: dict[int, float] = {}
    with avatar.session(profile=LIVE, size=size) as session:
        began = time.perf_counter()
        for pushed in range(0, len(stream), CHUNK):
            _wait_until(began + pushed / SAMPLE_RATE)
            session.push(stream[pushed : pushed + CHUNK])
            if (frame := session.pull()) is not None:
                shown[frame.index] = time.perf_counter() - began
    return [
        shown[start // SAMPLES_PER_FRAME] - start // CHUNK * CHUNK / SAMPLE_RATE for start in starts
    ]


def _wait_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.perf_counter()))


@dataclass(frozen=True)
class Interruption:
    """What follows `Session.interrupt` in the middle of speech, in frames that are pulled.

    Attributes:
        places: interrupts that were made.
        silent: frames until the interrupted sound is gone, the most; 1 is the next frame.
        open: places where the mouth stood open, so that there was something to see.
        seen: until the mouth has left, by `MOVED_PX`, the way it would have gone: at the open
            places; median, 95th percentile and most, None if there was no such place.
        rest: until the mouth rests as in silence, within `CLOSED_PX`; as above.
        call_ms: the call and the next frame without its picture; the median.
    """

    places: int
    silent: int
    open: int
    seen: tuple[float, float, int] | None
    rest: tuple[float, float, int] | None
    call_ms: float


@dataclass(frozen=True)
class _Watched:
    mouths: Float32
    silent: int = 0
    seconds: float = 0.0


def measure_interruption(
    loaded: Loaded, threads: int, samples: Sequence[Float32], step: int = 7
) -> Interruption:
    """Interrupt after every ``step``-th frame of every utterance, and follow the mouth."""
    avatar = WatchedAvatar(loaded, threads, paint=False)
    made, seen, rest = [], [], []
    for one in samples:
        plain = _watch(avatar, one).mouths
        still = _watch(avatar, np.zeros_like(one)).mouths
        for place in range(step, len(plain) - FRAMES_PER_SECOND, step):
            watched = _watch(avatar, one, place)
            made.append(watched)
            count = min(len(plain), len(watched.mouths)) - place
            after, would, resting = (
                mouths[place : place + count] for mouths in (watched.mouths, plain, still)
            )
            if _apart(would, resting)[:2].min() > 2 * MOVED_PX:
                seen.append(_first(_apart(after, would) > MOVED_PX))
                rest.append(_first(_apart(after, resting) < CLOSED_PX))
    return Interruption(
        places=len(made),
        silent=max((w.silent for w in made), default=0),
        open=len(seen),
        seen=_spread(seen),
        rest=_spread(rest),
        call_ms=1e3 * float(np.median([w.seconds for w in made])) if made else 0.0,
    )


def _apart(a: Float32, b: Float32) -> Float32:
    """(F,) mean distance of the mouth's points, pixels."""
    distance: Float32 = np.linalg.norm(a - b, axis=-1).mean(-1)
    return distance


def _spread(frames: list[int]) -> tuple[float, float, int] | None:
    if not frames:
        return None
    median, p95 = (float(p) for p in np.percentile(frames, (50, 95)))
    return median, p95, max(frames)


def _first(true: NDArray[np.bool_]) -> int:
    """Frames until the first true one, it included; more than there are if there is none."""
    return 1 + int(np.argmax(true)) if true.any() else 1 + len(true)


def _watch(avatar: WatchedAvatar, samples: Float32, interrupted: int | None = None) -> _Watched:
    """Follow the mouth, (F, 20, 2) pixels at 512² seen from one place, over a session's frames."""
    silent, seconds = 0, 0.0
    with avatar.session(profile=LIVE, size=2) as session:
        session.push(samples)
        if interrupted is not None:
            for _ in range(interrupted):
                session.pull()
            began = time.perf_counter()
            session.interrupt()
            frames = [session.pull()]
            seconds = time.perf_counter() - began
            session.push(np.zeros(SAMPLE_RATE, np.float32))
            frames += list(session)
            silent = 1 + sum(1 for frame in frames if frame is not None and frame.audio.any())
        session.flush()
        list(session)
    assert avatar.watched is not None
    moments = avatar.watched.moments
    faces = np.concatenate([moment.condition.landmarks for moment in moments])
    camera = avatar.manifest.camera.scaled(512)
    mouths = project(faces[:, MOUTH], moments[0].pose, camera)[..., :2]
    return _Watched(mouths.astype(np.float32), silent, seconds)
