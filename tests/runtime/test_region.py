"""No pixel whose ray takes a sample is left out."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from emogene.contract.camera import Intrinsics
from emogene.contract.field import MarchSpec
from emogene.kernels import box, rays
from emogene.kernels.occupancy import Occupancy
from emogene.kernels.traversal import MarchState, march
from emogene.runtime.render.region import HeadRegion

from .pose_tracks import track

LOW, HIGH = (-1.0, -1.4, -1.2), (1.0, 1.2, 1.3)
CAMERA = Intrinsics(96, 200.0, 50.0, 44.0)


def cells(kind: str, side: int) -> NDArray[np.bool_]:
    full = np.zeros((side, side, side), bool)
    if kind == "ball":
        axis = (np.arange(side) + 0.5) / side * 2 - 1
        z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
        full = x**2 + y**2 + z**2 < 0.6
    elif kind == "one cell":
        full[side // 3, side // 2, side - 1] = True
    elif kind == "full":
        full[:] = True
    return full


@pytest.mark.parametrize("kind", ["ball", "one cell", "full", "empty"])
@pytest.mark.parametrize("side", [16, 30])
@pytest.mark.parametrize("angle", [0, 25, -60])
def test_every_ray_that_takes_a_sample_is_inside(kind: str, side: int, angle: float) -> None:
    occupied = cells(kind, side)
    pose = track([angle])[0]
    everything = np.arange(CAMERA.size**2, dtype=np.int32)
    origins, directions = rays.camera_rays(pose, CAMERA, everything)
    near, far = box.box_interval(origins, directions, LOW, HIGH, 0.05)
    state = MarchState.start(len(everything))
    spec = MarchSpec(0.02, 0.5, 0.05, 4, side)
    march(origins, directions, near, far, Occupancy.from_cells(occupied, LOW, HIGH), spec, state)
    hit = np.flatnonzero(state.taken)
    found = HeadRegion(occupied, LOW, HIGH).pixels(pose, CAMERA)
    assert found.dtype == np.int32 and (np.diff(found) > 0).all()
    assert np.isin(hit, found).all()
    if kind in ("ball", "one cell"):
        assert len(hit) > 0 and len(found) < len(everything)
    if kind == "empty":
        assert len(found) == 0


def test_a_head_around_the_camera_covers_the_picture() -> None:
    pose = track([0])[0].copy()
    pose[2, 3] = 0.0
    found = HeadRegion(cells("ball", 16), LOW, HIGH).pixels(pose, CAMERA)
    assert len(found) == CAMERA.size**2
