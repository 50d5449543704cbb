"""The backward kernels against finite differences of the forward ones, in float64 where it counts.

The forward kernels compute in float32, so a loss is differentiated with steps large enough for the
difference to stand well above rounding; multi-linear functions allow large steps without error.
"""

from __future__ import annotations

import numpy as np
import pytest

from emogene.contract.field import GridSpec
from emogene.kernels.compositing import CompositeState, composite, composite_backward
from emogene.kernels.grids import encode, encode_backward

from . import scenes

GRID_NAMES = list(scenes.GRIDS)


def inside_cells(grid: GridSpec, count: int, step: float) -> np.ndarray:
    """Coordinates whose neighbours at ± step lie in the same cell on every level."""
    u = scenes.generator().uniform(step, 1 - step, (60 * count, grid.dimensions))
    scale = np.array([level.scale for level in grid.levels])[:, None, None]
    fraction = (u * scale + 0.5) % 1
    margin = 2 * step * scale
    safe = ((fraction > margin) & (fraction < 1 - margin)).all(axis=(0, 2))
    assert safe.sum() >= count
    return u[safe][:count].astype(np.float32)


@pytest.mark.parametrize("name", GRID_NAMES)
def test_gradient_by_the_table_is_the_transpose_of_reading(name: str) -> None:
    """encode is linear in the table: <g, encode(t)> = <encode_backward(g), t>, for outliers too."""
    grid, rng = scenes.GRIDS[name], scenes.generator()
    u = scenes.edge_coordinates(grid.dimensions)
    table = rng.normal(size=(grid.entries, grid.features)).astype(np.float32)
    g = rng.normal(size=(len(u), grid.width)).astype(np.float32)
    grad_table, none = encode_backward(grid, table, u, g)
    assert none is None
    forward = np.vdot(g.astype(np.float64), encode(grid, table, u))
    assert np.vdot(grad_table.astype(np.float64), table) == pytest.approx(forward, rel=1e-4)


@pytest.mark.parametrize("name", ["wrapped by mask", "plane"])
def test_gradient_by_coordinates(name: str) -> None:
    grid, rng = scenes.GRIDS[name], scenes.generator()
    step = 2.0**-12
    u = inside_cells(grid, 30, step)
    table = rng.normal(size=(grid.entries, grid.features)).astype(np.float32)
    g = rng.normal(size=(len(u), grid.width)).astype(np.float32)
    _, found = encode_backward(grid, table, u, g, coordinates_too=True)
    for axis in range(grid.dimensions):
        shift = np.zeros(grid.dimensions, np.float32)
        shift[axis] = step
        ahead, behind = (encode(grid, table, u + s).astype(np.float64) for s in (shift, -shift))
        expected = (g * (ahead - behind)).sum(axis=1) / (2 * step)
        # Differences of features of size 1 with rounding 1e-7, over a step of 2.4e-4.
        np.testing.assert_allclose(found[:, axis], expected, atol=2e-2, rtol=2e-3)


def test_gradient_outside_the_grid_is_zero() -> None:
    grid = scenes.GRIDS["plane"]
    table = np.ones((grid.entries, 1), np.float32)
    u = np.float32([[1.5, 0.5], [np.nan, 0.5]])
    grad_table, grad_u = encode_backward(
        grid, table, u, np.ones((2, grid.width), np.float32), coordinates_too=True
    )
    assert not grad_table.any()
    np.testing.assert_array_equal(grad_u, 0)


@pytest.mark.parametrize("threshold", [0.0, 0.2])
def test_gradient_of_compositing(threshold: float) -> None:
    rng = scenes.generator()
    offsets = np.int32([0, 0, 1, 9, 21])
    sigmas = rng.uniform(0, 12, 21).astype(np.float32)
    sigmas[3] = 0.0
    values = rng.normal(size=(21, 3)).astype(np.float32)
    on_channels = rng.normal(size=(4, 3)).astype(np.float32)
    on_opacity, on_weights = rng.normal(size=4), rng.normal(size=21)
    step = 0.045

    def loss(sigmas: np.ndarray, values: np.ndarray) -> float:
        state = CompositeState.start(4, 3)
        weights = composite(sigmas, values, offsets, step, state, threshold=threshold)
        return float(
            np.vdot(on_channels, state.channels.astype(np.float64))
            + on_opacity @ state.opacity.astype(np.float64)
            + on_weights @ weights.astype(np.float64)
        )

    grad_sigmas, grad_values = composite_backward(
        sigmas,
        values,
        offsets,
        step,
        on_channels,
        on_opacity.astype(np.float32),
        grad_weights=on_weights.astype(np.float32),
        threshold=threshold,
    )
    h = 2.0**-7
    for s in range(21):
        expected = [
            (loss(_moved(sigmas, s, h), values) - loss(_moved(sigmas, s, -h), values)) / (2 * h)
        ]
        found = [grad_sigmas[s]]
        for c in range(3):
            at = (s, c)
            ahead, behind = (
                loss(sigmas, _moved(values, at, h)),
                loss(sigmas, _moved(values, at, -h)),
            )
            expected.append((ahead - behind) / (2 * h))
            found.append(grad_values[at])
        # The loss has rounding of some 1e-6, divided by 2 h = 1.6e-2.
        np.testing.assert_allclose(found, expected, atol=3e-4, rtol=1e-3)


def test_gradients_of_opaque_and_empty_samples_are_finite() -> None:
    given = scenes.edge_samples(3)
    rays = len(given["offsets"]) - 1
    ones = np.ones((rays, 3), np.float32)
    for gradient in composite_backward(**given, grad_channels=ones, grad_opacity=ones[:, 0].copy()):
        assert np.isfinite(gradient).all()


def _moved(array: np.ndarray, at: object, by: float) -> np.ndarray:
    moved = array.copy()
    moved[at] += np.float32(by)
    return moved
