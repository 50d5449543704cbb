"""Torso, background and bytes."""

from __future__ import annotations

import numpy as np
import pytest

from emogene.kernels.image import masked_pixels, pixel_positions
from emogene.kernels.reference import frequency, grids, image

from .stand import CHOSEN, RAYS, SIZE, Made, needs_nvrtc, pixels_of, put_side_by_side

pytestmark = needs_nvrtc


@pytest.mark.parametrize(("first", "count"), [(0, RAYS), (64, 160)])
def test_torso_and_bytes(made: Made, first: int, count: int) -> None:
    waves = made("realtime", threshold=0.2)
    scene, a, rng = waves.scene, waves.arrays, np.random.default_rng(8)
    torso, chunk = scene.torso, waves.chunk(first, count)
    assert torso is not None
    pixel, inside = pixels_of(first, count)
    opacity = rng.uniform(0, 1, count).astype(np.float32)
    shaded = rng.random(count) < 0.5
    seen = rng.uniform(0, 1, (shaded.sum(), 3)).astype(np.float32)
    seen[3, 1] = np.nan
    a["transmittances"][:count] = 1 - opacity
    opacity = 1 - a["transmittances"][:count]
    a["places"][:count] = np.where(shaded, np.cumsum(shaded) - 1, -1)
    a["seen"][: seen.size] = seen.reshape(-1)
    waves.run("put_heads", waves.model, waves.at_frame, waves.memory, waves.picture, chunk)
    head = np.zeros((count, 4), np.float32)
    head[shaded, :3] = seen * opacity[shaded, None]
    head[:, 3] = opacity
    found = a["heads"][: 4 * count].reshape(count, 4)
    assert np.allclose(found, head, atol=1e-6, equal_nan=True)
    masked = masked_pixels(scene.weights["torso_mask"], torso.mask_resolution, SIZE)
    shows = inside & np.isin(pixel, masked) & ~(np.float32(1) - opacity < np.float32(0.2))
    assert np.array_equal(a["marks"][:count], shows) and shows.any()
    waves.scan(CHOSEN, rays=count)
    put_side_by_side(waves, waves.memory.chosen, count)
    waves.run("place_torso", waves.model, waves.at_frame, waves.memory, chunk)
    at = pixel_positions(SIZE, pixel[shows])
    encoded = frequency.frequency_encode(at, torso.octaves)
    q = a["features"][: encoded.size].reshape(encoded.shape)
    assert np.allclose(q, encoded, atol=1e-5)
    offset = rng.uniform(-0.2, 0.2, (shows.sum(), 2)).astype(np.float32)
    a["seen"][: offset.size] = offset.reshape(-1)
    waves.run("look_at_torso", waves.model, waves.memory)
    table = scene.weights[f"{torso.grid.name}.table"]
    features = grids.encode(torso.grid, table, (at + offset + np.float32(1)) * np.float32(0.5))
    wanted = np.concatenate([features, encoded, head[shows]], axis=1)
    looks = a["looks"][: wanted.size].reshape(wanted.shape)
    assert np.allclose(looks, wanted, atol=3e-5, equal_nan=True)
    rgba = np.zeros((count, 4), np.float32)
    out = rng.uniform(0, 1, (shows.sum(), 4)).astype(np.float32)
    a["seen"][: out.size] = out.reshape(-1)
    waves.run("put_pixels", waves.at_frame, waves.memory, waves.picture, chunk)
    rgba[shows] = out
    behind = scene.background.reshape(-1, 3)[pixel]
    right = image.blend(np.ascontiguousarray(head[:, :3]), opacity, rgba, behind)
    shown = waves.image.reshape(-1, 3)[pixel]
    assert (np.abs(shown.astype(int) - right)[inside] <= 1).all()
    assert np.array_equal(waves.head.reshape(-1, 4)[pixel][inside], found[inside], equal_nan=True)
    # Nobody else's pixels.
    rest = np.setdiff1d(np.arange(SIZE * SIZE), pixel[inside])
    assert (waves.image.reshape(-1, 3)[rest] == 0xFF).all() and len(rest) == (
        0 if count == RAYS else SIZE * SIZE - inside.sum()
    )
