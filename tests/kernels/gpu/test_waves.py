"""Every kernel of a frame in rounds against the NumPy reference, its memory poisoned before."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emogene.contract.camera import Intrinsics
from emogene.contract.weights import network_tensors
from emogene.kernels.compositing import CompositeState
from emogene.kernels.gpu import nvrtc
from emogene.kernels.gpu.specification import layout, networks_by_role
from emogene.kernels.gpu.wavefront_memory import ray_numbers
from emogene.kernels.image import masked_pixels, pixel_positions
from emogene.kernels.occupancy import Occupancy
from emogene.kernels.reference import (
    box,
    compositing,
    frequency,
    grids,
    harmonics,
    image,
    networks,
    rays,
    traversal,
)
from emogene.kernels.reference import fused as reference
from emogene.kernels.traversal import RAY_DONE, MarchState

from .. import fused_scenes
from .host_waves import Waves

pytestmark = pytest.mark.skipif(bool(nvrtc.missing()), reason="NVRTC is not installed")

ENTERING, SAMPLES_TAKEN, GOING_ON, CHOSEN = range(4)
SIZE = 21
SMALL = Intrinsics(SIZE, 2.4 * SIZE, 10.0, 11.0)
RAYS = ray_numbers(SIZE)

Made = Callable[..., Waves]


@pytest.fixture
def made(compiled: Path) -> Made:
    """Waves of a kind of scene."""

    def make(kind: str, rays: int = RAYS, threshold: float = 0.0) -> Waves:
        return Waves(fused_scenes.scene(kind, camera=SMALL), rays, compiled, threshold)

    return make


def pixels_of(first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixel of each ray number, and whether it lies in the picture."""
    number = np.arange(first, first + count)
    across = -(-SIZE // 8)
    tile, within = number // 64, number % 64
    row = tile // across * 8 + within // 8
    column = tile % across * 8 + within % 8
    inside = (row < SIZE) & (column < SIZE)
    return np.where(inside, row * SIZE + column, 0).astype(np.int32), inside


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


@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 500, 8192, 40_000])
def test_sums_over_all_warps_before(made: Made, count: int) -> None:
    waves = made("odd", rays=40_000)
    numbers = np.random.default_rng(count).integers(0, 9, count)
    waves.mark(numbers)
    waves.counts.live[1], waves.counts.each[1], waves.counts.given[1] = count, 3, 7
    before = waves.arrays["tiles"].copy()
    waves.scan(SAMPLES_TAKEN, 1)
    tiles = -(-count // 32)
    wanted = np.concatenate([[0], np.cumsum(before[:tiles])])[:-1]
    assert np.array_equal(waves.arrays["tiles"][:tiles], wanted)
    assert waves.counts.samples == numbers.sum() and waves.poisoned("tiles", tiles)
    # Who goes on, of 10 000 samples a round and 48 for each in all.
    waves.counts.budget = 10_000
    waves.mark(numbers % 2)
    waves.scan(GOING_ON, 1)
    on, limit = int((numbers % 2).sum()), waves.scene.field.march.max_samples
    assert waves.counts.live[0] == on and waves.counts.given[0] == 10 < limit
    assert waves.counts.each[0] == (min(max(10_000 // on, 2), 8) if on else 2)
    waves.mark(numbers % 2)
    waves.scan(CHOSEN, rays=count)
    assert waves.counts.chosen == on
    waves.counts.given[1] = limit - 3  # this round was the last one
    waves.mark(numbers % 2)
    waves.scan(GOING_ON, 1)
    assert waves.counts.live[0] == 0
    waves.mark(numbers % 2)
    waves.scan(ENTERING, rays=count)
    assert (waves.counts.live[0], waves.counts.given[0]) == (on, 0)
    assert (waves.counts.each[0], waves.counts.budget) == (2, 2 * on)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("blocks", [1, 7])
def test_chosen_items_keep_their_order(made: Made, share: float, blocks: int) -> None:
    waves, rng = made("odd"), np.random.default_rng(1)
    marked = rng.random(RAYS) < share
    waves.mark(marked)
    waves.scan(CHOSEN)
    nowhere, chosen = ctypes.c_void_p(None), ctypes.c_void_p(waves.memory.chosen)
    waves.run("choose_items", waves.memory, nowhere, RAYS, nowhere, chosen, blocks=blocks)
    wanted = np.flatnonzero(marked)
    assert np.array_equal(waves.arrays["chosen"][: len(wanted)], wanted)
    assert waves.poisoned("chosen", len(wanted))
    places = np.where(marked, np.cumsum(marked) - 1, -1)
    assert np.array_equal(waves.arrays["places"][:RAYS], places)
    # Of a list: those that go on, from one list to the other.
    names = rng.permutation(RAYS)[:300].astype(np.int32)
    waves.arrays["live"][:300], waves.counts.live[0] = names, 300
    waves.mark(marked[:300])
    waves.counts.each[0] = waves.counts.given[0] = 1
    waves.scan(GOING_ON)
    live = waves.memory.live
    where = (waves.memory.counts, live, live + 4 * RAYS)
    count, source, to = map(ctypes.c_void_p, where)
    waves.run("choose_items", waves.memory, count, RAYS, source, to, blocks=blocks)
    on = names[marked[:300]]
    assert waves.counts.live[1] == len(on)
    assert np.array_equal(waves.arrays["live"][RAYS : RAYS + len(on)], on)
    assert waves.poisoned("live", RAYS + len(on))


def started(waves: Waves) -> tuple[np.ndarray, ...]:
    """Origin, directions, near, far of all rays, which have started; live are those that enter."""
    waves.run("start_rays", waves.at_frame, waves.memory, waves.chunk())
    waves.scan(ENTERING)
    nowhere, live = ctypes.c_void_p(None), ctypes.c_void_p(waves.memory.live)
    waves.run("choose_items", waves.memory, nowhere, RAYS, nowhere, live)
    a = waves.arrays
    directions = np.stack([a["directions"][c * RAYS : (c + 1) * RAYS] for c in range(3)], axis=1)
    origin, _ = rays.camera_rays(waves.scene.inputs.pose, SMALL, np.zeros(1, np.int32))
    return origin, directions, a["spans"][:RAYS].copy(), a["spans"][RAYS : 2 * RAYS].copy()


@pytest.mark.parametrize("kind", ["realtime", "authors"])
def test_marching_goes_on_where_it_was(made: Made, kind: str) -> None:
    waves = made(kind)
    origin, directions, near, far = started(waves)
    field, a = waves.scene.field, waves.arrays
    bits = waves.scene.weights["occupancy"]
    side = field.march.occupancy_resolution
    occupancy = Occupancy.from_bits(bits, side, field.bounds_min, field.bounds_max)
    live = a["live"][: waves.counts.live[0]].copy()
    assert len(live) > 100
    state = MarchState.start(RAYS)
    for each in (1, 2, 8, 3):
        a["positions"][:] = np.nan
        waves.counts.each[0] = each
        if each > 2:  # fewer rays, so that slots suffice
            live = live[: waves.rows // each]
            a["live"][: len(live)], waves.counts.live[0] = live, len(live)
        waves.run("march_rays", waves.model, waves.at_frame, waves.memory, 0)
        wanted = traversal.march(
            origin, directions, near, far, occupancy, field.march, state, count=each, live=live
        )
        counts = np.diff(wanted.offsets)
        assert np.array_equal(a["marks"][: len(live)], counts)
        done = state.cursor[live] == RAY_DONE
        short = counts < each
        assert (a["cursors"][live][short] == RAY_DONE).all() and done[short].all()
        waves.scan(SAMPLES_TAKEN)
        waves.run("place_samples", waves.memory, 0)
        total = len(wanted)
        assert waves.counts.samples == total
        slots = a["slots"][:total]
        ray = np.repeat(np.arange(len(live)), counts)
        within = np.arange(total) - np.repeat(wanted.offsets[:-1], counts)
        assert np.array_equal(slots, ray * each + within)
        assert np.array_equal(a["places"][: len(live)], wanted.offsets[:-1])
        found = a["positions"].reshape(-1, 4)[: waves.rows][slots]
        assert np.array_equal(found[:, :3], wanted.positions)
        assert np.array_equal(found[:, 3], wanted.distances)


def sampled(waves: Waves, count: int, seed: int) -> np.ndarray:
    """Random positions, some of them beyond the bounds, in shuffled slots."""
    rng, field = np.random.default_rng(seed), waves.scene.field
    low, high = np.asarray(field.bounds_min), np.asarray(field.bounds_max)
    positions = rng.uniform(low - 0.1, high + 0.1, (count, 3)).astype(np.float32)
    slots = rng.permutation(waves.rows)[:count]
    waves.arrays["positions"].reshape(-1, 4)[slots, :3] = positions
    waves.arrays["slots"][:count] = slots
    waves.counts.samples = count
    return positions


@pytest.mark.parametrize("kind", ["realtime", "surface", "authors", "odd"])
@pytest.mark.parametrize("count", [0, 1, 333, 2 * RAYS])
def test_grids_are_read(made: Made, kind: str, count: int) -> None:
    waves = made(kind)
    waves.bake()
    field, scene, a = waves.scene.field, waves.scene, waves.arrays
    positions = sampled(waves, count, seed=count)
    plain = reference.FusedField(field, scene.weights)
    waves.run("encode_samples", waves.model, waves.memory)
    at = np.random.default_rng(2).uniform(-1, 1, (count, 3)).astype(np.float32)
    if field.ambient is not None:
        width, outputs = field.grids[0].width, field.ambient.outputs
        first = a["looks"][: count * width].reshape(count, width)
        features = a["features"][: count * field.feature_width]
        features = features.reshape(count, field.feature_width)
        assert np.array_equal(first, features[:, :width])
        a["seen"][: count * outputs] = at[:, :outputs].reshape(-1)
        waves.run("encode_ambient", waves.model, waves.memory)
    moved = plain._moved(scene.inputs, positions)
    parts = []
    for grid in field.grids:
        if grid.read_at == "ambient":
            unit = (at[:, : grid.dimensions] + np.float32(1)) * np.float32(0.5)
            parts.append(grids.encode(grid, scene.weights[f"{grid.name}.table"], unit))
        else:
            parts.append(plain._read(grid, positions, moved))
    if field.displacement_gain:
        parts.append(moved * np.float32(field.displacement_gain))
    wanted = np.concatenate(parts, axis=1)
    found = a["features"][: wanted.size].reshape(wanted.shape)
    # Eight products in another order.
    assert np.allclose(found, wanted, atol=2e-5, rtol=0)
    assert waves.poisoned("features", wanted.size)


def test_a_position_that_is_no_number_reads_zeros(made: Made) -> None:
    waves = made("odd")
    sampled(waves, 4, seed=0)
    slots = waves.arrays["positions"].reshape(-1, 4)
    slots[:, :3] = 0.1
    slots[waves.arrays["slots"][2], 1] = np.nan
    waves.run("encode_samples", waves.model, waves.memory)
    width = waves.scene.field.feature_width
    rows = waves.arrays["features"][: 4 * width].reshape(4, width)[:, :8]
    assert not rows[2].any() and rows[[0, 1, 3]].any(axis=1).all()


ROLES = [
    (kind, role)
    for kind, field in fused_scenes.fields().items()
    for role in networks_by_role(field, fused_scenes.TORSO)
    if kind in ("authors", "realtime") or not role.startswith("torso")
]


@pytest.mark.parametrize(("kind", "role"), ROLES)
def test_networks(made: Made, kind: str, role: str) -> None:
    waves = made(kind)
    scene = waves.scene
    network = networks_by_role(scene.field, scene.torso)[role]
    plain = reference.FusedField(scene.field, scene.weights, scene.torso)
    assert network_tensors(network).keys() <= scene.weights.keys()
    most = min(
        waves.arrays["features"].size // network.inputs, waves.arrays["raw"].size // network.outputs
    )
    for count in (0, 1, 200, most):
        for name in ("features", "raw"):
            waves.arrays[name].view(np.uint8)[:] = 0xFF
        rows = np.random.default_rng(count).normal(0, 1, (count, network.inputs))
        rows = rows.astype(np.float32)
        if count > 100:
            rows[77, -1] = np.nan
        waves.arrays["features"][: rows.size] = rows.reshape(-1)
        waves.counts.samples = waves.counts.chosen = count
        waves.network(role, "chosen" if role.startswith("torso") else "samples", "features", "raw")
        found = waves.arrays["raw"][: count * network.outputs].reshape(count, network.outputs)
        fine = np.isfinite(rows).all(axis=1)
        wanted = plain.network(scene.inputs, network, rows)
        if role in ("colour", "torso_colour"):
            wanted = networks.sigmoid(wanted)
        elif role != "density":
            reach = scene.torso.deform_range if role == "torso_deform" and scene.torso else 1.0
            wanted = np.tanh(wanted) * np.float32(reach)
        # Sums of up to 64 products in another order, a layer after another.
        assert np.allclose(found[fine], wanted[fine], atol=1e-4, rtol=1e-4)
        assert waves.poisoned("raw", count * network.outputs)


@pytest.mark.parametrize("kind", ["realtime", "surface", "authors"])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 2.0])
def test_samples_are_composited(made: Made, kind: str, threshold: float) -> None:
    waves = made(kind, threshold=threshold)
    field, a, rng = waves.scene.field, waves.arrays, np.random.default_rng(5)
    started(waves)
    each = 4
    live = rng.permutation(RAYS)[: waves.rows // each].astype(np.int32)
    counts = rng.integers(0, each + 1, len(live))
    counts[:50] = each
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    total, outputs, width = offsets[-1], field.density.outputs, 3
    raw = rng.normal(-1, 2, (total, outputs)).astype(np.float32)
    seen = rng.uniform(0, 1, (total, 3)).astype(np.float32)
    distances = rng.uniform(5, 9, total).astype(np.float32)
    a["live"][: len(live)], waves.counts.live[0], waves.counts.each[0] = live, len(live), each
    a["places"][: len(live)] = offsets[:-1]
    waves.mark(counts)
    a["raw"][: raw.size] = raw.reshape(-1)
    within = np.arange(total) - np.repeat(offsets[:-1], counts)
    slots = np.repeat(np.arange(len(live)), counts) * each + within
    if field.colour_at == "sample":
        a["seen"][: seen.size] = seen.reshape(-1)
        values = seen
    else:
        a["positions"].reshape(-1, 4)[slots, 3] = distances
        values = np.concatenate([raw[:, 1:], distances[:, None]], axis=1)
        width = outputs
    # Rays that have gathered something before.
    state = CompositeState.start(RAYS, width)
    state.transmittance[:] = rng.uniform(0.05, 1, RAYS)
    state.channels[:] = rng.normal(0, 1, state.channels.shape)
    a["transmittances"][:RAYS] = state.transmittance
    for c in range(width):
        a["channels"][c * RAYS : (c + 1) * RAYS] = state.channels[:, c]
    waves.run("composite_samples", waves.at_frame, waves.memory, 0)
    sigmas = np.exp(np.clip(raw[:, 0] + np.float32(field.density_shift), -15, 15))
    compositing.composite(
        sigmas, values, offsets, field.march.step, state, threshold=threshold, live=live
    )
    near = {"rtol": 0, "atol": 2e-5}
    assert np.allclose(a["transmittances"][:RAYS], state.transmittance, **near)
    found = np.stack([a["channels"][c * RAYS : (c + 1) * RAYS] for c in range(width)], axis=1)
    assert np.allclose(found, state.channels, rtol=1e-4, atol=1e-4)
    assert np.array_equal(a["taken"][:RAYS], state.used)
    on = (counts == each) & ~(state.transmittance[live] < threshold)
    on &= state.used[live] == counts
    assert np.array_equal(a["marks"][: len(live)], on)
    assert on.any() == (threshold < 1) and (threshold < 2 or not state.used.any())


def test_a_density_that_is_no_number_stops_nothing(made: Made) -> None:
    waves = made("realtime")
    started(waves)
    a = waves.arrays
    waves.counts.live[0], waves.counts.each[0] = 40, 1
    a["live"][:40], a["places"][:40] = np.arange(40), np.arange(40)
    waves.mark(np.ones(40, np.int32))
    a["raw"][:] = 0.0
    a["positions"][:] = 1.0
    a["raw"][7 * waves.scene.field.density.outputs] = np.nan
    waves.run("composite_samples", waves.at_frame, waves.memory, 0)
    # The least density there is.
    assert np.isfinite(a["transmittances"][:40]).all() and 0.999 < a["transmittances"][7] <= 1
    assert a["marks"][:40].all() and (a["taken"][:40] == 1).all()


@pytest.mark.parametrize("kind", ["realtime", "surface"])
def test_colours_of_rays(made: Made, kind: str) -> None:
    waves = made(kind)
    waves.bake()
    origin, directions, _, _ = started(waves)
    scene, field, a = waves.scene, waves.scene.field, waves.arrays
    rng = np.random.default_rng(6)
    taken = rng.integers(0, 3, RAYS)
    taken[rng.random(RAYS) < 0.5] = 0
    state = CompositeState.start(RAYS, field.geometry_width + 1)
    state.transmittance[:] = np.where(taken > 0, rng.uniform(0, 1, RAYS), 1)
    state.channels[:] = rng.normal(0, 0.3, state.channels.shape) * (taken > 0)[:, None]
    state.channels[:, -1] = 9 * (1 - state.transmittance)
    a["taken"][:RAYS], a["transmittances"][:RAYS] = taken, state.transmittance
    for c in range(state.channels.shape[1]):
        a["channels"][c * RAYS : (c + 1) * RAYS] = state.channels[:, c]
    waves.run("mark_hits", waves.memory, waves.picture, RAYS)
    assert waves.totals.tolist() == [taken.sum(), (taken > 0).sum()]
    waves.scan(CHOSEN)
    nowhere, chosen = ctypes.c_void_p(None), ctypes.c_void_p(waves.memory.chosen)
    waves.run("choose_items", waves.memory, nowhere, RAYS, nowhere, chosen)
    waves.run("look_at_rays", waves.model, waves.at_frame, waves.memory)
    waves.network("colour", "chosen", "looks", "seen")
    waves.run("put_heads", waves.model, waves.at_frame, waves.memory, waves.picture, waves.chunk())
    plain = reference.FusedField(field, scene.weights, scene.torso)
    wanted = plain._shade(scene.inputs, origin, directions, state) * (taken > 0)[:, None]
    heads = a["heads"][: 4 * RAYS].reshape(RAYS, 4)
    assert np.allclose(heads[:, :3], wanted, atol=2e-4) and wanted.any()
    assert np.array_equal(heads[:, 3], 1 - state.transmittance)


def test_colours_of_samples(made: Made) -> None:
    waves, rng = made("authors"), np.random.default_rng(7)
    _, directions, _, _ = started(waves)
    field, a = waves.scene.field, waves.arrays
    each, total = 3, 500
    live = rng.permutation(RAYS)[: waves.rows // each]
    slots = np.sort(rng.permutation(len(live) * each)[:total])
    raw = rng.normal(0, 1, (total, field.density.outputs)).astype(np.float32)
    a["live"][RAYS : RAYS + len(live)], waves.counts.each[1] = live, each
    a["slots"][:total], waves.counts.samples = slots, total
    a["raw"][: raw.size] = raw.reshape(-1)
    waves.run("look_at_samples", waves.memory, 1)
    seen = harmonics.spherical_harmonics(directions[live[slots // each]], field.directions)
    wanted = np.concatenate([seen, raw[:, 1:]], axis=1)
    found = a["looks"][: wanted.size].reshape(wanted.shape)
    assert np.allclose(found, wanted, atol=1e-6) and waves.poisoned("looks", wanted.size)


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
    nowhere, chosen = ctypes.c_void_p(None), ctypes.c_void_p(waves.memory.chosen)
    waves.run("choose_items", waves.memory, nowhere, count, nowhere, chosen)
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


@pytest.mark.parametrize("kind", tuple(fused_scenes.fields()))
def test_weights_lie_where_four_are_loaded_at_once(made: Made, kind: str) -> None:
    waves = made(kind)
    places = layout(waves.scene.field, waves.scene.torso).parameters
    assert places and all(4 * at % 16 == 0 for at in places.values())
