"""Walking the two tracks, and gliding from one to the other.

The paper's idle track repeats the pose where the head rests, so on it the head stops and starts
within a frame. Here it slows down and gathers way: the place on the track is averaged over frames.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from ...contract.data import Float32, Pose
from .glide import Glide, GlideSpeed
from .idle import IdleTrack
from .movement import Movement
from .rotation import Float64

_EASED = 10
"""Frames before and after the one at hand that its place on the idle track is averaged over."""

_WEIGHTS = np.hanning(2 * _EASED + 3)[1:-1]
_WEIGHTS /= _WEIGHTS.sum()

_WHOLE = 9
"""Decimals of such a place: what rounding leaves of a steady walk is no part of a pose."""


def mirrored(index: int, length: int) -> int:
    """Place of ``index`` on a track walked forwards and backwards in turn without end."""
    turn, place = divmod(index, length)
    return place if turn % 2 == 0 else length - 1 - place


class PoseWalk:
    """The head's pose, frame after frame.

    Speech walks the filmed track by absolute frame index, mirrored at its ends; silence walks the
    idle track the same way, with eased stops. At a change the head keeps its pose and its speed and
    glides to the new track.

    Args:
        poses: (N, 3, 4) float32 as filmed.
        idle: the idle track over them.
        speed: of the glide.
    """

    def __init__(self, poses: Float32, idle: IdleTrack, speed: GlideSpeed | None = None) -> None:
        self._poses, self._idle = poses, idle
        self._speed = speed or GlideSpeed()
        self._was_silent: bool | None = None
        self._shown: deque[Float64] = deque(maxlen=2)
        self._glide: Glide | None = None

    def step(self, frame: int, silent: bool) -> Pose:
        """The pose of ``frame``; frames must be asked for in order."""
        if self._shown and silent != self._was_silent:
            self._glide = self._begin(frame, silent)
        pose = self._on_track(frame, silent)
        if self._glide is not None:
            if self._glide.over(frame):
                self._glide = None
            else:
                pose = self._glide.pose(frame, pose)
        self._was_silent = silent
        self._shown.append(pose)
        return Pose(pose.astype(np.float32), silent)

    def _begin(self, frame: int, silent: bool) -> Glide:
        # With a single frame before this one its movement is not known: none is taken.
        head = self._shown[0], self._shown[-1]
        track = [self._on_track(past, silent) for past in (frame - len(self._shown), frame - 1)]
        return Glide.at(frame, head, track, self._speed)

    def _on_track(self, frame: int, silent: bool) -> Float64:
        if not silent:
            return self._filmed(mirrored(frame, len(self._poses)))
        near = range(frame - _EASED, frame + _EASED + 1)
        place = round(float(_WEIGHTS @ [self._idle_place(each) for each in near]), _WHOLE)
        first, part = int(place), place - int(place)
        pose = self._filmed(first)
        if part == 0.0:
            return pose
        return (Movement.between(pose, self._filmed(first + 1)) * part).of(pose)

    def _idle_place(self, frame: int) -> int:
        """Where in the film the idle track is at ``frame``. Before the first it comes from where it
        is going, the other way round: so that it begins where it should."""
        source = self._idle.source
        place = int(source[mirrored(abs(frame), len(source))])
        return place if frame >= 0 else 2 * int(source[0]) - place

    def _filmed(self, place: int) -> Float64:
        pose: Float64 = self._poses[place].astype(np.float64)
        return pose
