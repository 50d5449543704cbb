"""A closed surface around a fitted head: where each pixel's head must lie, and how surely.

Two ellipsoids in the place of skull and face, drawn onto the landmarks (and onto MediaPipe's mesh,
where it was found) by interpolation over directions from the head's middle. Hair, ears and the back
of the head keep the ellipsoids' place, known to a few centimetres only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...contract.camera import Intrinsics

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

CENTRE = np.array([0.0, -0.15, -0.05])
"""Head space: from here every point of the surface is seen once."""

_ELLIPSOIDS = (
    (np.array([0.0, 0.27, -0.10]), np.array([0.84, 1.00, 1.03])),
    (np.array([0.0, -0.35, 0.17]), np.array([0.62, 0.68, 0.62])),
)
"""Middle and radii of the skull, with 1 cm of hair, and of the face."""

NEAR_TOLERANCE, FAR_TOLERANCE = 0.06, 0.30
"""How far the surface may be off (head units) at a landmark, and far from all of them."""

_KNOWN, _UNKNOWN = 0.15, 0.6
"""Angles from the nearest landmark (radians) up to and from which these hold."""

_WIDTH = 0.22
"""Radians over which a landmark tells of its surroundings."""

_NUGGET = 0.02
"""Share of a landmark's displacement that is taken for noise."""

_SUBDIVISIONS = 4


@dataclass(frozen=True)
class HeadSurface:
    """The surface at rest and how it follows the landmarks.

    Attributes:
        vertices: (V, 3) float64 head space, at rest.
        faces: (T, 3) int32, seen anticlockwise from outside.
        follow: (V, 68) float64: displacement of the vertices from that of the landmarks.
        tolerance: (V,) float64 head units.
        rest: (68, 3) float64 landmarks at rest.
    """

    vertices: Float64
    faces: NDArray[np.int32]
    follow: Float64
    tolerance: Float64
    rest: Float64

    @classmethod
    def of(cls, rest: Float64, mesh: Float64 | None = None) -> HeadSurface:
        """Around (68, 3) landmarks at rest and, where there is one, a (P, 3) mesh of the face."""
        directions, faces = icosphere(_SUBDIVISIONS)
        anchors = rest if mesh is None else np.concatenate([rest, mesh])
        away = np.linalg.norm(anchors - CENTRE, axis=1)
        towards = (anchors - CENTRE) / away[:, None]
        stretch = np.log(away / _base_radius(towards))
        spread = _weights(directions, towards)
        radius = _base_radius(directions) * np.exp(spread @ stretch)
        nearest = np.arccos(np.clip((directions @ towards.T).max(1), -1, 1))
        unsure = np.clip((nearest - _KNOWN) / (_UNKNOWN - _KNOWN), 0, 1)
        return cls(
            CENTRE + radius[:, None] * directions,
            faces,
            _weights(directions, towards[: len(rest)]),
            NEAR_TOLERANCE + (FAR_TOLERANCE - NEAR_TOLERANCE) * unsure,
            rest,
        )

    def at(self, landmarks: Float64) -> Float64:
        """(V, 3) vertices when the landmarks are (68, 3)."""
        return self.vertices + self.follow @ (landmarks - self.rest)

    def depth(
        self, landmarks: Float64, pose: Float32, camera: Intrinsics
    ) -> tuple[Float32, Float32]:
        """Camera z of the surface and its tolerance, (H, H) float32 each; z = 0 where it is not."""
        from ..demo.head.raster import z_buffer

        there = self.at(landmarks) @ np.asarray(pose[:, :3], float).T + pose[:, 3]
        # The rasteriser's room has y up and z towards a camera in its origin.
        room = np.ascontiguousarray(there * (1, -1, -1), np.float32)
        _, triangle, first, second = z_buffer(
            room, self.faces, camera.size, camera.focal, camera.cx, camera.cy, 0.0
        )
        seen = triangle >= 0
        corners = self.faces[triangle[seen]]
        share = np.stack([first[seen], second[seen], 1 - first[seen] - second[seen]], 1)
        z, tolerance = np.zeros((2, *triangle.shape), np.float32)
        z[seen] = (there[corners, 2] * share).sum(1)
        tolerance[seen] = (self.tolerance[corners] * share).sum(1)
        return z, tolerance


def _base_radius(directions: Float64) -> Float64:
    """Distance from `CENTRE` to the farther ellipsoid along (N, 3) unit directions."""
    reach = np.zeros(len(directions))
    for middle, radii in _ELLIPSOIDS:
        d, o = directions / radii, (CENTRE - middle) / radii
        a, b, c = (d * d).sum(1), d @ o, o @ o - 1
        reach = np.maximum(reach, (-b + np.sqrt(b * b - a * c)) / a)
    return reach


def _weights(directions: Float64, anchors: Float64) -> Float64:
    """(V, P): interpolation from P anchors to V directions, fading to 0 away from them."""

    def kernel(a: Float64, b: Float64) -> Float64:
        return np.exp((a @ b.T - 1) / _WIDTH**2)

    among = kernel(anchors, anchors) + _NUGGET * np.eye(len(anchors))
    return np.linalg.solve(among, kernel(anchors, directions)).T


def icosphere(subdivisions: int) -> tuple[Float64, NDArray[np.int32]]:
    """Unit vectors (10 · 4ⁿ + 2, 3) and triangles (20 · 4ⁿ, 3), seen anticlockwise from outside."""
    from scipy.spatial import ConvexHull

    golden = (1 + 5**0.5) / 2
    points = [(s, t * golden, 0.0) for s in (-1, 1) for t in (-1, 1)]
    points = np.array([np.roll(p, k) for p in points for k in range(3)])
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    faces = ConvexHull(points).simplices
    flipped = np.linalg.det(points[faces]) < 0
    faces[flipped] = faces[flipped][:, ::-1]
    for _ in range(subdivisions):
        edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
        unique, which = np.unique(edges, axis=0, return_inverse=True)
        middles = points[unique].sum(1)
        middles /= np.linalg.norm(middles, axis=1, keepdims=True)
        ab, bc, ca = len(points) + which.reshape(3, -1)
        a, b, c = faces.T
        corners = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
        points = np.concatenate([points, middles])
        faces = np.concatenate([np.stack(triangle, 1) for triangle in corners])
    return points, faces.astype(np.int32)
