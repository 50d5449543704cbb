"""From one track to another without a jolt.

When a glide begins, the head moves against the track that it is to follow. That movement coasts to
a halt, and what then separates the head from the track fades; both at once. So neither the head's
place nor its speed jumps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..easing import smoothstep
from .movement import Movement
from .rotation import Float64

COAST = 15
"""Frames in which the head's movement against its new track comes to a halt, and the least in
which their distance fades: it then takes up no speed more quickly than filmed heads do."""

_PEAK_OF_SMOOTHSTEP = 1.5
"""Steepest slope of 3x² - 2x³ over that of a straight line."""

_MOVING = 6.0
"""Times the speed of a glide that is still a movement. What is quicker is a cut in the film, which
no head goes on with."""

_NOWHERE = np.eye(3, 4)


@dataclass(frozen=True)
class GlideSpeed:
    """The most that the fading of a distance between two tracks adds to a head's movement.

    Attributes:
        rotation: radians a frame.
        translation: head-space units a frame.
    """

    rotation: float = math.radians(1.0)
    translation: float = 0.02

    def frames(self, movement: Movement) -> float:
        """Frames that a movement takes at this speed."""
        return max(
            float(np.linalg.norm(movement.rotation)) / self.rotation,
            float(np.linalg.norm(movement.translation)) / self.translation,
        )


@dataclass(frozen=True)
class Glide:
    """What separates the head from the track it follows, and how that ends.

    Attributes:
        begin: its first frame.
        coasting: what the head's place against the track changed by in the frame before that.
        distance: what separates them when that has come to a halt.
        frames: how long the distance takes to fade.
    """

    begin: int
    coasting: Movement
    distance: Movement
    frames: int

    @staticmethod
    def at(
        begin: int, head: Sequence[Float64], track: Sequence[Float64], speed: GlideSpeed
    ) -> Glide:
        """A glide from where the head was to a track.

        Args:
            begin: its first frame.
            head: poses (3, 4) of the two frames before it, float64.
            track: the new track's at the same frames.
            speed: of the fading.
        """
        before, last = (_apart(*poses) for poses in zip(head, track, strict=True))
        coasting = Movement.between(before, last)
        if speed.frames(coasting) > _MOVING:
            coasting *= 0.0
        distance = Movement.between(_NOWHERE, (coasting * _still_to_coast(0)).of(last))
        frames = math.ceil(_PEAK_OF_SMOOTHSTEP * speed.frames(distance))
        return Glide(begin, coasting, distance, max(COAST, frames))

    def over(self, frame: int) -> bool:
        """Whether the head is on the track at ``frame``."""
        return frame - self.begin + 1 >= self.frames

    def pose(self, frame: int, track: Float64) -> Float64:
        """The head's pose (3, 4) at ``frame``, the track's being ``track``."""
        since = frame - self.begin + 1
        left = 1.0 - float(smoothstep(since / self.frames))
        return (self.coasting * -_still_to_coast(since)).of((self.distance * left).of(track))


def _apart(head: Float64, track: Float64) -> Float64:
    """(3, 4) which turn and shift take the track's pose to the head's."""
    return np.column_stack([head[:, :3] @ track[:, :3].T, head[:, 3] - track[:, 3]])


def _still_to_coast(since: int) -> float:
    """Way that is left after so many frames, in frames at first speed: the speed falls as a
    smoothstep does, whose integral this is."""
    x = min(since / COAST, 1.0)
    return COAST * (0.5 - x + x**3 - x**4 / 2)
