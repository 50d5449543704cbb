"""Signed-distance primitives, compiled. Distances are in head units (10 cm), negative inside."""

from __future__ import annotations

import math

import numba

jit = numba.njit(fastmath=True)
"""Compiles. Nothing is cached on disk: numba would not notice a change in an inlined other file."""


@jit
def union(a, b, blend):
    """Smooth minimum: a union whose seam is rounded over `blend` units."""
    h = max(blend - abs(a - b), 0.0) / blend
    return min(a, b) - 0.25 * h * h * blend


@jit
def carve(a, b, blend):
    """`a` without `b`, the edge rounded over `blend` units."""
    return -union(-a, b, blend)


@jit
def ellipsoid(x, y, z, rx, ry, rz):
    """First-order distance to an ellipsoid about the origin."""
    a, b, c = x / rx, y / ry, z / rz
    k0 = math.sqrt(a * a + b * b + c * c)
    a, b, c = a / rx, b / ry, c / rz
    k1 = math.sqrt(a * a + b * b + c * c) + 1e-9
    return k0 * (k0 - 1.0) / k1


@jit
def cone(px, py, pz, ax, ay, az, bx, by, bz, ra, rb):
    """A capsule from a to b whose radius goes from `ra` to `rb`."""
    dx, dy, dz = bx - ax, by - ay, bz - az
    ex, ey, ez = px - ax, py - ay, pz - az
    t = (ex * dx + ey * dy + ez * dz) / (dx * dx + dy * dy + dz * dz)
    t = min(1.0, max(0.0, t))
    ex, ey, ez = ex - t * dx, ey - t * dy, ez - t * dz
    return math.sqrt(ex * ex + ey * ey + ez * ez) - (ra + (rb - ra) * t)


@jit
def sphere(x, y, z, r):
    return math.sqrt(x * x + y * y + z * z) - r
