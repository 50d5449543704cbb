"""Hair and torso: the signed-distance functions of what is not skin."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .shapes import carve, cone, ellipsoid, jit, union

_PARTING = -0.28
_BENDS = 9  # points along a lock


def _lock(
    root: tuple[float, float, float],
    bend: tuple[float, float, float],
    tip: tuple[float, float, float],
    radii: tuple[float, float, float],
) -> NDArray[np.float64]:
    """A quadratic Bézier lock of hair as (segments, 8): both ends and both radii of each."""
    t = np.linspace(0, 1, _BENDS)[:, None]
    curve = (1 - t) ** 2 * np.array(root) + 2 * t * (1 - t) * np.array(bend) + t * t * np.array(tip)
    radius = np.interp(t[:, 0], [0, 0.45, 1], radii)
    return np.concatenate([curve[:-1], curve[1:], radius[:-1, None], radius[1:, None]], axis=1)


def _locks() -> NDArray[np.float64]:
    """The swept quiff, the short side of the parting, and the fringe that hides the hairline."""
    rng = np.random.default_rng(3)
    locks = []
    for f in np.linspace(0, 1, 8):
        z, y = 0.76 - 0.96 * f, 0.84 + 0.24 * math.sin(math.pi * min(1, 0.8 * f + 0.1))
        x0, x1, x2 = rng.normal(0, [0.04, 0.05, 0.02])
        root = (_PARTING - 0.02 + x0, y, z)
        bend = (0.26 + x1, y + 0.27 - 0.06 * f, z + 0.14 - 0.05 * f)
        locks.append(_lock(root, bend, (0.72 + x2, 0.66 - 0.05 * f, z - 0.28), (0.10, 0.16, 0.06)))
    for f in np.linspace(0, 1, 6):
        z, y = 0.68 - 0.98 * f, 0.85 + 0.20 * math.sin(math.pi * min(1, 0.8 * f + 0.1))
        bend, tip = (_PARTING - 0.30, y + 0.10, z + 0.08), (-0.73, 0.48 - 0.05 * f, z - 0.22)
        locks.append(_lock((_PARTING + 0.02, y, z), bend, tip, (0.08, 0.12, 0.05)))
    for x in np.linspace(-0.44, 0.46, 7):
        fall, x1 = 0.34 * x * x, rng.normal(0, 0.02)
        sweep = 0.26 * (1 - max(0.0, x)) if x > _PARTING else -0.14
        root = (x, 0.74 - fall, 0.745 - 0.60 * x * x)
        bend = (x + 0.45 * sweep, 0.93 - 0.6 * fall, 0.89 - 0.60 * x * x + x1)
        locks.append(_lock(root, bend, (x + sweep, 1.06 - 0.9 * fall, 0.50), (0.080, 0.105, 0.06)))
    return np.stack(locks)


_LOCKS = _locks()


@jit
def hair(x, y, z):
    """Distance to the hair: a cap cut along the hairline, and locks swept over it."""
    ax = abs(x)
    d = ellipsoid(x, y - 0.27, z + 0.12, 0.80, 0.92, 0.97)
    d = union(d, ellipsoid(ax - 0.62, y - 0.25, z - 0.02, 0.20, 0.42, 0.50), 0.1)
    line = 0.72 - 0.38 * x * x - 0.03 * math.exp(-((x / 0.12) ** 2))  # a slight widow's peak
    if z < 0.55:
        line -= 0.55 * min(1.0, (0.55 - z) / 0.38) ** 1.5
    if z < 0.02:
        line = -0.02 - 0.5 * min(1.0, (0.02 - z) / 0.45) ** 0.8
    d = carve(d, 0.7 * (y - line), 0.06)
    d = carve(d, ellipsoid(ax - 0.86, y + 0.06, z + 0.11, 0.13, 0.27, 0.19), 0.05)  # ear
    for k in range(_LOCKS.shape[0]):
        nearest = 1e9
        for s in range(_LOCKS.shape[1]):
            q = _LOCKS[k, s]
            nearest = min(nearest, cone(x, y, z, q[0], q[1], q[2], q[3], q[4], q[5], q[6], q[7]))
        d = union(d, nearest, 0.06)
    return d


@jit
def torso(x, y, z):
    """Distance to the jumper: shoulders, upper arms, chest, and a rolled collar."""
    ax, y = abs(x), y - 0.10
    d = cone(ax, y, z, 0.25, -1.86, -0.25, 1.18, -2.12, -0.30, 0.30, 0.34)
    d = union(d, cone(ax, y, z, 1.22, -2.10, -0.30, 1.45, -3.4, -0.2, 0.36, 0.32), 0.2)
    d = union(d, ellipsoid(x, y + 2.9, z + 0.15, 1.15, 1.2, 0.62), 0.3)
    d = union(d, cone(x, y, z, 0.0, -1.55, -0.22, 0.0, -1.9, -0.25, 0.40, 0.55), 0.2)
    d = carve(d, cone(x, y, z, 0.0, -1.0, -0.18, 0.0, -1.62, -0.22, 0.385, 0.395), 0.05)
    ring = math.sqrt(x * x + (z + 0.20) ** 2) - 0.455
    height = 0.75 * (y + 1.50 - 0.10 * (-(z + 0.22)))
    return union(d, math.sqrt(ring * ring + height * height) - 0.075, 0.05)
