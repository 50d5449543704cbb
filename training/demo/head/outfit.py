"""Hair and torso: the signed-distance functions of what is not skin."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .looks import noise
from .shapes import carve, cone, ellipsoid, jit, union

_PARTING = -0.30
_STARTS = 6  # points of a lock among which the search for the nearest one begins
_BLEND = 0.07  # locks melt into each other over this much


def _lock(
    root: tuple[float, float, float],
    bend: tuple[float, float, float],
    tip: tuple[float, float, float],
    radii: tuple[float, float, float],
) -> NDArray[np.float64]:
    """A lock of hair: the (3, 4) control points x, y, z, radius of a quadratic Bézier curve.

    `radii` are those at the root, half-way and at the tip.
    """
    first, middle, last = radii
    control = (first, 2 * middle - 0.5 * (first + last), last)
    return np.column_stack([np.array([root, bend, tip]), control])


def _locks() -> NDArray[np.float64]:
    """The sweep over the crown, the short side of the parting, and the fringe."""
    rng = np.random.default_rng(5)
    locks = []
    for f in np.linspace(0, 1, 6):
        z, y = 0.56 - 0.98 * f, 0.90 + 0.20 * math.sin(math.pi * min(1, 0.75 * f + 0.15))
        x1, x2 = rng.normal(0, [0.04, 0.03])
        bend = (0.46 + x1, y + 0.24 - 0.06 * f, z + 0.10 - 0.06 * f)
        tip = (0.71, 0.50 + x2 - 0.06 * f, z - 0.28)
        locks.append(_lock((_PARTING - 0.02, y, z), bend, tip, (0.09, 0.15, 0.06)))
    for f in np.linspace(0, 1, 5):
        z, y = 0.56 - 0.92 * f, 0.86 + 0.18 * math.sin(math.pi * min(1, 0.8 * f + 0.1))
        bend, tip = (_PARTING - 0.40, y + 0.12, z + 0.08), (-0.71, 0.38 - 0.05 * f, z - 0.24)
        locks.append(_lock((_PARTING + 0.02, y, z), bend, tip, (0.08, 0.12, 0.05)))
    # The fringe rises off the hairline at the parting and falls towards the temple.
    for k, f in enumerate(np.linspace(0, 1, 5)):
        root = (_PARTING - 0.05 + 0.05 * f, 0.66 + 0.12 * f, 0.73 - 0.09 * f)
        bend = (0.12 + 0.10 * f, 0.90 + 0.22 * f, 1.06 - 0.16 * f)
        tip = (0.64 + 0.03 * f, 0.42 + 0.12 * f, 0.40 - 0.11 * k)
        locks.append(_lock(root, bend, tip, (0.055, 0.105, 0.05)))
    for f in (0.0, 1.0):
        root = (_PARTING + 0.01, 0.71 + 0.08 * f, 0.71 - 0.06 * f)
        tip = (-0.69, 0.40, 0.30 - 0.20 * f)
        bend = (_PARTING - 0.26, 0.90 + 0.10 * f, 0.80 - 0.10 * f)
        locks.append(_lock(root, bend, tip, (0.055, 0.09, 0.03)))
    return np.stack(locks)


_LOCKS = _locks()
_MIDDLES = _LOCKS[:, :, :3].mean(1)
_REACHES = (  # all of lock k lies within _REACHES[k] of _MIDDLES[k], as its control points do
    np.linalg.norm(_LOCKS[:, :, :3] - _MIDDLES[:, None], axis=2) + _LOCKS[:, :, 3]
).max(1)


@jit
def _hairline(x, z):
    """Height below which the cap of hair is cut away."""
    line = 0.665 - 0.34 * x * x
    if z < 0.55:
        line -= 0.55 * min(1.0, (0.55 - z) / 0.38) ** 1.5
    if z < 0.02:
        line = min(line, -0.02 - 0.5 * min(1.0, (0.02 - z) / 0.45) ** 0.8)
    return line


@jit
def _on_lock(k, t):
    """(x, y, z, radius) of lock `k` at `t` in 0 … 1."""
    a, b, c = _LOCKS[k, 0], _LOCKS[k, 1], _LOCKS[k, 2]
    u, v, w = (1 - t) * (1 - t), 2 * t * (1 - t), t * t
    return (
        u * a[0] + v * b[0] + w * c[0],
        u * a[1] + v * b[1] + w * c[1],
        u * a[2] + v * b[2] + w * c[2],
        u * a[3] + v * b[3] + w * c[3],
    )


@jit
def _along_lock(k, t):
    """(dx, dy, dz) / dt of lock `k` at `t`."""
    a, b, c = _LOCKS[k, 0], _LOCKS[k, 1], _LOCKS[k, 2]
    u, v = 2 * (1 - t), 2 * t
    return (
        u * (b[0] - a[0]) + v * (c[0] - b[0]),
        u * (b[1] - a[1]) + v * (c[1] - b[1]),
        u * (b[2] - a[2]) + v * (c[2] - b[2]),
    )


@jit
def _to_lock(k, x, y, z):
    """Distance to lock `k`, and where along it its nearest point lies: 0 root … 1 tip."""
    nearest, t = 1e9, 0.0
    for s in range(_STARTS):
        px, py, pz, _ = _on_lock(k, s / (_STARTS - 1.0))
        d = (x - px) ** 2 + (y - py) ** 2 + (z - pz) ** 2
        if d < nearest:
            nearest, t = d, s / (_STARTS - 1.0)
    a, b, c = _LOCKS[k, 0], _LOCKS[k, 1], _LOCKS[k, 2]
    for _ in range(3):  # Newton's steps to where the curve runs across the line of sight
        px, py, pz, _ = _on_lock(k, t)
        dx, dy, dz = _along_lock(k, t)
        slope = dx * dx + dy * dy + dz * dz
        slope += 2 * (px - x) * (a[0] - 2 * b[0] + c[0]) + 2 * (py - y) * (a[1] - 2 * b[1] + c[1])
        slope += 2 * (pz - z) * (a[2] - 2 * b[2] + c[2])
        across = (px - x) * dx + (py - y) * dy + (pz - z) * dz
        t = min(1.0, max(0.0, t - across / max(slope, 0.05)))
    px, py, pz, radius = _on_lock(k, t)
    return math.sqrt((x - px) ** 2 + (y - py) ** 2 + (z - pz) ** 2) - radius, t


@jit
def hair(x, y, z):
    """Distance to the hair: a cap cut along the hairline, and locks swept over it."""
    ax = abs(x)
    d = ellipsoid(x, y - 0.27, z + 0.12, 0.80, 0.92, 0.97)
    d = union(d, ellipsoid(ax - 0.62, y - 0.25, z - 0.02, 0.20, 0.42, 0.50), 0.1)
    d = carve(d, 0.7 * (y - _hairline(x, z)), 0.08)
    d = carve(d, ellipsoid(ax - 0.86, y + 0.06, z + 0.11, 0.13, 0.27, 0.19), 0.05)  # ear
    for k in range(_LOCKS.shape[0]):
        mx, my, mz = x - _MIDDLES[k, 0], y - _MIDDLES[k, 1], z - _MIDDLES[k, 2]
        if math.sqrt(mx * mx + my * my + mz * mz) - _REACHES[k] < d + _BLEND:
            d = union(d, _to_lock(k, x, y, z)[0], _BLEND)
    return d


@jit
def hair_distance(points):
    """(n, 3) → (n,) distance to the hair."""
    out = np.empty(points.shape[0])
    for i in range(points.shape[0]):
        out[i] = hair(points[i, 0], points[i, 1], points[i, 2])
    return out


@jit
def hair_flow(points):
    """How strands run at `points` (n, 3): unit directions (n, 3), and tones (n,) around 0.

    Both are blended over the locks nearby, so they are as smooth as the hair is.
    """
    n = points.shape[0]
    direction, tone = np.zeros((n, 3)), np.zeros(n)
    for i in range(n):
        x, y, z = points[i]
        # The cap: strands fall from the crown.
        weight, shade = 0.03, 0.03 * (noise(math.atan2(x, z) * 9.0, 4.0) - 0.5)
        dx, dy, dz = 0.0, -0.03 if x > 0.0 else 0.03, 0.0
        for k in range(_LOCKS.shape[0]):
            d, t = _to_lock(k, x, y, z)
            w = math.exp(-max(0.0, d + 0.02) / 0.05)
            ax, ay, az = _along_lock(k, t)
            length = math.sqrt(ax * ax + ay * ay + az * az)
            ax, ay, az = ax / length, ay / length, az / length
            # Around the lock, from the normal of the plane that its curve lies in.
            ux, uy, uz = _along_lock(k, 0.0)
            vx, vy, vz = _along_lock(k, 1.0)
            nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
            length = math.sqrt(nx * nx + ny * ny + nz * nz)
            nx, ny, nz = nx / length, ny / length, nz / length
            bx, by, bz = ny * az - nz * ay, nz * ax - nx * az, nx * ay - ny * ax
            outward = 1.0 if bx * x + by * (y - 0.2) + bz * z > 0.0 else -1.0
            bx, by, bz = outward * bx, outward * by, outward * bz
            px, py, pz, _ = _on_lock(k, t)
            ox, oy, oz = x - px, y - py, z - pz
            around = math.atan2(ox * nx + oy * ny + oz * nz, ox * bx + oy * by + oz * bz)
            strand = noise(3.4 * around + 17.0 * k, 1.5 * t + 3.0 * k) - 0.5
            shade += w * strand
            if ax < 0.0:  # on either side of the parting they count the same way
                ax, ay, az = -ax, -ay, -az
            dx, dy, dz, weight = dx + w * ax, dy + w * ay, dz + w * az, weight + w
        length = math.sqrt(dx * dx + dy * dy + dz * dz) + 1e-9
        direction[i, 0], direction[i, 1], direction[i, 2] = dx / length, dy / length, dz / length
        tone[i] = shade / weight
    return direction, tone


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
