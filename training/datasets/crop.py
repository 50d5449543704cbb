"""The square of a recording that a film shows: head, hair and shoulders, the same in every frame.

A film has one camera and one background, so its square stands still. (Landmarks are found in the
whole picture: MediaPipe follows the face by itself.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...contract.camera import Intrinsics
from ...contract.errors import BadInput
from .calibration import Camera
from .generic_face import INTEROCULAR
from .video import resize

WIDTH = 3.65
"""Head units that the square is wide, at the head's median distance."""

EYES_AT = 0.46
"""Height of the eyes in the square, from its upper edge."""

SMALLEST = 64
"""Pixels of the recording; a smaller square shows nothing worth learning."""


@dataclass(frozen=True)
class Square:
    """Rows ``top … top + side`` and columns ``left … left + side`` of a recording."""

    left: int
    top: int
    side: int

    def cut(self, picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
        """(H, W, 3) → (size, size, 3) uint8, by area."""
        rows = slice(self.top, self.top + self.side)
        return resize(picture[rows, self.left : self.left + self.side], size, size)

    def camera(self, whole: Camera, size: int) -> Intrinsics:
        """The recording's camera, as it belongs to the cut picture."""
        factor = size / self.side
        return Intrinsics(
            size,
            whole.focal * factor,
            (whole.cx - self.left) * factor,
            (whole.cy - self.top) * factor,
        )


def still_square(points: NDArray[np.float32], width: int, height: int) -> Square:
    """Where to cut, from (F, 68, 2) landmarks without NaN in a width × height recording.

    Raises:
        BadInput: the face leaves the largest square there is, or is too small.
    """
    left, right = points[:, 36:42].mean(1), points[:, 42:48].mean(1)
    unit = float(np.median(np.linalg.norm(left - right, axis=1))) / INTEROCULAR
    x, y = np.median(0.5 * (left + right), axis=0)
    low, high = np.quantile(points, 0.005, axis=(0, 1)), np.quantile(points, 0.995, axis=(0, 1))
    most = min(width, height)
    side = int(min(most, max(round(WIDTH * unit), *np.ceil(1.1 * (high - low)))))
    if side > 0.9 * most:
        side = most
    place = [
        # The square goes where the eyes want it, as far as the face stays inside, and the picture.
        int(np.clip(np.clip(wish, end - side, start), 0, bound - side))
        for wish, start, end, bound in (
            (x - side / 2, low[0], high[0], width),
            (y - EYES_AT * side, low[1], high[1], height),
        )
    ]
    square = Square(place[0], place[1], side)
    corner = np.array(place)
    if (low < corner - 0.02 * side).any() or (high > corner + 1.02 * side).any():
        raise BadInput(
            "the film",
            expected="a face that stays in one square of the picture",
            found=f"a face from column and row {low.round()} to {high.round()} "
            f"of {width} × {height}",
            remedy="cut the video so that it does, or prepare it with --no-film",
        )
    if side < SMALLEST:
        raise BadInput(
            "the film",
            expected=f"a head at least {SMALLEST} pixels wide with its surroundings",
            found=f"{side}",
            remedy="use a video of higher resolution, or prepare it with --no-film",
        )
    return square
