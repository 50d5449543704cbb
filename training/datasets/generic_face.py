"""A face of ordinary proportions: what the fit of a real one starts from.

Written down from common anthropometric distances (63 mm between the eyes, 32 and 91 mm between
inner and outer eye corners, 117 mm from nasion to chin, 132 mm over the cheekbones, 50 mm of mouth)
in head space: one unit is 10 cm, +x the image's right, +y up, +z out of the face, eyes at y = 0.02.
"""

from __future__ import annotations

import numpy as np

from ...contract.landmarks import EYES, LANDMARKS

INTEROCULAR = 0.63
"""Head units between the middles of the eyes: what fixes the scale of every fitted head."""

# Index: (x, y, z) of the points on the image's left, below 0, and on the midline.
_LEFT = {
    0: (-0.69, 0.02, 0.05), 1: (-0.69, -0.18, 0.08), 2: (-0.67, -0.37, 0.13),
    3: (-0.63, -0.55, 0.22), 4: (-0.55, -0.71, 0.34), 5: (-0.44, -0.83, 0.50),
    6: (-0.31, -0.92, 0.65), 7: (-0.16, -0.98, 0.77),
    17: (-0.58, 0.19, 0.56), 18: (-0.49, 0.27, 0.69), 19: (-0.37, 0.30, 0.78),
    20: (-0.25, 0.27, 0.83), 21: (-0.13, 0.22, 0.86),
    31: (-0.16, -0.38, 0.85), 32: (-0.08, -0.41, 0.92),
    36: (-0.46, 0.02, 0.62), 37: (-0.37, 0.08, 0.71), 38: (-0.26, 0.08, 0.72),
    39: (-0.16, 0.00, 0.67), 40: (-0.25, -0.04, 0.71), 41: (-0.37, -0.04, 0.70),
    48: (-0.25, -0.61, 0.78), 49: (-0.16, -0.56, 0.89), 50: (-0.06, -0.53, 0.95),
    58: (-0.08, -0.70, 0.91), 59: (-0.17, -0.67, 0.87),
    60: (-0.21, -0.61, 0.80), 61: (-0.08, -0.60, 0.91), 67: (-0.08, -0.61, 0.90),
}  # fmt: skip
_MIDDLE = {
    8: (-1.00, 0.80), 27: (0.08, 0.84), 28: (-0.05, 0.92), 29: (-0.18, 1.01), 30: (-0.30, 1.08),
    33: (-0.42, 0.95), 51: (-0.55, 0.96), 57: (-0.71, 0.93), 62: (-0.60, 0.92), 66: (-0.61, 0.91),
}  # fmt: skip
_MIRROR = {
    **{k: 16 - k for k in range(8)}, **{k: 43 - k for k in range(17, 22)}, 31: 35, 32: 34,
    36: 45, 37: 44, 38: 43, 39: 42, 40: 47, 41: 46, 48: 54, 49: 53, 50: 52, 58: 56, 59: 55,
    60: 64, 61: 63, 67: 65,
}  # fmt: skip


def _whole() -> np.ndarray:
    points = np.full((LANDMARKS, 3), np.nan)
    for k, (x, y, z) in _LEFT.items():
        points[k] = x, y, z
        points[_MIRROR[k]] = -x, y, z
    for k, (y, z) in _MIDDLE.items():
        points[k] = 0.0, y, z
    return points


GENERIC_FACE = _whole()
"""(68, 3) float64."""

STEADINESS = np.full(LANDMARKS, 0.1)
"""(68,) how much each point tells of the head rather than of the expression, 0…1."""
STEADINESS[[0, 1, 15, 16]] = 0.5
STEADINESS[17:27] = 0.15
STEADINESS[27:31] = 1.0
STEADINESS[31:36] = 0.7
STEADINESS[EYES] = 0.2
STEADINESS[[36, 39, 42, 45]] = 1.0


def interocular(points: np.ndarray) -> float:
    """Distance between the middles of the eyes of (..., 68, C) points, their mean."""
    middles = points[..., 36:42, :].mean(-2) - points[..., 42:48, :].mean(-2)
    return float(np.linalg.norm(middles, axis=-1).mean())
