"""From signed distances to meshes: surface nets, projection, and light baked into vertices."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .anatomy import EYE_RADIUS, EYE_X, EYE_Y, EYE_Z, skin
from .outfit import hair, torso
from .shapes import jit, sphere

SKIN, HAIR, TORSO, ALL, ALL_WITH_EYES = range(5)
"""What `distance` measures to."""


class Surface(NamedTuple):
    """A baked mesh.

    vertices (n, 3) float64 in head space; faces (m, 3) int32, counter-clockwise from outside;
    occlusion and shadow (n,) float64 in 0 (dark) … 1 (open sky, lit by the key light).
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int32]
    occlusion: NDArray[np.float64]
    shadow: NDArray[np.float64]


@jit
def distance(what, x, y, z):
    """Signed distance to one of the surfaces named above. Compiled once for all of them."""
    if what == SKIN:
        return skin(x, y, z)
    if what == HAIR:
        return hair(x, y, z)
    if what == TORSO:
        return torso(x, y, z)
    d = min(skin(x, y, z), hair(x, y, z), torso(x, y, z))
    if what == ALL_WITH_EYES:
        d = min(d, sphere(abs(x) - EYE_X, y - EYE_Y, z - EYE_Z, EYE_RADIUS))
    return d


@jit
def _sample(what, lo, h, shape):
    """Distances on a grid. Blocks of 4³ far from the surface take the value of their centre."""
    nx, ny, nz = shape
    grid = np.empty((nx, ny, nz), np.float32)
    reach = 2.5 * math.sqrt(3.0) * 2.0 * h  # the distances are bounds, not exact: keep a margin
    for bi in range(0, nx, 4):
        for bj in range(0, ny, 4):
            for bk in range(0, nz, 4):
                c = distance(
                    what, lo[0] + (bi + 1.5) * h, lo[1] + (bj + 1.5) * h, lo[2] + (bk + 1.5) * h
                )
                near = abs(c) < reach
                for i in range(bi, min(nx, bi + 4)):
                    for j in range(bj, min(ny, bj + 4)):
                        for k in range(bk, min(nz, bk + 4)):
                            if near:
                                c = distance(what, lo[0] + i * h, lo[1] + j * h, lo[2] + k * h)
                            grid[i, j, k] = c
    return grid


@jit
def _net_vertices(grid, lo, h):
    """One vertex a cell that the surface crosses: the mean of the crossings on its edges."""
    nx, ny, nz = grid.shape
    index = np.full((nx, ny, nz), -1, np.int32)
    vertices = np.empty((nx * ny * nz // 6 + 1000, 3))
    n = 0
    for i in range(nx - 1):
        for j in range(ny - 1):
            for k in range(nz - 1):
                count, sx, sy, sz = 0, 0.0, 0.0, 0.0
                for a in range(2):
                    for b in range(2):
                        d0, d1 = grid[i, j + a, k + b], grid[i + 1, j + a, k + b]
                        if (d0 < 0) != (d1 < 0):
                            sx, sy, sz, count = sx + d0 / (d0 - d1), sy + a, sz + b, count + 1
                        d0, d1 = grid[i + a, j, k + b], grid[i + a, j + 1, k + b]
                        if (d0 < 0) != (d1 < 0):
                            sx, sy, sz, count = sx + a, sy + d0 / (d0 - d1), sz + b, count + 1
                        d0, d1 = grid[i + a, j + b, k], grid[i + a, j + b, k + 1]
                        if (d0 < 0) != (d1 < 0):
                            sx, sy, sz, count = sx + a, sy + b, sz + d0 / (d0 - d1), count + 1
                if count > 0:
                    vertices[n, 0] = lo[0] + (i + sx / count) * h
                    vertices[n, 1] = lo[1] + (j + sy / count) * h
                    vertices[n, 2] = lo[2] + (k + sz / count) * h
                    index[i, j, k] = n
                    n += 1
    return vertices[:n].copy(), index


@jit
def _net_faces(grid, index, n):
    """Two triangles for every grid edge that the surface crosses, seen from outside."""
    nx, ny, nz = grid.shape
    faces = np.empty((4 * n + 1000, 3), np.int32)
    m = 0
    for i in range(1, nx - 1):
        for j in range(1, ny - 1):
            for k in range(1, nz - 1):
                inside = grid[i, j, k] < 0
                for axis in range(3):
                    d = index[i, j, k]
                    if axis == 0:
                        other = grid[i + 1, j, k]
                        a, b, c = index[i, j - 1, k - 1], index[i, j, k - 1], index[i, j - 1, k]
                    elif axis == 1:
                        other = grid[i, j + 1, k]
                        a, b, c = index[i - 1, j, k - 1], index[i - 1, j, k], index[i, j, k - 1]
                    else:
                        other = grid[i, j, k + 1]
                        a, b, c = index[i - 1, j - 1, k], index[i, j - 1, k], index[i - 1, j, k]
                    if inside == (other < 0) or min(a, b, c, d) < 0:
                        continue
                    if not inside:
                        b, c = c, b
                    faces[m, 0], faces[m, 1], faces[m, 2] = a, b, d
                    faces[m + 1, 0], faces[m + 1, 1], faces[m + 1, 2] = a, d, c
                    m += 2
    return faces[:m].copy()


@jit
def _gradient(what, x, y, z, e):
    gx = distance(what, x + e, y, z) - distance(what, x - e, y, z)
    gy = distance(what, x, y + e, z) - distance(what, x, y - e, z)
    gz = distance(what, x, y, z + e) - distance(what, x, y, z - e)
    return gx / (2 * e), gy / (2 * e), gz / (2 * e)


@jit
def _project(what, vertices, e):
    """Newton steps of at most 0.01 onto the surface, in place; returns unit normals."""
    normals = np.empty_like(vertices)
    for i in range(vertices.shape[0]):
        x, y, z = vertices[i]
        for _ in range(3):
            gx, gy, gz = _gradient(what, x, y, z, e)
            step = distance(what, x, y, z) / (gx * gx + gy * gy + gz * gz + 1e-6)
            step = min(0.01, max(-0.01, step))
            x, y, z = x - step * gx, y - step * gy, z - step * gz
        vertices[i, 0], vertices[i, 1], vertices[i, 2] = x, y, z
        gx, gy, gz = _gradient(what, x, y, z, e)
        length = math.sqrt(gx * gx + gy * gy + gz * gz) + 1e-12
        normals[i, 0], normals[i, 1], normals[i, 2] = gx / length, gy / length, gz / length
    return normals


@jit
def _bake(what, vertices, normals, key):
    """Ambient occlusion from five samples along the normal; a soft shadow marched to the key."""
    n = vertices.shape[0]
    occlusion, shadow = np.empty(n), np.empty(n)
    for i in range(n):
        x, y, z = vertices[i]
        nx, ny, nz = normals[i]
        blocked, weight = 0.0, 1.0
        for s in (0.03, 0.07, 0.13, 0.22, 0.35):
            d = distance(what, x + nx * s, y + ny * s, z + nz * s)
            blocked += weight * max(0.0, s - d) / s
            weight *= 0.75
        occlusion[i] = max(0.0, 1.0 - blocked / 2.6)
        x, y, z = x + 0.02 * nx, y + 0.02 * ny, z + 0.02 * nz
        t, lit = 0.05, 1.0
        for _ in range(40):
            d = distance(what, x + key[0] * t, y + key[1] * t, z + key[2] * t)
            lit = min(lit, 0.5 + 0.5 * d / (0.10 * t + 0.005))
            if lit < 0.0 or t > 2.5:
                break
            t += max(0.02, min(0.12, d))
        lit = max(0.0, lit)
        shadow[i] = lit * lit * (3.0 - 2.0 * lit)
    return occlusion, shadow


def smoothed(
    values: NDArray[np.float64], faces: NDArray[np.int32], rounds: int
) -> NDArray[np.float64]:
    """`values` (n,) or (n, k) of vertices, averaged `rounds` times with those of the neighbours."""
    n = len(values)
    columns = np.array(values, float).reshape(n, -1)
    to = np.concatenate([faces, faces[:, [1, 2, 0]]]).ravel()
    of = np.concatenate([faces[:, [1, 2, 0]], faces]).ravel()
    count = np.bincount(to, minlength=n) + 1.0
    for _ in range(rounds):
        for k in range(columns.shape[1]):
            around = np.bincount(to, columns[of, k], minlength=n)
            columns[:, k] = (columns[:, k] + around) / count
    return columns.reshape(values.shape)


def sculpt(
    what: int,
    lo: tuple[float, float, float],
    hi: tuple[float, float, float],
    voxel: float,
    light_from: int,
    key: NDArray[np.float64],
    soften: int = 0,
) -> Surface:
    """Mesh the surface `what` inside the box lo … hi at `voxel` spacing and bake its light.

    `light_from` is the surface that occludes and casts shadows; `key` (3,) points to the key light;
    `soften` rounds of averaging take the pattern of narrow grooves out of the baked light.
    """
    # Cells centred on x = 0 keep the mesh of a symmetric surface symmetric, with vertices there.
    low = (np.floor(np.array(lo) / voxel) + np.array([0.5, 0.0, 0.0])) * voxel
    shape = tuple(int(n) for n in np.ceil((np.array(hi) - low) / voxel) + 1)
    grid = _sample(what, low, voxel, shape)
    vertices, index = _net_vertices(grid, low, voxel)
    faces = _net_faces(grid, index, len(vertices))
    normals = _project(what, vertices, 0.3 * voxel)
    light = _bake(light_from, vertices, normals, key)
    return Surface(vertices, faces, *(smoothed(baked, faces, soften) for baked in light))
