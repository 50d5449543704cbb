"""Pinhole intrinsics that belong to a square image and scale with it.

Camera space is OpenCV's: x right, y down, z forward. Head space: one unit is 10 cm, x to the
image's right, y up, z out of the face towards the camera. A pose (3, 4) is camera-from-head:
``X_camera = R @ X_head + t``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera without distortion.

    Attributes:
        size: width and height of the image the other numbers belong to, pixels.
        focal: focal length, pixels.
        cx, cy: principal point, pixels from the left and upper edge of the image.
    """

    size: int
    focal: float
    cx: float
    cy: float

    def scaled(self, size: int) -> Intrinsics:
        """The same camera on a ``size`` × ``size`` image."""
        factor = size / self.size
        return Intrinsics(size, self.focal * factor, self.cx * factor, self.cy * factor)
