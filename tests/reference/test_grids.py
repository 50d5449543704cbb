"""Grids and encodings against loops written from the contract's words, and known answers."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from emogene.contract.field import DisplacementSpec, GridSpec
from emogene.contract.measure import relative_l2
from emogene.reference.authors import published_grid
from emogene.reference.grids import (
    Displacement,
    encode_frequencies,
    encode_grid,
    read_nodes,
    spherical_harmonics,
)
from tests.oracle.encodings import (
    RESOLUTIONS,
    frequencies,
    harmonics,
    resolution,
    table_size,
    tiled,
)

SPECS = (
    GridSpec.tiled("dense", levels=2, base=3, finest=6, log2_size=14),
    GridSpec.tiled("wrapped", levels=4, base=4, finest=90, log2_size=9, features=3),
    GridSpec.tiled(
        "axes_left_out", levels=3, base=20, finest=300, log2_size=8, keep_all_axes=False
    ),
    GridSpec.tiled("flat", dimensions=2, levels=3, base=5, finest=2048, log2_size=12),
    # Strides beyond 2^32 wrap like the kernels' unsigned index.
    GridSpec.tiled("huge", levels=1, base=60_000, finest=60_000, log2_size=10),
)


def loop(spec: GridSpec, table: np.ndarray, point: np.ndarray) -> list[float]:
    """One coordinate, one number at a time."""
    if not all(0 <= u <= 1 for u in point):
        return [0.0] * spec.width
    out, first = [], 0
    for level in spec.levels:
        position = [np.float32(u) * np.float32(level.scale) + np.float32(0.5) for u in point]
        cell = [math.floor(p) for p in position]
        sums = np.zeros(spec.features)
        for corner in itertools.product((0, 1), repeat=spec.dimensions):
            weight, index = 1.0, 0
            for d, offset in enumerate(corner):
                share = float(position[d]) - cell[d]
                weight *= share if offset else 1 - share
                index += (cell[d] + offset) * level.strides[d]
            sums += weight * table[first + (index % 2**32) % level.size]
        out += list(sums)
        first += level.size
    return out


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.name)
def test_encoding_equals_the_loop(spec: GridSpec) -> None:
    generator = torch.Generator().manual_seed(7)
    table = torch.randn(spec.entries, spec.features, generator=generator)
    inner = torch.rand(40, spec.dimensions, generator=generator)
    edges = torch.tensor(list(itertools.product((0.0, 1.0), repeat=spec.dimensions)))
    outside = torch.tensor([-1e-6, 1.00001, 7.0, math.nan])[:, None].expand(-1, spec.dimensions)
    points = torch.cat((inner, edges, outside))
    got = encode_grid(spec, table, points).numpy()
    expected = np.array([loop(spec, table.numpy(), p) for p in points.numpy()])
    # Weights are products of float32 fractions; fine levels lose bits of the fraction.
    np.testing.assert_allclose(got, expected, atol=2e-5)
    assert np.all(got[-4:] == 0)


def test_published_grid_has_the_published_size() -> None:
    spec = GridSpec.tiled("p", levels=16, base=16, finest=2048, log2_size=16, keep_all_axes=False)
    sides = [16, 23, 31, 43, 59, 81, 112, 154, 213, 295, 407, 562, 777, 1073, 1483, 2048]
    assert spec.entries == 903_480
    assert [math.ceil(level.scale) + 1 for level in spec.levels] == sides
    assert spec.levels[0].strides == (1, 17, 289)
    assert spec.levels[15].strides == (1, 2049, 0)
    flat = GridSpec.tiled("t", dimensions=2, levels=16, base=16, finest=2048, log2_size=16)
    assert flat.entries == 555_520


@pytest.mark.parametrize("dimensions", [2, 3])
def test_published_grid_is_read_as_published_at_every_level(dimensions: int) -> None:
    """Sizes, strides and dimensions left out: level by level, in float64."""
    spec = published_grid("p", dimensions, 2048, 16)
    assert tuple(resolution(level) for level in range(16)) == RESOLUTIONS
    assert [level.size for level in spec.levels] == [
        table_size(level, dimensions) for level in range(16)
    ]
    rng = np.random.default_rng(4)
    table = rng.normal(size=(spec.entries, 2)).astype(np.float32)
    at = rng.uniform(size=(300, dimensions)).astype(np.float32)
    at[:4] = np.float32([0, 1, 0.5, -0.1])[:, None]
    found = encode_grid(spec, torch.from_numpy(table), torch.from_numpy(at)).numpy()
    expected = tiled(table.astype(np.float64), at.astype(np.float64))
    for level in range(16):
        columns = slice(2 * level, 2 * level + 2)
        # A float32 coordinate times 2048 keeps 13 bits of its fraction.
        assert relative_l2(found[:, columns], expected[:, columns]) < 1e-4, level
    assert not found[3].any()


@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_spherical_harmonics_equal_legendre_polynomials(degree: int) -> None:
    directions = np.random.default_rng(5).normal(size=(200, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    found = spherical_harmonics(torch.from_numpy(directions), degree).numpy()
    np.testing.assert_allclose(found, harmonics(directions)[:, : degree**2], atol=1e-12)


@pytest.mark.parametrize("octaves", [4, 10])
def test_published_frequencies(octaves: int) -> None:
    """With base 1, as the torso's positions (10) and its condition (4) are encoded."""
    x = np.random.default_rng(6).uniform(-1, 1, (50, 3)).astype(np.float32)
    found = encode_frequencies(torch.from_numpy(x), octaves, base=1.0).numpy()
    assert relative_l2(found, frequencies(x.astype(np.float64), octaves)) < 1e-5


def test_encoding_is_differentiable_in_table_and_coordinates() -> None:
    spec = GridSpec.tiled("g", levels=2, base=2, finest=3, log2_size=5)
    table = torch.randn(spec.entries, 2, dtype=torch.float64, requires_grad=True)
    points = (torch.rand(3, 3, dtype=torch.float64) * 0.8 + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(lambda t, x: encode_grid(spec, t, x), (table, points))


def test_spherical_harmonics_are_orthonormal() -> None:
    """Their Gram matrix over a fine quadrature of the sphere is the identity."""
    z, weights = np.polynomial.legendre.leggauss(16)
    phi = np.arange(32) * 2 * np.pi / 32
    r = np.sqrt(1 - z**2)
    grid = np.stack(
        [np.outer(r, np.cos(phi)), np.outer(r, np.sin(phi)), np.outer(z, np.ones(32))], axis=2
    ).reshape(-1, 3)
    values = spherical_harmonics(torch.from_numpy(grid), 4).numpy()
    area = np.repeat(weights, 32) * 2 * np.pi / 32
    np.testing.assert_allclose(values.T @ (values * area[:, None]), np.eye(16), atol=1e-12)


def test_spherical_harmonics_known_answers() -> None:
    up = spherical_harmonics(torch.tensor([[0.0, 0.0, 1.0]]), 3)[0]
    expected = [0.2820948, 0, 0.4886025, 0, 0, 0, 0.6307831, 0, 0]
    torch.testing.assert_close(up, torch.tensor(expected), atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="degree 5"):
        spherical_harmonics(torch.zeros(1, 3), 5)


def test_frequencies_known_answer() -> None:
    encoded = encode_frequencies(torch.tensor([[0.5, -0.25]]), 2)
    half = math.sqrt(0.5)
    expected = [0.5, -0.25, 1, -half, 0, half, 0, -1, -1, 0]
    torch.testing.assert_close(encoded, torch.tensor([expected]), atol=1e-6, rtol=0)


def displacement(resolution: tuple[int, int, int] = (9, 7, 5)) -> Displacement:
    module = Displacement(DisplacementSpec(resolution, 0.15), 68)
    module.rest.copy_(torch.randn(68, 3, generator=torch.Generator().manual_seed(1)) * 0.5)
    module.falloff.fill_(1 / (2 * 0.3**2))
    return module


def test_landmarks_at_rest_displace_nothing() -> None:
    module = displacement()
    assert torch.equal(module.at(torch.randn(10, 3), module.rest), torch.zeros(10, 3))


def test_a_shift_of_the_whole_face_moves_its_points_and_leaves_far_ones() -> None:
    module = displacement()
    shift = torch.tensor([0.1, -0.2, 0.05])
    near = module.at(module.rest, module.rest + shift)
    weight = torch.exp(-(module.rest[:, None] - module.rest - shift).square().sum(2) * 5.5555556)
    share = weight.sum(1) / (weight.sum(1) + 0.15)
    torch.testing.assert_close(near, share[:, None] * shift)
    assert module.at(torch.full((1, 3), 50.0), module.rest + shift).abs().max() == 0


def test_baked_displacement_is_exact_on_nodes_and_x_runs_fastest() -> None:
    module = displacement()
    low, high = torch.tensor([-1.0, -2.0, -0.5]), torch.tensor([1.0, 2.0, 1.5])
    frames = module.rest + 0.1 * torch.randn(2, 68, 3)
    nodes = module.bake(frames, low, high)
    assert nodes.shape == (2, 5, 7, 9, 3)
    at = low + torch.tensor([2 / 8, 4 / 6, 1 / 4]) * (high - low)
    torch.testing.assert_close(nodes[1, 1, 4, 2], module.at(at[None], frames[1])[0])
    unit = ((at - low) / (high - low))[None]
    read = read_nodes(nodes, unit, frames=torch.tensor([1]))
    torch.testing.assert_close(read[0], nodes[1, 1, 4, 2])


def test_reading_nodes_is_trilinear_and_keeps_the_border() -> None:
    z, y, x = torch.meshgrid(*[torch.arange(n).float() for n in (3, 4, 5)], indexing="ij")
    nodes = torch.stack((x, 10 * y + z, x * y * z), dim=3)[None]
    unit = torch.rand(50, 3)
    px, py, pz = (unit * torch.tensor([4.0, 3.0, 2.0])).unbind(1)
    # Trilinear interpolation reproduces x, 10 y + z and x y z.
    expected = torch.stack((px, 10 * py + pz, px * py * pz), dim=1)
    torch.testing.assert_close(read_nodes(nodes, unit), expected)
    outside = read_nodes(nodes, torch.tensor([[-3.0, 0.5, 9.0]]))
    torch.testing.assert_close(outside, read_nodes(nodes, torch.tensor([[0.0, 0.5, 1.0]])))
