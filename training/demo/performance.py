"""From what the mouth says to what the whole head does: emotion, blinks, brows and head poses.

The eyes look ahead, for no landmark could explain a gaze to the fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...contract.emotions import EMOTIONS
from ...contract.units import FRAMES_PER_SECOND
from .head.camera import pose
from .head.parameters import INDEX, MOUTH_PARAMETERS, emotion_offset, vector

Floats = NDArray[np.float32]

_BLINK = (0.35, 0.95, 1.0, 0.70, 0.35, 0.12)  # how far the lids are closed, frame by frame
_BROWS = [INDEX[name] for name in ("browInL", "browInR", "browOutL", "browOutR")]
_LIDS = [INDEX["lidL"], INDEX["lidR"]]
_OPENING = [INDEX[name] for name in ("jaw", "upraise", "lodrop")]

STILL_RUN = (8, 60)
"""Shortest and longest run of identical poses, frames."""

_SHORTEST_WITH_STILLS = 40  # frames; a shorter track only moves

_YAW, _PITCH, _ROLL = 0.12, 0.05, 0.04  # standard deviations of natural poses, radians
_SHIFT = (0.03, 0.02, 0.02)  # the same of the head's position, head units
_WIDE_PITCH = 0.45  # share of the wide yaw that the pitch reaches


class Clip(NamedTuple):
    """One uninterrupted take.

    parameters: (F, 21) float32 in the order of `PARAMETERS`. poses: (F, 3, 4) float32
    camera-from-head. emotion: row in the embedding. wide: whether poses range beyond the natural.
    """

    parameters: Floats
    poses: Floats
    emotion: int
    wide: bool = False


@dataclass(frozen=True)
class Balance:
    """How often rare things happen.

    Attributes:
        blink_every: shortest and longest time between blinks, seconds.
        blink_hold: fewest and most extra frames that a blink stays closed.
        mouth_gain: how much further than spoken the mouth opens at most.
    """

    blink_every: tuple[float, float]
    blink_hold: tuple[int, int]
    mouth_gain: float


NATURAL = Balance(blink_every=(1.8, 4.5), blink_hold=(0, 0), mouth_gain=1.0)

RICH = Balance(blink_every=(0.8, 1.8), blink_hold=(1, 4), mouth_gain=1.5)
"""For training fields: closed lids and wide mouths are rare, and turn transparent if unseen."""


def _ramp(a: float, b: float, x: Floats) -> Floats:
    t = np.clip((x - a) / (b - a), 0, 1)
    return t * t * (3 - 2 * t)


def expression(mouth: Floats, emotion: str, intensity: float = 1.0) -> Floats:
    """(F, 8) mouth parameters spoken with an emotion: (F, 21), without blinks or brow motion.

    The emotion is added; where the lips must close (p, b, m) or touch the teeth (f, v), its share
    in the mouth's opening fades, so that speech stays readable.
    """
    mouth = np.asarray(mouth, np.float32)
    spoken = np.tile(vector({}), (len(mouth), 1))
    spoken[:, : len(MOUTH_PARAMETERS)] = mouth
    closed = _ramp(1.05, 1.35, spoken[:, INDEX["press"]])
    bitten = _ramp(0.15, 0.40, -spoken[:, INDEX["lodrop"]])
    kept = np.ones_like(spoken)
    for name in ("jaw", "upraise", "lodrop", "press"):
        kept[:, INDEX[name]] = (1 - 0.92 * closed) * (1 - 0.85 * bitten)
    kept[:, INDEX["sneer"]] = 1 - 0.6 * np.maximum(closed, bitten)
    return spoken + kept * emotion_offset(emotion, intensity)


def expression_pair(mouth: Floats, emotion: str, intensity: float = 1.0) -> tuple[Floats, Floats]:
    """The same speech (F, 8) as (neutral, emotional) parameters (F, 21), eyes never blinking.

    What the landmark deformation model (Eq. 4 of the paper) learns to get from one to the other.
    """
    return expression(mouth, "neutral"), expression(mouth, emotion, intensity)


def blinks(frames: int, rng: np.random.Generator, balance: Balance = NATURAL) -> Floats:
    """(F,) how far blinking closes the lids: 0 not at all, 1 wholly."""
    closure = np.zeros(frames, np.float32)
    start = int(rng.uniform(0.1, balance.blink_every[1]) * FRAMES_PER_SECOND)
    while start < frames:
        hold = int(rng.integers(balance.blink_hold[0], balance.blink_hold[1] + 1))
        shape = np.array(_BLINK[:3] + (1.0,) * hold + _BLINK[3:], np.float32)
        covered = closure[start : start + len(shape)]
        np.maximum(covered, shape[: len(covered)], out=covered)
        start += len(shape) + int(rng.uniform(*balance.blink_every) * FRAMES_PER_SECOND)
    return closure


def _wander(times: NDArray[np.float64], hertz: float, rng: np.random.Generator):
    """Smooth unit-variance noise at `times` in seconds: six sines below `hertz`."""
    frequency = rng.uniform(0.15, 1.0, 6) * hertz
    phase = rng.uniform(0, 2 * np.pi, 6)
    waves = np.sin(2 * np.pi * times[:, None] * frequency + phase)
    return waves.sum(1) / np.sqrt(3.0)


def perform(
    mouth: Floats,
    emotion: str,
    intensity: float,
    rng: np.random.Generator,
    balance: Balance = NATURAL,
) -> Floats:
    """(F, 8) mouth parameters → (F, 21) parameters of a whole living face."""
    frames = len(mouth)
    times = np.arange(frames) / FRAMES_PER_SECOND
    widened = np.array(mouth, np.float32)
    gain = 1 + (balance.mouth_gain - 1) * 0.5 * (1 + np.sin(_wander(times, 0.5, rng)))
    widened[:, _OPENING] *= np.where(widened[:, _OPENING] > 0, gain[:, None], 1.0)
    face = expression(widened, emotion, intensity)
    face[:, INDEX["jaw"]] = np.clip(face[:, INDEX["jaw"]], 0.0, 1.0)
    face[:, _BROWS] += 0.10 * _wander(times, 1.2, rng)[:, None].astype(np.float32)
    face[:, _LIDS] *= 1 - blinks(frames, rng, balance)[:, None]
    return face


def _still_runs(frames: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(F,) whether a frame repeats the pose before it.

    A still run is followed by motion 1.8 to 3.2 times as long, so at least 15 % of any track of 40
    frames or more is still.
    """
    repeats = np.zeros(frames, bool)
    if frames < _SHORTEST_WITH_STILLS:
        return repeats
    at = None
    while at is None or at < frames:
        longest = min(STILL_RUN[1], max(STILL_RUN[0], frames // 5))
        still = int(rng.integers(STILL_RUN[0], longest + 1))
        moving = int(still * rng.uniform(1.8, 3.2))
        at = moving // 2 if at is None else at
        still = min(still, frames - at)
        if still < STILL_RUN[0]:
            break
        repeats[at + 1 : at + still] = True
        at += still + moving
    return repeats


def pose_track(frames: int, rng: np.random.Generator, wide: float = 0.0) -> Floats:
    """(F, 3, 4) float32 smooth head poses with stretches of bit-identical ones.

    Natural poses have standard deviations near .1 rad; with `wide` the head also turns slowly
    through ±`wide` radians of yaw and .45 of that of pitch.
    """
    repeats = _still_runs(frames, rng)
    # Motion starts and ends softly: the pace grows over five frames from a stretch of stillness.
    index = np.arange(frames)
    at_rest = np.concatenate([[-5], index[repeats], [frames + 5]])
    nearest = np.searchsorted(at_rest, index)
    gap = np.minimum(at_rest[nearest] - index, index - at_rest[np.maximum(nearest - 1, 0)])
    pace = np.where(repeats, 0.0, np.clip(gap / 5, 0.2, 1.0))
    times = np.cumsum(pace) / FRAMES_PER_SECOND
    yaw = _YAW * _wander(times, 0.6, rng)
    pitch = _PITCH * _wander(times, 0.7, rng)
    roll = _ROLL * _wander(times, 0.5, rng)
    shift = np.stack([s * _wander(times, 0.4, rng) for s in _SHIFT], 1)
    if wide > 0:
        # The sine of twice a wandering number spends more time far out than near the middle.
        yaw = 0.5 * yaw + wide * np.sin(2 * _wander(times, 0.2, rng))
        pitch = 0.5 * pitch + _WIDE_PITCH * wide * np.sin(2 * _wander(times, 0.25, rng))
    poses = pose(np.clip(yaw, -0.42, 0.42), np.clip(pitch, -0.24, 0.24), roll, shift)
    return poses[np.maximum.accumulate(np.where(repeats, 0, index))]


def direct(
    mouths: Sequence[Floats],
    seed: int,
    *,
    wide_share: float = 0.35,
    wide: float = 0.35,
    balance: Balance = RICH,
) -> list[Clip]:
    """Turn spoken mouth tracks [(F, 8), …] into the clips of a film, the same for the same `seed`.

    Emotions take turns, each at an intensity of .6 to 1.15. The first clips share one continuous
    natural pose track; the last `wide_share` of them turn through ±`wide` radians.
    """
    rng = np.random.default_rng(seed)
    lengths = [len(mouth) for mouth in mouths]
    natural = round(len(mouths) * (1 - wide_share))
    poses = np.concatenate(
        [
            pose_track(sum(lengths[:natural]), rng),
            pose_track(sum(lengths[natural:]), rng, wide),
        ]
    )
    clips, start = [], 0
    for k, mouth in enumerate(mouths):
        emotion = k % len(EMOTIONS)
        face = perform(mouth, EMOTIONS[emotion], rng.uniform(0.6, 1.15), rng, balance)
        clips.append(Clip(face, poses[start : start + len(mouth)], emotion, k >= natural))
        start += len(mouth)
    return clips
