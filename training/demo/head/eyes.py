"""Eyeballs that can turn, and lids that slide over them: curves on a sphere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .anatomy import EYE_RADIUS, EYE_X, EYE_Y, EYE_Z
from .materials import ramp

Array = NDArray[np.float64]

SIDES = {"L": 1, "R": -1}
ALONG, ACROSS = 41, 14  # lid vertices from corner to corner, from orbit to edge
_BALL = 33  # eyeball vertices in each direction
_LID_RADIUS = 1.035 * EYE_RADIUS
_U = np.linspace(-1, 1, ALONG)
_AZIMUTH = 0.92 * _U

# Upper: the last three rows are the lash line, standing off and curling under. Lower: the wet rim.
_ROWS_UPPER = np.concatenate([np.linspace(0.98, 1.0, ACROSS - 4), [1.012, 1.02, 0.985, 0.93]])
_ROWS_LOWER = np.concatenate([np.linspace(0.97, 1.0, ACROSS - 3), [1.0, 0.985, 0.93]])
_UPPER_DROP = np.array([0.0] * (ACROSS - 3) + [0.035, 0.030, 0.0])
_TO_EDGE = np.concatenate([np.linspace(0, 1, ACROSS - 3) ** 0.8, [1, 1, 1]])
_ORBIT = 1.25  # elevation where the lids begin, radians
_EDGE = ACROSS - 2  # the row that the landmarks follow
_LANDMARK_COLUMNS = (0, round(0.33 * (ALONG - 1)), round(0.67 * (ALONG - 1)), ALONG - 1)


def centre(side: str) -> Array:
    """(3,) centre of the eyeball on `side`, ``L`` or ``R``."""
    return np.array([SIDES[side] * EYE_X, EYE_Y, EYE_Z])


def lid_edges(side: str, lid: Array, squint: Array) -> tuple[Array, Array]:
    """Elevations (N, ALONG) in radians of the upper and lower lid's edges.

    `lid` and `squint` are (N,). A closed upper lid (0) meets the lower one; squinting lifts the
    lower lid and lowers the upper a little.
    """
    outer = SIDES[side] * _U  # 1 at the temple
    corner = 0.02 + 0.05 * outer
    arch = np.clip(1 - np.abs(_U) ** 2.3, 0, 1)
    lid, squint = np.asarray(lid)[:, None], np.asarray(squint)[:, None]
    lid = lid * (1 - 0.25 * np.maximum(0, squint))
    opened = corner + 0.375 * arch * (1 - 0.06 * outer)
    lower = corner - 0.36 * arch * (1 + 0.10 * outer) + 0.20 * squint * arch
    lower = lower + 0.09 * arch * np.clip(1 - lid, 0, 1)  # a closing eye lifts it too
    upper = lower + 0.004 + (opened - lower) * np.maximum(lid, 0)
    return upper, lower


def _on_sphere(side: str, azimuth: Array, elevation: Array, radius: Array) -> Array:
    across = np.cos(elevation)
    unit = np.stack([np.sin(azimuth) * across, np.sin(elevation), np.cos(azimuth) * across], -1)
    return unit * (radius * _LID_RADIUS)[..., None] + centre(side)


def lid_vertices(side: str, lid: float, squint: float) -> tuple[Array, Array]:
    """Upper and lower lid as (ALONG · ACROSS, 3) vertices in head space."""
    upper, lower = (edge[0][:, None] for edge in lid_edges(side, [lid], [squint]))
    azimuth = np.repeat(_AZIMUTH[:, None], ACROSS, 1)
    up = _ORBIT + (upper - _ORBIT) * _TO_EDGE - _UPPER_DROP
    down = -_ORBIT + (lower + _ORBIT) * _TO_EDGE
    return (
        _on_sphere(side, azimuth, up, np.broadcast_to(_ROWS_UPPER, up.shape)).reshape(-1, 3),
        _on_sphere(side, azimuth, down, np.broadcast_to(_ROWS_LOWER, down.shape)).reshape(-1, 3),
    )


def eye_landmarks(side: str, lid: Array, squint: Array) -> Array:
    """(N, 6, 3) landmarks of one eye in iBUG order: image-left corner, upper lid, right, lower."""
    upper, lower = lid_edges(side, lid, squint)
    left, inner, outer, right = _LANDMARK_COLUMNS
    up = upper[:, [left, inner, outer, right]] - _UPPER_DROP[_EDGE]
    elevation = np.concatenate([up, lower[:, [outer, inner]]], 1)
    azimuth = np.broadcast_to(_AZIMUTH[[left, inner, outer, right, outer, inner]], elevation.shape)
    radius = np.broadcast_to([_ROWS_UPPER[_EDGE]] * 4 + [_ROWS_LOWER[_EDGE]] * 2, elevation.shape)
    return _on_sphere(side, azimuth, elevation, radius)


def eyeball_directions() -> Array:
    """(33², 3) unit directions of the eyeball's vertices, pole at the pupil (+z)."""
    polar = np.linspace(0, 1, _BALL) ** 0.8 * 1.9
    around = np.linspace(0, 2 * np.pi, _BALL)
    t, p = np.meshgrid(polar, around, indexing="ij")
    return np.stack([np.sin(t) * np.cos(p), np.sin(t) * np.sin(p), np.cos(t)], -1).reshape(-1, 3)


EYEBALL_SHAPE = (_BALL, _BALL)


def gaze_rotation(gaze_x: float, gaze_y: float) -> Array:
    """(3, 3) rotation of the eyeballs; angles in radians, towards the image's right and down."""
    cx, sx, cy, sy = np.cos(gaze_x), np.sin(gaze_x), np.cos(gaze_y), np.sin(gaze_y)
    turn = np.array([[cx, 0, sx], [0, 1, 0], [-sx, 0, cx]])
    nod = np.array([[1, 0, 0], [0, cy, -sy], [0, sy, cy]])
    return turn @ nod


def eyeball_vertices(side: str, directions: Array) -> Array:
    """(n, 3) vertices of the eyeball whose (turned) `directions` are given."""
    return directions * (0.985 * EYE_RADIUS) + centre(side)


def lid_shade(side: str, directions: Array, lid: float, squint: float) -> Array:
    """(n,) light in 0 … 1 left on the eyeball beneath the upper lid and in the corners."""
    upper = lid_edges(side, [lid], [squint])[0][0]
    azimuth = np.arctan2(directions[:, 0], np.maximum(directions[:, 2], 1e-6))
    below = np.interp(azimuth, _AZIMUTH, upper) - np.arcsin(np.clip(directions[:, 1], -1, 1))
    shade = 0.50 + 0.50 * ramp(-0.04, 0.26, below)
    return shade * (1 - 0.35 * ramp(0.40, 0.92, np.abs(azimuth)))
