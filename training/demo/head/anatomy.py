"""The skin of the neutral face as one signed-distance function, and where its features lie.

Head space: one unit is 10 cm, +x the image's right, +y up, +z out of the face. The sculpted mouth
stands a slit apart, so that lips and mouth cavity are one surface that can open.
"""

from __future__ import annotations

import math

import numpy as np

from .shapes import carve, cone, ellipsoid, jit, sphere, union

MOUTH_Y = -0.535
MOUTH_HALF_WIDTH = 0.268
SLIT = 0.017  # half the height of the sculpted mouth slit
EYE_X, EYE_Y, EYE_Z, EYE_RADIUS = 0.305, 0.02, 0.578, 0.238
JAW_HINGE = (0.0, -0.22, -0.02)
JAW_ANGLE = 0.30  # radians at jaw = 1
NECK_PIVOT = (0.0, -1.05, -0.15)
RIGID_NECK = 0.09  # head units below the seam of `neck_excess` that still turn with the head


@jit
def mouth_line(x):
    """Height of the line between the lips."""
    t = min(abs(x) / MOUTH_HALF_WIDTH, 1.3)
    return MOUTH_Y + 0.040 * t * t - 0.012 * max(0.0, 1.0 - (t / 0.35) ** 2)


@jit
def lip_front(x):
    """Depth of the lips' centre line."""
    t = abs(x) / MOUTH_HALF_WIDTH
    return 0.865 - 0.115 * t * t


@jit
def lip_profile(x):
    """(height of the upper lip's axis above the mouth line, its radius, the same of the lower)."""
    t = min(1.0, abs(x) / MOUTH_HALF_WIDTH)
    s = 1.0 - t * t
    bow = math.exp(-(((t - 0.28) / 0.16) ** 2))
    upper = (0.036 + 0.010 * bow) * s**0.5, 0.010 + 0.043 * s**0.6
    lower = 0.045 * s**0.5, 0.010 + 0.055 * s**0.6
    return upper[0], upper[1], lower[0], lower[1]


@jit
def lips(x, y, z):
    """Distances to the upper and the lower lip: swept tubes, the upper with a cupid's bow."""
    xc = min(MOUTH_HALF_WIDTH, max(-MOUTH_HALF_WIDTH, x))
    yc, zc = mouth_line(xc), lip_front(xc)
    up, upper_radius, down, lower_radius = lip_profile(xc)
    dx, dy, dz = x - xc, y - (yc + up), z - zc
    upper = math.sqrt(dx * dx + 1.15 * dy * dy + dz * dz) - upper_radius
    dy, dz = y - (yc - down), z - (zc - 0.015)
    return upper, math.sqrt(dx * dx + dy * dy + dz * dz) - lower_radius


@jit
def _skull(x, y, z):
    ax = math.sqrt(x * x + 0.004)  # rounds the seam of the two halves
    d = ellipsoid(x, y - 0.27, z + 0.10, 0.76, 0.86, 0.93)  # cranium
    d = union(d, ellipsoid(x, y + 0.26, z - 0.17, 0.625, 0.665, 0.64), 0.30)  # face
    d = union(d, ellipsoid(x, y - 0.30, z - 0.42, 0.50, 0.34, 0.44), 0.25)  # forehead
    d = union(d, ellipsoid(ax - 0.34, y + 0.26, z - 0.49, 0.27, 0.24, 0.26), 0.24)  # cheek
    jaw = cone(ax, y, z, 0.375, -0.58, 0.10, 0.10, -0.845, 0.53, 0.190, 0.150)
    d = union(d, jaw, 0.28)
    d = union(d, ellipsoid(x, y + 0.820, z - 0.59, 0.165, 0.130, 0.15), 0.24)  # chin
    return union(d, ellipsoid(x, y + 0.535, z - 0.55, 0.30, 0.24, 0.27), 0.24)  # muzzle


@jit
def _neck(x, y, z):
    return cone(x, y, z, 0.0, -0.72, -0.14, 0.0, -1.9, -0.26, 0.34, 0.40)


@jit
def _with_eyes(d, x, y, z):
    ax = abs(x)
    d = union(d, cone(ax, y, z, 0.14, 0.24, 0.78, 0.45, 0.27, 0.62, 0.07, 0.06), 0.16)  # brow ridge
    socket = ellipsoid(ax - EYE_X, y - EYE_Y - 0.005, z - EYE_Z - 0.20, 0.240, 0.140, 0.150)
    d = carve(d, socket, 0.12)
    d = union(d, sphere(ax - EYE_X, y - EYE_Y, z - EYE_Z, EYE_RADIUS), 0.10)
    window = ellipsoid(ax - EYE_X, y - EYE_Y, z - EYE_Z - EYE_RADIUS, 0.178, 0.125, 0.25)
    return carve(d, window, 0.04)


@jit
def _with_nose(d, x, y, z):
    ax = abs(x)
    n = cone(x, y, z, 0.0, 0.15, 0.755, 0.0, -0.185, 0.925, 0.056, 0.070)  # bridge
    n = union(n, ellipsoid(x, y + 0.220, z - 0.945, 0.100, 0.088, 0.102), 0.09)  # tip
    n = union(n, ellipsoid(ax - 0.105, y + 0.262, z - 0.845, 0.070, 0.062, 0.090), 0.06)  # wing
    d = union(d, n, 0.12)
    d = carve(d, ellipsoid(ax - 0.055, y + 0.326, z - 0.872, 0.022, 0.018, 0.042), 0.04)
    return carve(d, cone(x, y, z, 0.0, -0.345, 0.935, 0.0, -0.430, 0.930, 0.020, 0.03), 0.07)


@jit
def mouth_cavity(x, y, z):
    return ellipsoid(x, y - MOUTH_Y + 0.005, z - 0.50, 0.300, 0.22, 0.26)


@jit
def _with_mouth(d, x, y, z):
    upper, lower = lips(x, y, z)
    d = union(union(d, upper, 0.045), lower, 0.05)
    crease = ellipsoid(x, y - MOUTH_Y + 0.160, z - 0.90, 0.15, 0.033, 0.06)
    d = carve(d, crease, 0.08)
    t = abs(x) / MOUTH_HALF_WIDTH
    gap = SLIT * math.sqrt(max(0.0, 1.0 - 0.6 * t * t))  # nowhere less than the mesh can show
    slit = max(abs(y - mouth_line(x)) - gap, abs(x) - MOUTH_HALF_WIDTH, 0.50 - z)
    return carve(carve(d, slit, 0.012), mouth_cavity(x, y, z), 0.03)


@jit
def _ear(x, y, z):
    u, ex = y + 0.02, abs(x) - 0.80
    ca, sa = math.cos(0.45), math.sin(0.45)
    lx, lz = ca * ex - sa * (z + 0.14), sa * ex + ca * (z + 0.14)
    d = ellipsoid(lx, u, lz, 0.075, 0.25, 0.165)
    d = carve(d, ellipsoid(lx - 0.06, u - 0.03, lz - 0.02, 0.055, 0.165, 0.09), 0.05)
    return union(d, ellipsoid(lx, u + 0.19, lz - 0.05, 0.05, 0.08, 0.07), 0.06)  # lobe


@jit
def skin(x, y, z):
    """Distance to the skin, mouth cavity and neck included."""
    d = union(_skull(x, y, z), _neck(x, y, z), 0.16)
    d = _with_mouth(_with_nose(_with_eyes(d, x, y, z), x, y, z), x, y, z)
    return union(d, _ear(x, y, z), 0.06)


@jit
def front_depth(x, y):
    """z of the foremost skin at (x, y), by sphere tracing from the front."""
    z = 1.3
    for _ in range(120):
        d = skin(x, y, z)
        z -= 0.8 * d
        if d < 1e-4:
            break
    return z


@jit
def front_facing(x, y):
    """z component of the skin's unit normal at the foremost point of (x, y)."""
    z, e = front_depth(x, y), 0.01
    gx = skin(x + e, y, z) - skin(x - e, y, z)
    gy = skin(x, y + e, z) - skin(x, y - e, z)
    gz = skin(x, y, z + e) - skin(x, y, z - e)
    return gz / (math.sqrt(gx * gx + gy * gy + gz * gz) + 1e-12)


@jit
def mouth_fields(points):
    """(n, 3) points → (n, 4): mouth line, distances to upper lip, lower lip and mouth cavity."""
    out = np.empty((points.shape[0], 4))
    for i in range(points.shape[0]):
        x, y, z = points[i]
        out[i, 0] = mouth_line(x)
        out[i, 1], out[i, 2] = lips(x, y, z)
        out[i, 3] = mouth_cavity(x, y, z)
    return out


@jit
def neck_excess(points):
    """(n, 3) → (n,) how much nearer points are to the neck than to the skull, head units.

    0 on the seam beneath jaw and nape, where the head's layer ends, and growing down the neck.
    """
    out = np.empty(points.shape[0])
    for i in range(points.shape[0]):
        x, y, z = points[i]
        out[i] = _skull(x, y, z) - _neck(x, y, z)
    return out
