"""Rays start where they enter the box."""

from __future__ import annotations

import numpy as np
import pytest

from emogene.kernels.reference import box, rays

from .stand import ENTERING, RAYS, SMALL, Made, needs_nvrtc, pixels_of

pytestmark = needs_nvrtc


@pytest.mark.parametrize(("first", "count"), [(0, RAYS), (64, 100), (RAYS - 7, 7), (5, 0)])
def test_rays_start_where_the_box_is(made: Made, first: int, count: int) -> None:
    waves = made("authors")
    waves.run("start_rays", waves.at_frame, waves.memory, waves.chunk(first, count))
    scene, a = waves.scene, waves.arrays
    pixel, inside = pixels_of(first, count)
    origin, directions = rays.camera_rays(scene.inputs.pose, SMALL, pixel)
    near, far = box.box_interval(
        origin, directions, *scene.field.entry_box, scene.field.march.min_near
    )
    enters = inside & (far > near)
    assert np.array_equal(a["marks"][:count], enters)
    assert count < RAYS or 50 < enters.sum() < RAYS - 50
    found = np.stack([a["directions"][c * RAYS : c * RAYS + count] for c in range(3)], axis=1)
    assert np.array_equal(found[inside], directions[inside])
    assert np.array_equal(a["spans"][:count][inside], near[inside])
    assert np.array_equal(a["spans"][RAYS : RAYS + count][inside], far[inside])
    assert (a["transmittances"][:count] == 1).all() and not a["taken"][:count].any()
    assert not a["cursors"][:count].any()
    for c in range(3):
        assert not a["channels"][c * RAYS : c * RAYS + count].any()
    sums = np.add.reduceat(enters, np.arange(0, count, 32)) if count else np.zeros(0)
    assert np.array_equal(a["tiles"][: len(sums)], sums)
    for name in ("marks", "taken", "cursors", "transmittances"):
        assert waves.poisoned(name, count)


def test_rays_of_a_pose_that_is_no_number_never_start(made: Made) -> None:
    waves = made("authors")
    waves.frame["pose"][0, 1, 2] = np.nan
    waves.run("start_rays", waves.at_frame, waves.memory, waves.chunk())
    waves.scan(ENTERING)
    assert not waves.arrays["marks"][:RAYS].any() and waves.counts.live[0] == 0
