"""How each parameter moves the skin: linear displacements, and a rotation for the jaw.

Every field is a smooth function of the neutral position, so brows, landmarks and skin that lie at
the same place move together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .anatomy import (
    JAW_ANGLE,
    JAW_HINGE,
    MOUTH_HALF_WIDTH,
    MOUTH_Y,
    NECK_CUT,
    SLIT,
    mouth_fields,
    neck_height,
)
from .materials import ramp, spot
from .parameters import INDEX, PARAMETERS

Array = NDArray[np.float64]


class _Mouth:
    """Weights around the mouth that several shapes share."""

    def __init__(self, points: Array) -> None:
        x, y, z = points.T
        ax = np.abs(x)
        self.line = mouth_fields(points)[:, 0]
        self.front = ramp(0.25, 0.6, z)
        self.across = np.clip(x / MOUTH_HALF_WIDTH, -1.4, 1.4)
        # Sharp between the lips, wide on the cheeks: what belongs to the lower face.
        softness = 0.004 + 0.20 * ramp(0, 0.30, ax - 0.97 * MOUTH_HALF_WIDTH)
        self.lower = 1 / (1 + np.exp(np.clip((y - self.line) / softness, -40, 40)))
        self.upper = 1 - self.lower
        beside = np.maximum(ax - MOUTH_HALF_WIDTH, 0)
        self.away = np.hypot(beside, y - self.line)
        self.above = y - self.line

    def near(self, reach: float, across: float = np.inf) -> Array:
        """Falls off with the distance from the mouth line, and to the sides over `across`."""
        fall = np.exp(-((self.away / reach) ** 2)) * self.front
        return fall * np.exp(-((self.across / across) ** 2))


def _move_mouth(shapes: dict[str, Array], points: Array, mouth: _Mouth) -> None:
    x, y, _ = points.T
    lips = mouth.near(0.11)
    fuller = mouth.above * mouth.near(0.10)  # grows the lips away from their line
    shapes["wide"][:, 0] = 0.085 * mouth.across * mouth.near(0.24)
    shapes["wide"][:, 1] = 0.16 * fuller
    shapes["wide"][:, 2] = -0.035 * mouth.near(0.20) + 0.012 * lips
    for side, name in ((1, "smileL"), (-1, "smileR")):
        corner = spot(x, y, side * 0.29, MOUTH_Y + 0.02, 0.16, 0.20) * mouth.front
        cheek = spot(x, y, side * 0.36, -0.30, 0.17, 0.17) * mouth.front
        half = np.clip(0.5 + 0.5 * side * mouth.across, 0, 1)
        middle = half * mouth.near(0.11, 0.5)
        shapes[name][:, 0] = side * 0.075 * corner
        shapes[name][:, 1] = 0.125 * corner + 0.050 * cheek - 0.018 * middle + 0.16 * half * fuller
        shapes[name][:, 2] = -0.045 * corner + 0.055 * cheek + 0.010 * half * lips
    shapes["upraise"][:, 1] = 0.075 * mouth.upper * mouth.near(0.13, 0.85)
    shapes["upraise"][:, 2] = 0.015 * mouth.upper * lips
    shapes["lodrop"][:, 1] = -0.085 * mouth.lower * mouth.near(0.15, 0.85)
    # At press = 1 the two edges of the slit meet exactly on the mouth line.
    gap = SLIT * np.sqrt(np.clip(1 - 0.9 * mouth.across**2, 0, 1))
    shapes["press"][:, 1] = (mouth.lower - mouth.upper) * gap * mouth.near(0.06)
    shapes["press"][:, 2] = -0.010 * lips
    shapes["funnel"][:, 1] = (mouth.upper - mouth.lower) * 0.035 * mouth.near(0.11, 0.75)
    shapes["funnel"][:, 2] = 0.085 * mouth.near(0.20, 1.0)


def _move_brows_and_cheeks(shapes: dict[str, Array], points: Array, mouth: _Mouth) -> None:
    x, y, z = points.T
    ax, front = np.abs(x), mouth.front
    for side, letter in ((1, "L"), (-1, "R")):
        inner = spot(x, y, side * 0.17, 0.30, 0.17, 0.16) * front
        outer = spot(x, y, side * 0.46, 0.30, 0.19, 0.17) * ramp(0.0, 0.5, z)
        shapes["browIn" + letter][:, 1] = 0.115 * inner
        shapes["browOut" + letter][:, 1] = 0.105 * outer
        below_eye = 0.040 * spot(x, y, side * 0.33, -0.17, 0.20, 0.11)
        bulge = 0.020 * spot(x, y, side * 0.33, -0.20, 0.20, 0.11)
        shapes["squint" + letter][:, 1] = below_eye * front
        shapes["squint" + letter][:, 2] = bulge * front
    towards_middle = -np.sign(x) * ramp(0, 0.06, ax) * front
    shapes["squeeze"][:, 0] = 0.050 * towards_middle * spot(ax, y, 0.17, 0.28, 0.15, 0.15)
    shapes["squeeze"][:, 2] = 0.025 * spot(ax, y, 0.12, 0.26, 0.12, 0.12) * front
    lip_sides = np.exp(-(((np.abs(mouth.across) - 0.5) / 0.4) ** 2))
    shapes["sneer"][:, 1] = 0.055 * spot(ax, y, 0.13, -0.28, 0.10, 0.13) * front
    shapes["sneer"][:, 1] += 0.05 * mouth.upper * mouth.near(0.11) * lip_sides
    cheek = front * spot(ax, y, 0.34, -0.52, 0.16, 0.20)
    shapes["puff"][:, 0] = 0.05 * np.sign(x) * ramp(0, 0.06, ax) * cheek
    shapes["puff"][:, 2] = 0.05 * cheek


def expression_basis(points: Array) -> NDArray[np.float32]:
    """Displacement at neutral `points` (n, 3) for each parameter at 1: (K, n, 3) float32.

    The jaw, the lids and the gaze are not linear; their rows are 0.
    """
    basis = np.zeros((len(PARAMETERS), len(points), 3))
    shapes = {name: basis[k] for name, k in INDEX.items()}
    mouth = _Mouth(points)
    _move_mouth(shapes, points, mouth)
    _move_brows_and_cheeks(shapes, points, mouth)
    return basis.astype(np.float32)


def jaw_weight(points: Array) -> NDArray[np.float32]:
    """How much neutral `points` (n, 3) follow the jaw: (n,) in 0 … 1."""
    _, y, z = points.T
    weight = _Mouth(points).lower * ramp(-0.15, 0.45, z + 0.35 * np.clip(-y - 0.6, 0, 1))
    weight *= ramp(-1.26, -0.97, y) * ramp(-0.15, -0.55, y)
    return np.where(z < 0.0, weight * ramp(-0.3, 0.1, z), weight).astype(np.float32)


def head_weight(points: Array) -> NDArray[np.float32]:
    """How much neutral skin `points` (n, 3) follow the head's pose: 1 above the neck cut."""
    return ramp(-1.60, NECK_CUT, neck_height(points)).astype(np.float32)


def rotate_jaw(
    points: NDArray[np.float32], weight: NDArray[np.float32], jaw: NDArray[np.float32] | float
) -> NDArray[np.float32]:
    """Rotate `points` (..., n, 3) about the jaw hinge by ``weight · jaw`` of the full angle.

    `weight` (n,); `jaw` a scalar or (..., 1). The front goes down.
    """
    angle = np.float32(JAW_ANGLE) * np.asarray(jaw, np.float32) * weight
    c, s = np.cos(angle), np.sin(angle)
    y, z = points[..., 1] - np.float32(JAW_HINGE[1]), points[..., 2] - np.float32(JAW_HINGE[2])
    rotated = points.copy()
    rotated[..., 1] = c * y - s * z + np.float32(JAW_HINGE[1])
    rotated[..., 2] = s * y + c * z + np.float32(JAW_HINGE[2])
    return rotated
