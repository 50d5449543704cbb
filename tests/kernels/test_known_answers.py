"""What the kernels must give where the answer is known without them."""

from __future__ import annotations

import numpy as np
import pytest

from emogene.contract.camera import Intrinsics
from emogene.contract.field import DisplacementSpec, GridLevel, GridSpec, MarchSpec
from emogene.kernels.box import box_interval
from emogene.kernels.compositing import CompositeState, composite
from emogene.kernels.displacement import bake_displacement, in_bricks, read_displacement
from emogene.kernels.frequency import frequency_encode
from emogene.kernels.grids import encode
from emogene.kernels.harmonics import spherical_harmonics
from emogene.kernels.image import blend, masked_pixels, pixel_positions, pixel_rectangle
from emogene.kernels.occupancy import Occupancy, cell_maximum, dilate, mark_segments, pack_cells
from emogene.kernels.rays import camera_rays
from emogene.kernels.traversal import RAY_DONE, MarchState, march

from . import scenes

CUBE = ((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0))


def test_rays_go_through_what_the_camera_sees_at_their_pixel() -> None:
    camera, pixels = scenes.CAMERA, np.arange(48 * 48, dtype=np.int32)
    pose = scenes.poses()[0].astype(np.float64)
    origin, directions = camera_rays(pose.astype(np.float32), camera, pixels)
    seen = (origin + 7.5 * directions.astype(np.float64)) @ pose[:, :3].T + pose[:, 3]
    u = camera.focal * seen[:, 0] / seen[:, 2] + camera.cx
    v = camera.focal * seen[:, 1] / seen[:, 2] + camera.cy
    np.testing.assert_allclose(u, pixels % 48 + 0.5, atol=1e-3)
    np.testing.assert_allclose(v, pixels // 48 + 0.5, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, atol=1e-6)


def test_ray_of_the_principal_point_is_the_optical_axis() -> None:
    camera = Intrinsics(9, 20.0, 4.5, 4.5)
    facing = np.array([[1, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, 9]], np.float32)
    origin, directions = camera_rays(facing, camera, np.array([4 * 9 + 4], np.int32))
    np.testing.assert_array_equal(origin, [0, 0, 9])
    np.testing.assert_array_equal(directions, [[0, 0, -1]])


@pytest.mark.parametrize(
    ("origin", "direction", "near", "far"),
    [
        ((0, 0, 5), (0, 0, -1), 4, 6),
        ((0, 0, 0), (1, 0, 0), 0.05, 1),
        ((0.25, 1, 5), (0, 0, -1), 4, 6),  # within a face: it belongs to the box
        ((-3, -3, 0), (np.sqrt(0.5), np.sqrt(0.5), 0), np.sqrt(8), np.sqrt(32)),
    ],
)
def test_box(origin: object, direction: object, near: float, far: float) -> None:
    found = box_interval(np.float32(origin), np.float32([direction]), *CUBE, 0.05)
    np.testing.assert_allclose(np.ravel(found), [near, far], rtol=1e-6)


@pytest.mark.parametrize(
    ("origin", "direction"),
    [((0, 0, 5), (0, 0, 1)), ((0, 1.01, 5), (0, 0, -1)), ((3, 0, 5), (0, 0.6, -0.8))],
)
def test_box_missed(origin: object, direction: object) -> None:
    near, far = box_interval(np.float32(origin), np.float32([direction]), *CUBE, 0.05)
    assert far < near


def test_march_through_one_cell_of_a_box() -> None:
    cells = np.zeros((4, 4, 4), np.bool_)
    cells[2, 2, 2] = True  # 0 <= x, y, z < 0.5
    spec = MarchSpec(0.1, 0.5, 0.05, 100, 4)
    state = MarchState.start(1)
    origin, direction = np.float32([0.2, 0.2, 5]), np.float32([[0, 0, -1]])
    near, far = box_interval(origin, direction, *CUBE, 0.05)
    samples = march(origin, direction, near, far, Occupancy.from_cells(cells, *CUBE), spec, state)
    np.testing.assert_allclose(samples.distances, [4.55, 4.65, 4.75, 4.85, 4.95], rtol=1e-6)
    np.testing.assert_allclose(samples.positions[:, 2], 5 - samples.distances, atol=1e-6)
    np.testing.assert_array_equal(samples.offsets, [0, 5])
    assert state.cursor[0] == RAY_DONE
    assert state.taken[0] == 5


@pytest.mark.parametrize("sign", [1, -1])
def test_march_leaps_no_further_than_empty_space_reaches(sign: int) -> None:
    """A lattice point exactly on the face where the set cell begins is not leapt over."""
    cells = np.zeros((32, 32, 32), np.bool_)
    cells[1, 1, 12] = cells[1, 1, 19] = True
    occupancy = Occupancy.from_cells(cells, (0, 0, 0), (32, 32, 32))
    assert occupancy.distance[0, 0, 0] == 3
    x = -4 if sign > 0 else 36
    samples = march(
        np.float32([x, 1.5, 1.5]),
        np.float32([[sign, 0, 0]]),
        np.float32([4]),
        np.float32([36]),
        occupancy,
        MarchSpec(1.0, 0.0, 0.05, 100, 32),
        MarchState.start(1),
    )
    np.testing.assert_array_equal(samples.positions[:, 0], [12, 19] if sign > 0 else [19, 12])


def test_march_ends_though_a_ray_does_not() -> None:
    empty = Occupancy.from_cells(np.zeros((8, 8, 8), np.bool_), *CUBE)
    state = MarchState.start(1)
    samples = march(
        np.float32([0, 0, 5]),
        np.float32([[0, 0, -1]]),
        np.float32([4]),
        np.float32([np.inf]),
        empty,
        scenes.MARCH,
        state,
    )
    assert len(samples) == 0
    assert state.cursor[0] == RAY_DONE


def test_homogeneous_medium_lets_through_exp_of_minus_its_thickness() -> None:
    sigma, step, n = 0.7, 0.02, 50
    state = CompositeState.start(1, 2)
    values = np.tile(np.float32([1.0, -3.0]), (n, 1))
    weights = composite(np.full(n, sigma, np.float32), values, np.int32([0, n]), step, state)
    left = np.exp(-sigma * step * n)
    np.testing.assert_allclose(state.transmittance, [left], rtol=1e-5)
    np.testing.assert_allclose(state.opacity, [1 - left], rtol=1e-5)
    np.testing.assert_allclose(state.channels, [[1 - left, -3 * (1 - left)]], rtol=1e-5)
    np.testing.assert_allclose(weights[1:] / weights[:-1], np.exp(-sigma * step), rtol=1e-4)
    assert state.used[0] == n


def test_opaque_sample_hides_the_rest_and_stops_the_ray() -> None:
    state = CompositeState.start(1, 1)
    weights = composite(
        np.float32([0.0, np.inf, 5.0]),
        np.float32([[1.0], [2.0], [np.nan]]),
        np.int32([0, 3]),
        0.1,
        state,
        threshold=1e-4,
    )
    np.testing.assert_array_equal(weights, [0, 1, 0])
    np.testing.assert_array_equal(state.channels, [[2.0]])
    np.testing.assert_array_equal(state.used, [2])
    np.testing.assert_array_equal(state.transmittance, [0])


def test_exponential_is_exact_to_two_units_over_the_whole_range() -> None:
    x = np.linspace(0, 87, 400_001).astype(np.float32)
    state = CompositeState.start(len(x), 1)
    offsets = np.arange(len(x) + 1, dtype=np.int32)
    composite(x, np.zeros((len(x), 1), np.float32), offsets, 1.0, state)
    exact = np.exp(-x.astype(np.float64))
    assert (np.abs(state.transmittance - exact) / np.spacing(exact.astype(np.float32))).max() < 2


def test_grid_reads_a_linear_function_exactly() -> None:
    side = 9
    level = GridLevel(side - 2.0, (1, side, side * side), side**3)
    grid = GridSpec("g", 3, 1, (level,))
    z, y, x = np.indices((side,) * 3, np.float32)
    table = (x + 10 * y - 4 * z).reshape(-1, 1)
    u = scenes.generator().random((100, 3)).astype(np.float32)
    at = u * np.float32(level.scale) + 0.5
    np.testing.assert_allclose(encode(grid, table, u)[:, 0], at @ [1, 10, -4], rtol=1e-4, atol=1e-4)


def test_grid_outside_is_zero_and_its_corners_are_inside() -> None:
    grid = scenes.GRIDS["wrapped by mask"]
    table = np.ones((grid.entries, 2), np.float32)
    u = np.float32([[0, 0, 0], [1, 1, 1], [1.0001, 0.5, 0.5], [0.5, -1e-7, 0.5], [np.nan] * 3])
    rows = encode(grid, table, u)
    np.testing.assert_allclose(rows[:2], 1, rtol=1e-6)
    np.testing.assert_array_equal(rows[2:], 0)


def test_harmonics_are_orthonormal_on_the_sphere() -> None:
    """Exactly so under a product rule: Gauss in z, uniform in the azimuth."""
    z, weight = np.polynomial.legendre.leggauss(8)
    azimuth = np.arange(16) * (2 * np.pi / 16)
    r = np.sqrt(1 - z * z)[:, None]
    xyz = [r * np.cos(azimuth), r * np.sin(azimuth), np.broadcast_to(z[:, None], (8, 16))]
    directions = np.ascontiguousarray(np.stack(xyz, axis=-1).reshape(-1, 3), np.float32)
    area = np.repeat(weight, 16) * (2 * np.pi / 16)
    y = spherical_harmonics(directions, 4).astype(np.float64)
    np.testing.assert_allclose((y * area[:, None]).T @ y, np.eye(16), atol=1e-6)


def test_harmonics_at_the_pole() -> None:
    pole = spherical_harmonics(np.float32([[0, 0, 1]]), 4)[0]
    bands = np.zeros(16)
    bands[[0, 2, 6, 12]] = np.sqrt(np.array([1, 3, 5, 7]) / (4 * np.pi))
    np.testing.assert_allclose(pole, bands, atol=1e-7)


def test_displacement_of_a_face_that_moves_as_one() -> None:
    """Every node near it moves as the face does; far away nothing moves."""
    rest = scenes.landmarks(1)["rest"]
    spec = DisplacementSpec((16, 16, 16), 1e-6)
    shift = np.float32([0.1, -0.05, 0.02])
    moved = (rest + shift)[None]
    falloff = np.full(68, 1 / (2 * 0.3**2), np.float32)
    grid = bake_displacement(spec, rest, falloff, moved, scenes.LOW, scenes.HIGH)
    read = read_displacement(grid, moved[0], scenes.LOW, scenes.HIGH)
    np.testing.assert_allclose(read, np.tile(shift, (68, 1)), atol=1e-4)
    far = DisplacementSpec((2, 2, 2), 0.15)
    narrow = np.full(68, 1 / (2 * 0.05**2), np.float32)
    grid = bake_displacement(far, rest, narrow, moved, (50.0,) * 3, (60.0,) * 3)
    np.testing.assert_array_equal(grid, 0)


def test_frequencies() -> None:
    row = frequency_encode(np.float32([[0.5, -1.0]]), 2)
    np.testing.assert_allclose(row, [[0.5, -1, 1, 0, 0, -1, 0, 0, -1, 1]], atol=1e-6)


def test_blend() -> None:
    head, opacity = np.float32([[0, 0, 0], [0.5, 0.25, 0], [1, 1, 1]]), np.float32([0, 0.5, 1])
    torso = np.float32([[1, 1, 1, 0], [0, 1, 0, 1], [1, 0, 0, 1]])
    background = np.tile(np.uint8([10, 20, 30]), (3, 1))
    pixels = blend(head, opacity, torso, background)
    np.testing.assert_array_equal(pixels, [[10, 20, 30], [128, 191, 0], [255, 255, 255]])


def test_pixels() -> None:
    np.testing.assert_array_equal(pixel_rectangle(4, 1, 2, 2, 2), [9, 10, 13, 14])
    np.testing.assert_allclose(
        pixel_positions(4, np.int32([0, 15, 7])), [[-0.75, -0.75], [0.75, 0.75], [0.75, -0.25]]
    )
    mask = np.packbits([0, 1, 0, 0], bitorder="little")
    np.testing.assert_array_equal(masked_pixels(mask, 2, 4), [2, 3, 6, 7])


def test_bits_run_along_x_first() -> None:
    cells = np.zeros((2, 2, 2), np.bool_)
    cells[0, 0, 1] = cells[1, 0, 0] = True
    np.testing.assert_array_equal(pack_cells(cells), [0b00010010])


def test_dilation_of_one_cell_is_a_cross() -> None:
    cells = np.zeros((5, 5, 5), np.bool_)
    cells[2, 2, 2] = True
    assert dilate(cells).sum() == 7
    assert dilate(dilate(cells)).sum() == 25


def test_cell_maximum_keeps_the_largest() -> None:
    largest = np.zeros((2, 2, 2), np.float32)
    at = np.float32([[0.5, 0.5, 0.5], [0.6, 0.2, 0.1], [-0.5, 0.5, -9.0]])
    cell_maximum(largest, at, np.float32([0.3, 0.2, 0.7]), *CUBE)
    assert largest[1, 1, 1] == np.float32(0.3)
    assert largest[0, 1, 0] == np.float32(0.7)
    assert largest.sum() == pytest.approx(1.0)


def test_segment_marks_the_cells_between_its_ends() -> None:
    cells = np.zeros((8, 8, 8), np.bool_)
    along_x = np.float32([[1, 0, 0]])
    mark_segments(
        cells, np.float32([-2, 0.1, 0.1]), along_x, np.float32([1.6]), np.float32([2.3]), *CUBE
    )
    np.testing.assert_array_equal(np.argwhere(cells), [[4, 4, x] for x in (2, 3, 4, 5)])


def test_bricks_hold_the_same_nodes_and_bake_the_same_displacement() -> None:
    rng = np.random.default_rng(3)
    spec = DisplacementSpec((9, 8, 7), 0.15)
    rest = rng.uniform(-0.8, 0.8, (68, 3)).astype(np.float32)
    falloff = np.full(68, 200.0, np.float32)
    landmarks = rest[None] + rng.normal(0, 0.05, (2, 68, 3)).astype(np.float32)
    nodes = np.sort(rng.choice(9 * 8 * 7, 300, replace=False)).astype(np.int32)
    bricks = in_bricks(nodes, spec.resolution)
    assert not np.array_equal(bricks, nodes) and np.array_equal(np.sort(bricks), nodes)
    given = (spec, rest, falloff, landmarks, scenes.LOW, scenes.HIGH)
    rows, compact = (bake_displacement(*given, nodes=order) for order in (nodes, bricks))
    assert np.abs(rows).max() > 0.01
    # Each step passes over other landmarks, all of them lost in rounding.
    np.testing.assert_allclose(compact, rows, rtol=1e-6, atol=1e-8)
