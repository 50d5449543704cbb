"""The kernels' NumPy reference and this PyTorch one say the same of the same contract."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from emogene.contract.camera import Intrinsics
from emogene.contract.field import GridSpec
from emogene.kernels.occupancy import Occupancy
from emogene.kernels.reference.box import box_interval
from emogene.kernels.reference.displacement import bake_displacement, read_displacement
from emogene.kernels.reference.frequency import frequency_encode
from emogene.kernels.reference.grids import encode
from emogene.kernels.reference.harmonics import spherical_harmonics as kernel_harmonics
from emogene.kernels.reference.rays import camera_rays as kernel_rays
from emogene.kernels.reference.traversal import march as kernel_march
from emogene.kernels.traversal import MarchState
from emogene.reference.demo import demo_head, demo_torso
from emogene.reference.grids import (
    encode_frequencies,
    encode_grid,
    read_nodes,
    spherical_harmonics,
)
from emogene.reference.tiny import tiny
from emogene.reference.volume_rendering import camera_rays, march

GRIDS = (*demo_head().field.grids, demo_torso().torso.grid)


def uniform(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, np.float32)


@pytest.mark.parametrize("grid", GRIDS, ids=lambda g: g.name)
def test_grids(grid: GridSpec) -> None:
    table = uniform(grid.entries, grid.features)
    points = uniform(500, grid.dimensions, seed=1) * 1.1 - 0.05
    ours = encode_grid(grid, torch.from_numpy(table), torch.from_numpy(points)).numpy()
    np.testing.assert_allclose(ours, encode(grid, table, points), atol=1e-6)


def test_directions_and_frequencies() -> None:
    d = uniform(100, 3) - 0.5
    d /= np.linalg.norm(d, axis=1, keepdims=True)
    ours = spherical_harmonics(torch.from_numpy(d), 4).numpy()
    np.testing.assert_allclose(ours, kernel_harmonics(d, 4), atol=2e-6)
    p = uniform(100, 2) * 2 - 1
    ours = encode_frequencies(torch.from_numpy(p), 3).numpy()
    np.testing.assert_allclose(ours, frequency_encode(p, 3), atol=2e-6)


def test_displacement() -> None:
    head = tiny().head
    spec, low, high = head.spec.displacement, head.spec.bounds_min, head.spec.bounds_max
    assert spec is not None
    rest, falloff = head.displacement.rest, head.displacement.falloff
    frames = rest + 0.05 * torch.randn(2, 68, 3, generator=torch.Generator().manual_seed(1))
    nodes = head.displacement.bake(frames, head.low, head.high)
    theirs = bake_displacement(spec, rest.numpy(), falloff.numpy(), frames.numpy(), low, high)
    np.testing.assert_allclose(nodes.numpy(), theirs, atol=1e-6)
    x = torch.from_numpy(uniform(300, 3) * 3 - 1.5)
    which = torch.arange(300) % 2
    ours = read_nodes(nodes, (x - head.low) / (head.high - head.low), which)
    read = read_displacement(theirs, x.numpy(), low, high, frames=which.numpy().astype(np.int32))
    np.testing.assert_allclose(ours.numpy(), read, atol=1e-6)


def test_rays_and_samples() -> None:
    avatar = tiny()
    head, spec = avatar.head, avatar.head.spec
    camera = Intrinsics(48, 48 * 9 / 3.65, 24.0, 22.0)
    pose = avatar.poses[30]
    rays = camera_rays(camera, torch.from_numpy(pose))
    origin, directions = kernel_rays(pose, camera, np.arange(48 * 48, dtype=np.int32))
    np.testing.assert_allclose(rays.origins[0], origin, atol=1e-6)
    np.testing.assert_allclose(rays.directions, directions, atol=1e-6)

    ours = march(rays, head.occupancy, head.low, head.high, spec.march)
    bounds = (spec.bounds_min, spec.bounds_max)
    near, far = box_interval(origin, directions, *bounds, spec.march.min_near)
    resolution = spec.march.occupancy_resolution
    # The distances are for leaping, which the NumPy walk does not do.
    nowhere = np.zeros((resolution // 4,) * 3, np.uint8)
    cells = Occupancy(head.occupancy.numpy(), resolution, *bounds, distance=nowhere)
    state = MarchState.start(len(directions))
    theirs = kernel_march(origin, directions, near, far, cells, spec.march, state)
    counts = ours.offsets.diff().numpy(), np.diff(theirs.offsets)
    # A sample on the very edge of a cell may fall to either side.
    assert np.mean(counts[0] != counts[1]) < 0.01
    assert len(theirs.distances) > 1000
    same = np.flatnonzero(counts[0] == counts[1])
    pick = np.isin(ours.rays.numpy(), same), np.isin(theirs.rays, same)
    distances = ours.distances.numpy()[pick[0]], theirs.distances[pick[1]]
    np.testing.assert_allclose(*distances, atol=1e-5)
