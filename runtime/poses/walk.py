"""Walking the two tracks, and gliding from one to the other.

The paper's idle track repeats the pose where the head rests, so on it the head stops and starts
within a frame. Here it slows down and gathers way: the place on the track is averaged over frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...contract.data import Float32, Pose
from ..easing import smoothstep
from .idle import IdleTrack
from .rotation import Float64, rotation_matrix, rotation_vector

_PEAK_OF_SMOOTHSTEP = 1.5
"""Steepest slope of 3x² - 2x³ over that of a straight line."""

_EASED = 10
"""Frames before and after the one at hand that its place on the idle track is averaged over."""

_WEIGHTS = np.hanning(2 * _EASED + 3)[1:-1]
_WEIGHTS /= _WEIGHTS.sum()

_WHOLE = 9
"""Decimals of such a place: what rounding leaves of a steady walk is no part of a pose."""


@dataclass(frozen=True)
class GlideSpeed:
    """The most that gliding between two tracks adds to a track's own movement.

    Attributes:
        rotation: radians a frame.
        translation: head-space units a frame.
    """

    rotation: float = math.radians(1.0)
    translation: float = 0.02


def mirrored(index: int, length: int) -> int:
    """Place of ``index`` on a track walked forwards and backwards in turn without end."""
    turn, place = divmod(index, length)
    return place if turn % 2 == 0 else length - 1 - place


@dataclass(frozen=True)
class _Glide:
    """What still separates the head from the track it follows, and how it fades.

    Attributes:
        rotation, translation: the offset when the glide began.
        begin: frame at which it began; the frame before it had the whole offset.
        frames: how long it takes.
    """

    rotation: Float64
    translation: Float64
    begin: int
    frames: int

    def share(self, frame: int) -> float:
        """Part of the offset that is left at ``frame``, 1 … 0."""
        return 1.0 - float(smoothstep((frame - self.begin + 1) / self.frames))


class PoseWalk:
    """The head's pose, frame after frame.

    Speech walks the filmed track by absolute frame index, mirrored at its ends; silence walks the
    idle track the same way, with eased stops. At a change the head keeps its pose and the offset
    from the new track fades out, no faster than ``speed``.

    Args:
        poses: (N, 3, 4) float32 as filmed.
        idle: the idle track over them.
        speed: of the glide.
    """

    def __init__(self, poses: Float32, idle: IdleTrack, speed: GlideSpeed | None = None) -> None:
        self._poses, self._idle = poses, idle
        self._speed = speed or GlideSpeed()
        self._was_silent: bool | None = None
        self._last: Float64 | None = None
        self._glide: _Glide | None = None

    def step(self, frame: int, silent: bool) -> Pose:
        """The pose of ``frame``; frames must be asked for in order."""
        target = self._on_track(frame, silent)
        if self._last is not None and silent != self._was_silent:
            # The offset from where this track was a frame ago, so that both sides move alike.
            self._glide = self._begin(frame, self._on_track(max(0, frame - 1), silent))
        pose = target
        if self._glide is not None:
            left = self._glide.share(frame)
            pose = target.copy()
            pose[:, :3] = rotation_matrix(self._glide.rotation * left) @ target[:, :3]
            pose[:, 3] += self._glide.translation * left
            if left == 0.0:
                self._glide = None
        self._was_silent, self._last = silent, pose
        return Pose(pose.astype(np.float32), silent)

    def _on_track(self, frame: int, silent: bool) -> Float64:
        if not silent:
            return self._filmed(mirrored(frame, len(self._poses)))
        near = range(frame - _EASED, frame + _EASED + 1)
        place = round(float(_WEIGHTS @ [self._idle_place(each) for each in near]), _WHOLE)
        first, part = int(place), place - int(place)
        pose = self._filmed(first)
        if part == 0.0:
            return pose
        after = self._filmed(first + 1)
        turn = rotation_vector(after[:, :3] @ pose[:, :3].T)
        pose[:, :3] = rotation_matrix(part * turn) @ pose[:, :3]
        pose[:, 3] += part * (after[:, 3] - pose[:, 3])
        return pose

    def _idle_place(self, frame: int) -> int:
        """Where in the film the idle track is at ``frame``. Before the first it comes from where it
        is going, the other way round: so that it begins where it should."""
        source = self._idle.source
        place = int(source[mirrored(abs(frame), len(source))])
        return place if frame >= 0 else 2 * int(source[0]) - place

    def _filmed(self, place: int) -> Float64:
        pose: Float64 = self._poses[place].astype(np.float64)
        return pose

    def _begin(self, frame: int, track: Float64) -> _Glide:
        assert self._last is not None
        rotation = rotation_vector(self._last[:, :3] @ track[:, :3].T)
        translation = self._last[:, 3] - track[:, 3]
        frames = _PEAK_OF_SMOOTHSTEP * max(
            float(np.linalg.norm(rotation)) / self._speed.rotation,
            float(np.linalg.norm(translation)) / self._speed.translation,
        )
        return _Glide(rotation, translation, frame, max(1, math.ceil(frames)))
