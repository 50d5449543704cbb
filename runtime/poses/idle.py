"""Still stretches of the training poses, and the idle track they teach (Eq. 10, Algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...contract.data import Float32
from ...contract.errors import BadOption
from ...contract.motion import IdleSpec
from ..noise import Purpose, integer

IdleRule = Literal["tolerant", "strict"]

IDLE_RULES: tuple[IdleRule, ...] = ("tolerant", "strict")

_HOMOGENEOUS_ROW = np.array([0.0, 0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Segment:
    """Frames ``start`` … ``start + length - 1`` of the filmed track."""

    start: int
    length: int


@dataclass(frozen=True)
class IdleTrack:
    """The track that silence walks.

    Attributes:
        source: (M,) intp: which filmed pose stands at each place; a filmed pose that begins an
            idle segment is repeated, so M = N + the segments' lengths.
        segments: the idle segments, in the filmed track's frames; none if no still stretch was
            found, and then the track is the filmed one.
    """

    source: NDArray[np.intp]
    segments: tuple[Segment, ...]


def still_pairs(poses: Float32, spec: IdleSpec, rule: IdleRule) -> NDArray[np.bool_]:
    """Eq. 10: which consecutive poses are alike.

    The cosine similarity of two poses, each written as the 16 numbers of its 4 × 4 matrix, must be
    ≥ 1 - tolerance in float64. The paper's literal rule (``strict``) is ≥ 1 in float32, where
    rounding decides: poses that do not move at all may fail it.

    Args:
        poses: (N, 3, 4) float32.

    Returns:
        (N - 1,) bool.
    """
    rows = np.broadcast_to(_HOMOGENEOUS_ROW, (len(poses), 4))
    flat = np.concatenate([poses.reshape(len(poses), 12), rows], axis=1)
    flat = flat.astype(np.float32 if rule == "strict" else np.float64)
    length = np.sqrt((flat * flat).sum(axis=1))
    cosine = (flat[:-1] * flat[1:]).sum(axis=1) / (length[:-1] * length[1:])
    alike: NDArray[np.bool_] = cosine >= 1.0 - (0.0 if rule == "strict" else spec.tolerance)
    return alike


def run_lengths(flags: NDArray[np.bool_]) -> list[int]:
    """Lengths of the runs of true values, in order."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]])))
    return [int(b - a) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def sample_segments(
    frames: int, shortest: int, longest: int, gap: int, draw: Callable[[int, int], int]
) -> tuple[Segment, ...]:
    """Algorithm 1: idle segments of random length with a fixed gap between them.

    From the first frame on, a length is drawn between ``shortest`` and ``longest`` (or what is
    left); a segment whose end and gap pass the last frame ends the search.

    Args:
        frames: length of the filmed track.
        draw: (low, high) → a whole number uniform in low … high, both included.
    """
    segments: list[Segment] = []
    position = 0
    while shortest <= (longest_here := min(longest, frames - position)):
        length = draw(shortest, longest_here)
        if position + length - 1 + gap >= frames:
            break
        segments.append(Segment(position, length))
        position += length + gap
    return tuple(segments)


def insert_segments(frames: int, segments: tuple[Segment, ...]) -> NDArray[np.intp]:
    """The filmed track with each segment inserted as copies of the pose it starts from.

    Returns:
        (frames + the segments' lengths,) intp: the filmed pose at each place.
    """
    repeats = np.ones(frames, np.intp)
    for segment in segments:
        repeats[segment.start] += segment.length
    return np.repeat(np.arange(frames), repeats)


def build_idle_track(poses: Float32, spec: IdleSpec, rule: IdleRule, seed: int) -> IdleTrack:
    """The idle track of a session.

    Args:
        poses: (N, 3, 4) float32, as filmed.
        seed: of the session; the same seed gives the same track.

    Raises:
        BadOption: unknown rule, or ``strict`` finds no still stretch. The tolerant rule then lets
            silence walk the filmed track, and `IdleTrack.segments` is empty.
    """
    if rule not in IDLE_RULES:
        raise BadOption("idle", expected=f"one of {', '.join(IDLE_RULES)}", found=repr(rule))
    lengths = run_lengths(still_pairs(poses, spec, rule))
    if not lengths and rule == "strict":
        raise BadOption(
            "idle",
            expected="poses that stand still by the paper's rule, cosine ≥ 1 in float32",
            found=f"none among {len(poses)}",
            remedy="use the tolerant rule: --idle tolerant",
        )
    segments: tuple[Segment, ...] = ()
    if lengths:
        draws = iter(range(len(poses)))

        def draw(low: int, high: int) -> int:
            return integer(seed, Purpose.IDLE, next(draws), low, high)

        segments = sample_segments(len(poses), min(lengths), max(lengths), spec.gap, draw)
    return IdleTrack(insert_segments(len(poses), segments), segments)
