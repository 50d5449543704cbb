"""The camera that films the head, and head poses.

Space conventions as in `contract.camera`: a pose (3, 4) float32 is camera-from-head, the camera
looks along +z with y down. At rest the head's origin stands `DISTANCE` in front of the camera.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ....contract.camera import Intrinsics
from .anatomy import NECK_PIVOT

DISTANCE = 9.0
"""Head units from the camera to the head's origin at rest."""

VIEW = 3.65
"""Width in head units that fills the image at `DISTANCE`."""

_FLIP = np.diag([1.0, -1.0, -1.0])  # head axes (y up, z towards us) to camera axes
_PIVOT = np.array(NECK_PIVOT)
_REST = np.array([0.0, 0.0, DISTANCE])


def intrinsics(size: int) -> Intrinsics:
    """The camera for a `size` × `size` image, pixels."""
    return Intrinsics(size, DISTANCE / VIEW * size, 0.5 * size, 0.46 * size)


def rotation(yaw: ArrayLike, pitch: ArrayLike, roll: ArrayLike) -> NDArray[np.float64]:
    """(..., 3, 3) turn · nod · tilt about the head's y, x and z axes, radians.

    Positive yaw looks to the image's right, positive pitch down, positive roll tilts the head's
    top to the image's left.
    """
    (cy, cp, cr), (sy, sp, sr) = (
        [f(np.asarray(angle, float)) for angle in (yaw, pitch, roll)] for f in (np.cos, np.sin)
    )
    o, i = np.zeros_like(cy), np.ones_like(cy)

    def matrix(*rows: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        return np.stack([np.stack(row, -1) for row in rows], -2)

    turn = matrix([cy, o, sy], [o, i, o], [-sy, o, cy])
    nod = matrix([i, o, o], [o, cp, -sp], [o, sp, cp])
    tilt = matrix([cr, -sr, o], [sr, cr, o], [o, o, i])
    return turn @ nod @ tilt


def pose(
    yaw: ArrayLike = 0.0,
    pitch: ArrayLike = 0.0,
    roll: ArrayLike = 0.0,
    shift: ArrayLike = (0.0, 0.0, 0.0),
) -> NDArray[np.float32]:
    """(..., 3, 4) float32 camera-from-head pose of a head turned about its neck pivot.

    Angles are radians (...,), `shift` (..., 3) head units along the head's axes at rest.
    """
    turned = rotation(yaw, pitch, roll)
    moved = _PIVOT + np.asarray(shift, float) - turned @ _PIVOT
    translation = moved @ _FLIP + _REST
    return np.concatenate([_FLIP @ turned, translation[..., None]], -1).astype(np.float32)


def head_motion(pose: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Undo `pose`: the turn (3, 3) about the neck pivot and the shift (3,), in head axes."""
    turned = _FLIP @ np.asarray(pose[:, :3], float)
    shift = _FLIP @ (np.asarray(pose[:, 3], float) - _REST) - _PIVOT + turned @ _PIVOT
    return turned, shift


def project(
    points: NDArray[np.float32], pose: NDArray[np.float32], camera: Intrinsics
) -> NDArray[np.float64]:
    """(..., 3) head-space points → (..., 3): column and row in pixels, and camera z."""
    seen = np.asarray(points, float) @ np.asarray(pose[:, :3], float).T + pose[:, 3]
    column = camera.cx + camera.focal * seen[..., 0] / seen[..., 2]
    row = camera.cy + camera.focal * seen[..., 1] / seen[..., 2]
    return np.stack([column, row, seen[..., 2]], -1)
