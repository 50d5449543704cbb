"""Normals and a z-buffer, compiled. Room space: y up, z towards the camera at (0, 0, DISTANCE)."""

from __future__ import annotations

import math

import numpy as np

from .shapes import jit

EMPTY = np.float32(1e9)


@jit
def vertex_normals(vertices, faces):
    """(n, 3) float32 unit normals, the area-weighted mean of the faces around each vertex."""
    normals = np.zeros(vertices.shape, np.float32)
    for f in range(faces.shape[0]):
        a, b, c = faces[f]
        ux, uy, uz = vertices[b] - vertices[a]
        vx, vy, vz = vertices[c] - vertices[a]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for i in (a, b, c):
            normals[i, 0] += nx
            normals[i, 1] += ny
            normals[i, 2] += nz
    for i in range(vertices.shape[0]):
        nx, ny, nz = normals[i]
        scale = 1.0 / (math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-12)
        normals[i, 0], normals[i, 1], normals[i, 2] = nx * scale, ny * scale, nz * scale
    return normals


@jit
def z_buffer(vertices, faces, size, focal, cx, cy, distance):
    """Which triangle every pixel centre of a size × size image sees.

    Returns camera depth (size, size) float32, `EMPTY` where nothing is; triangle int32, -1 there;
    and the first two barycentric weights float32. Back faces are not drawn.
    """
    n = vertices.shape[0]
    screen = np.empty((n, 3), np.float32)
    for i in range(n):
        z = distance - vertices[i, 2]
        screen[i, 0] = cx + focal * vertices[i, 0] / z
        screen[i, 1] = cy - focal * vertices[i, 1] / z
        screen[i, 2] = z
    depth = np.full((size, size), EMPTY, np.float32)
    triangle = np.full((size, size), -1, np.int32)
    first = np.zeros((size, size), np.float32)
    second = np.zeros((size, size), np.float32)
    for t in range(faces.shape[0]):
        a, b, c = faces[t, 0], faces[t, 1], faces[t, 2]
        x0, y0, z0 = screen[a, 0], screen[a, 1], screen[a, 2]
        x1, y1, z1 = screen[b, 0], screen[b, 1], screen[b, 2]
        x2, y2, z2 = screen[c, 0], screen[c, 1], screen[c, 2]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area >= -1e-9:  # seen from behind: rows run downwards
            continue
        left = max(0, math.ceil(min(x0, x1, x2) - 0.5))
        right = min(size - 1, math.floor(max(x0, x1, x2) - 0.5))
        top = max(0, math.ceil(min(y0, y1, y2) - 0.5))
        bottom = min(size - 1, math.floor(max(y0, y1, y2) - 0.5))
        inverse = 1.0 / area
        for row in range(top, bottom + 1):
            py = row + 0.5
            for column in range(left, right + 1):
                px = column + 0.5
                w0 = ((x1 - px) * (y2 - py) - (x2 - px) * (y1 - py)) * inverse
                w1 = ((x2 - px) * (y0 - py) - (x0 - px) * (y2 - py)) * inverse
                w2 = 1.0 - w0 - w1
                if w0 >= 0 and w1 >= 0 and w2 >= 0:
                    z = w0 * z0 + w1 * z1 + w2 * z2
                    if z < depth[row, column]:
                        depth[row, column] = z
                        triangle[row, column] = t
                        first[row, column] = w0
                        second[row, column] = w1
    return depth, triangle, first, second
