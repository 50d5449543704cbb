"""Rays and samples in the very numbers of the published kernels, which are float32.

They add up a ray's distance step by step. Every sum is rounded, and always in the same direction
while the distance keeps its exponent: after a hundred steps samples lie 1e-5 beside near + k
· step, which is a hundredth of a cell of the finest level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...contract.camera import Intrinsics
from ...contract.data import Float32
from ...kernels.arrays import Bool, Int32, Vector
from ...kernels.traversal import Samples

ONE = np.float32(1.0)


def published_camera_rays(
    pose: Float32, camera: Intrinsics, pixels: Int32
) -> tuple[Float32, Float32]:
    """Rays as `kernels.rays.camera_rays`, in the published order of float32 operations.

    Unit directions are turned into the field's axes, not turned ones made unit; each of the sums of
    a matrix product is rounded once.

    Returns:
        origin (3,) and directions (N, 3).
    """
    turn = pose[:, :3].T.astype(np.float64)  # rows: the field's axes
    origin = -(turn @ pose[:, 3].astype(np.float64))
    focal = np.float32(camera.focal)
    half = np.float32(0.5)
    x = ((pixels % camera.size).astype(np.float32) + half - np.float32(camera.cx)) / focal
    y = ((pixels // camera.size).astype(np.float32) + half - np.float32(camera.cy)) / focal
    length = np.sqrt(x * x + y * y + ONE)
    seen = (x / length, y / length, ONE / length)
    directions = np.empty((len(pixels), 3), np.float32)
    for axis in range(3):
        total = np.zeros(len(pixels), np.float32)
        for part, share in zip(seen, turn[axis], strict=True):
            total = (total + part.astype(np.float64) * share).astype(np.float32)
        directions[:, axis] = total
    return origin.astype(np.float32), directions


def published_interval(
    origin: Float32, directions: Float32, low: Vector, high: Vector, min_near: float
) -> tuple[Float32, Float32]:
    """Where rays (N, 3) enter and leave a box, (N,) each; entry > exit means a miss."""
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = ONE / directions
        a = (np.asarray(low, np.float32) - origin) * inverse
        b = (np.asarray(high, np.float32) - origin) * inverse
    near = np.maximum(np.minimum(a, b).max(axis=1), np.float32(min_near))
    return near, np.maximum(a, b).min(axis=1)


@dataclass(frozen=True, eq=False)
class PublishedOccupancy:
    """Which cells are occupied.

    Attributes:
        cells: (G, G, G) bool, [z, y, x].
        low, high: the cube they fill.
    """

    cells: Bool
    low: Vector
    high: Vector

    def looked_up(
        self, x: Float32, directions: Float32
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Of positions (N, 3) on rays (N, 3): whether their cells are set, and how far it is from
        there to the cells' ends."""
        side = len(self.cells)
        low = np.asarray(self.low, np.float32)
        edge = np.asarray(self.high, np.float32) - low
        cell = np.clip((x - low) / edge * np.float32(side), 0, side - 1).astype(np.int32)
        border = (cell + ~np.signbit(directions)).astype(np.float32) / np.float32(side) * edge + low
        with np.errstate(divide="ignore", invalid="ignore"):
            left = np.nan_to_num((border - x) * (ONE / directions), nan=np.inf).min(axis=1)
        set_ = self.cells[cell[:, 2], cell[:, 1], cell[:, 0]]
        return set_, np.maximum(left, np.float32(0.0))


@dataclass(frozen=True, eq=False)
class PublishedRays:
    """Rays being marched.

    Attributes:
        origin: (3,) of all.
        directions: (N, 3).
        t: (N,) distances at which they go on; changed by `march`.
        far: (N,).
        step: between two places, whatever the distance.
    """

    origin: Float32
    directions: Float32
    t: Float32
    far: Float32
    step: np.float32

    def march(self, occupancy: PublishedOccupancy, live: Int32, count: int) -> Samples:
        """The next ``count`` occupied places of the rays ``live`` (L,), fewer where rays end.

        In an empty cell steps are taken without looking until its end is passed.
        """
        low, high = (np.asarray(v, np.float32) for v in (occupancy.low, occupancy.high))
        positions = np.empty((len(live), count, 3), np.float32)
        distances = np.empty((len(live), count), np.float32)
        taken = np.zeros(len(live), np.int32)
        empty_until = np.full(len(live), -np.inf, np.float32)
        going = np.arange(len(live))
        while (going := going[self.t[live[going]] < self.far[live[going]]]).size:
            now = self.t[live[going]]
            looking = going[now >= empty_until[going]]
            t, towards = self.t[live[looking]], self.directions[live[looking]]
            # One rounding, as of a fused multiply-add.
            exact = self.origin + t[:, None].astype(np.float64) * towards
            x = np.clip(exact.astype(np.float32), low, high)
            hit, left = occupancy.looked_up(x, towards)
            empty_until[looking[~hit]] = (t + left)[~hit]
            found = looking[hit]
            positions[found, taken[found]] = x[hit]
            distances[found, taken[found]] = t[hit]
            taken[found] += 1
            self.t[live[going]] = now + self.step
            going = going[taken[going] < count]
        kept = np.arange(count) < taken[:, None]
        return Samples(
            positions[kept],
            distances[kept],
            np.repeat(live, taken),
            np.concatenate([[0], np.cumsum(taken)]).astype(np.int32),
        )
