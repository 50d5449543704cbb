"""Inputs for the kernels' tests: ordinary ones, with outliers and edges strewn in."""

from __future__ import annotations

import numpy as np

from emogene.contract.camera import Intrinsics
from emogene.contract.field import DisplacementSpec, GridLevel, GridSpec, MarchSpec
from emogene.kernels.box import box_interval
from emogene.kernels.occupancy import Occupancy

LOW, HIGH = (-1.15, -1.55, -1.3), (1.15, 1.6, 1.3)
CAMERA = Intrinsics(48, 48 * 2.4, 23.5, 22.0)
MARCH = MarchSpec(step=0.045, phase=0.5, min_near=0.05, max_samples=64, occupancy_resolution=24)
DISPLACEMENT = DisplacementSpec((9, 10, 7), 0.15)

GRIDS = {
    "wrapped by mask": GridSpec.tiled("g", levels=5, base=4, finest=64, log2_size=10),
    "axes left out": GridSpec.tiled(
        "g", levels=4, base=16, finest=512, log2_size=12, features=4, keep_all_axes=False
    ),
    "plane": GridSpec.tiled(
        "g", dimensions=2, levels=6, base=8, finest=300, log2_size=11, features=1
    ),
    "odd sizes": GridSpec(
        "g",
        3,
        8,
        (
            GridLevel(6.3, (1, 9, 81), 1000),
            GridLevel(99.9, (1, 101, 10201), 997),
            GridLevel(1e4, (1, 70001, 2**32 - 5), 104729),
            GridLevel(0.0, (1, 1, 1), 1),
        ),
    ),
}


def generator() -> np.random.Generator:
    return np.random.default_rng(7)


def poses(count: int = 5) -> np.ndarray:
    """Head poses some 9 units before the camera, turned by up to half a radian."""
    rng = generator()
    made = np.zeros((count, 3, 4), np.float32)
    for pose in made:
        q, _ = np.linalg.qr(np.eye(3) + 0.3 * rng.normal(size=(3, 3)))
        pose[:, :3] = np.diag([1, -1, -1]) @ (q * np.sign(np.diag(q)))
        pose[:, 3] = np.add(rng.normal(0, 0.2, 3), [0, 0, 9])
    return made


def edge_rays() -> tuple[np.ndarray, np.ndarray]:
    """Origins (N, 3) and unit directions (N, 3) of rays that are hard to get right."""
    rng = generator()
    low, high = np.asarray(LOW, np.float32), np.asarray(HIGH, np.float32)
    rays: list[tuple[object, object]] = []
    for _ in range(120):  # towards the box from all sides, some past it
        origin = rng.normal(size=3) * 6
        rays.append((origin, rng.uniform(low, high) * 1.3 - origin))
    for _ in range(30):  # from inside
        rays.append((rng.uniform(low, high), rng.normal(size=3)))
    for axis in range(3):
        for sign in (-1.0, 1.0):
            along = np.eye(3)[axis] * sign
            rays.append((-5 * along, along))  # parallel to an axis, through the middle
            rays.append((5 * along, along))  # away from the box
            rays.append((np.zeros(3), along))
            for face in (low, high):  # within a face, along its edge, just outside it
                rays.append((np.where(np.eye(3)[axis - 1] > 0, face, 0) - 4 * along, along))
                rays.append((np.where(along != 0, -4 * along, face), along))
                rays.append((np.where(along != 0, -4 * along, face * 1.0001), along))
            tilted = along.copy()
            tilted[axis - 1] = 1e-30  # all but parallel
            rays.append((-5 * along, tilted))
            tilted[axis - 1] = -0.0
            rays.append((-5 * along, tilted))
    for corner in np.ndindex(2, 2, 2):  # grazing the corners
        point = np.where(corner, high, low)
        rays.append((point * 3, np.cross(point, [0.1, 0.7, 0.2])))
        rays.append((point * 3, -point))
    rays.append((np.full(3, 1e6), np.full(3, -1.0)))  # from far away
    origins = np.asarray([origin for origin, _ in rays], np.float32)
    directions = np.asarray([direction for _, direction in rays], np.float32)
    norm = np.linalg.norm(directions, axis=1, keepdims=True).astype(np.float32)
    return origins, np.ascontiguousarray(directions / norm, np.float32)


def occupancies() -> dict[str, Occupancy]:
    """Empty, full, one cell, a shell, and scattered cells of a resolution no block divides."""
    rng = generator()
    z, y, x = np.indices((24, 24, 24)) - 11.5
    radius = np.sqrt(x * x + y * y + z * z)
    one = np.zeros((24, 24, 24), np.bool_)
    one[5, 17, 9] = True
    cells = {
        "empty": np.zeros((24, 24, 24), np.bool_),
        "full": np.ones((24, 24, 24), np.bool_),
        "one cell": one,
        "shell": (radius > 7) & (radius < 9),
        "scattered": rng.random((13, 13, 13)) < 0.02,
        "single": np.ones((1, 1, 1), np.bool_),
    }
    return {name: Occupancy.from_cells(c, LOW, HIGH) for name, c in cells.items()}


def marched(occupancy: Occupancy) -> dict[str, object]:
    """Arguments of `march` for the edge rays."""
    origins, directions = edge_rays()
    near, far = box_interval(origins, directions, LOW, HIGH, MARCH.min_near)
    far[3] = np.nan
    far[4] = np.inf  # would go on for ever
    far[5] = near[5] + 1.5 * MARCH.step  # one lattice point
    near[6] = np.nan
    return {
        "origins": origins,
        "directions": directions,
        "near": near,
        "far": far,
        "occupancy": occupancy,
    }


def edge_coordinates(dimensions: int, count: int = 400) -> np.ndarray:
    """Coordinates of a unit square or cube, its corners, and places just outside and far off."""
    u = generator().random((count, dimensions)).astype(np.float32)
    special = [0.0, 1.0, -0.0, 0.5, np.nextafter(1, 2), -1e-7, 1e-40, np.nan, np.inf, -5.0]
    for i, value in enumerate(special):
        u[i, i % dimensions] = value
        u[20 + i] = value
    return u


def edge_samples(channels: int = 5) -> dict[str, object]:
    """Arguments of `composite`: rays without samples, with one, with many; mad densities."""
    rng = generator()
    counts = rng.integers(0, 30, 60)
    counts[:4] = [0, 1, 100, 0]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    sigmas = np.exp(rng.normal(1.5, 2.5, offsets[-1])).astype(np.float32)
    sigmas[::7] = 0.0
    sigmas[5::53] = 1e30
    sigmas[11::61] = np.inf
    sigmas[13::67] = 1e-30
    values = rng.normal(size=(len(sigmas), channels)).astype(np.float32)
    values[::17] *= 1e4
    return {"sigmas": sigmas, "values": values, "offsets": offsets, "step": 0.045}


def landmarks(frames: int) -> dict[str, np.ndarray]:
    rng = generator()
    rest = (rng.normal(size=(68, 3)) * 0.4).astype(np.float32)
    moved = rest + rng.normal(0, 0.05, (frames, 68, 3))
    moved[-1, :5] += 100.0  # landmarks gone astray must not make anything else of the face
    falloff = (1 / (2 * rng.uniform(0.05, 0.2, 68) ** 2)).astype(np.float32)
    return {"rest": rest, "falloff": falloff, "landmarks": moved.astype(np.float32)}
