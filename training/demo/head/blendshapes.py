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
    RIGID_NECK,
    SLIT,
    mouth_fields,
    neck_excess,
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
        self.above = y - self.line
        self.side = np.tanh(self.above / 0.004)  # 1 on the upper lip, -1 on the lower
        # The lips part as a lens does: wide in the middle, not at all at the corners, around
        # which the lower face passes into the upper over the width of a finger.
        self.lens = lens = np.clip(1 - self.across**4, 0, 1) ** 0.6
        spread = 0.10 + 0.12 * ramp(0, 0.30, ax - MOUTH_HALF_WIDTH)
        self.upper = 0.5 + 0.5 * (lens * self.side + (1 - lens) * np.tanh(self.above / spread))
        self.lower = 1 - self.upper
        beside = np.maximum(ax - MOUTH_HALF_WIDTH, 0)
        self.away = np.hypot(beside, y - self.line)

    def near(self, reach: float, across: float = np.inf) -> Array:
        """Falls off with the distance from the mouth line, and to the sides over `across`."""
        fall = np.exp(-((self.away / reach) ** 2)) * self.front
        return fall * np.exp(-((self.across / across) ** 2))


def _move_mouth(shapes: dict[str, Array], points: Array, mouth: _Mouth) -> None:
    x, y, _ = points.T
    lips = mouth.near(0.11)
    # Grows the lips away from their line, whose edges must still meet when they are pressed.
    fuller = mouth.above * mouth.near(0.10) * (1 - np.exp(-((mouth.above / 0.03) ** 2)))
    shapes["wide"][:, 0] = 0.085 * mouth.across * mouth.near(0.24)
    shapes["wide"][:, 1] = 0.10 * fuller
    shapes["wide"][:, 2] = -0.035 * mouth.near(0.20) + 0.012 * lips
    for side, name in ((1, "smileL"), (-1, "smileR")):
        # Steep towards the middle: a smile is a bow, not a wedge.
        reach = np.where(side * x < 0.31, 0.125, 0.18)
        corner = spot(x, y, side * 0.31, MOUTH_Y + 0.03, reach, 0.20) * mouth.front
        cheek = spot(x, y, side * 0.36, -0.28, 0.18, 0.15) * mouth.front
        half = ramp(-1.0, 1.0, side * mouth.across)
        middle = half * mouth.near(0.11, 0.6)
        fold = nasolabial_fold(points, side)
        shapes[name][:, 0] = side * 0.080 * corner
        shapes[name][:, 1] = 0.110 * corner + 0.045 * cheek - 0.010 * middle + 0.10 * half * fuller
        shapes[name][:, 2] = -0.050 * corner + 0.060 * cheek + 0.010 * half * lips - 0.020 * fold
    shapes["upraise"][:, 1] = 0.064 * mouth.upper * mouth.near(0.13, 1.4)
    shapes["upraise"][:, 2] = 0.015 * mouth.upper * lips
    shapes["lodrop"][:, 1] = -0.070 * mouth.lower * mouth.near(0.15, 1.4)
    # At press = 1 the two edges of the slit have just met on the mouth line.
    gap = 1.15 * SLIT * np.sqrt(np.clip(1 - 0.6 * mouth.across**2, 0, 1))
    gap *= ramp(1.08, 0.98, np.abs(mouth.across))
    shapes["press"][:, 1] = -mouth.side * gap * mouth.near(0.06)
    shapes["press"][:, 2] = -0.010 * lips
    shapes["funnel"][:, 1] = (0.023 * mouth.side - 0.010) * mouth.near(0.11) * mouth.lens
    shapes["funnel"][:, 2] = 0.085 * mouth.near(0.20, 1.0)


def nasolabial_fold(points: Array, side: int) -> Array:
    """(n,) 0 … 1: the crease from the wing of the nose around the mouth's corner on one `side`."""
    x, y, z = points.T
    down = np.clip((-0.25 - y) / 0.36, 0, 1)
    crease = 0.170 + 0.205 * down**0.9
    across = np.exp(-(((side * x - crease) / 0.050) ** 2))
    return across * ramp(-0.20, -0.32, y) * ramp(-0.66, -0.48, y) * ramp(0.3, 0.5, z)


def frown_lines(points: Array) -> Array:
    """(n,) 0 … 1: the two upright creases between the brows."""
    x, y, z = points.T
    return spot(np.abs(x), y, 0.062, 0.265, 0.026, 0.085) * ramp(0.3, 0.5, z)


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
    lip_sides = np.exp(-(((np.abs(mouth.across) - 0.4) / 0.5) ** 2))
    shapes["sneer"][:, 1] = 0.055 * spot(ax, y, 0.13, -0.25, 0.10, 0.13) * front
    shapes["sneer"][:, 1] += 0.030 * mouth.upper * mouth.near(0.11) * lip_sides
    for side in (1, -1):
        shapes["sneer"][:, 2] -= 0.020 * nasolabial_fold(points, side)
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
    """How much neutral skin `points` (n, 3) follow the head's pose: 1 above the neck."""
    return ramp(0.60, RIGID_NECK, neck_excess(points)).astype(np.float32)


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
