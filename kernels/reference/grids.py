"""Reading tiled multi-resolution grids."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...contract.field import GridLevel, GridSpec
from ..arrays import Bool, Float32, Vector
from ..threads import ThreadPool


@dataclass(frozen=True)
class _Corner:
    """One corner of every sample's cell."""

    entries: NDArray[np.int64]  # (S,) rows of the level's table
    upper: tuple[int, ...]  # 1 where it is the upper corner along an axis


def unit_coordinates(
    positions: Float32,
    bounds_min: Vector,
    bounds_max: Vector,
    *,
    displacement: Float32 | None = None,
    pool: ThreadPool | None = None,
) -> Float32:
    """As `emogene.kernels.grids.unit_coordinates`."""
    low, high = np.asarray(bounds_min, np.float32), np.asarray(bounds_max, np.float32)
    moved = positions if displacement is None else positions - displacement
    unit: Float32 = (moved - low) * (np.float32(1.0) / (high - low))
    return unit


def encode(
    grid: GridSpec,
    table: NDArray[Any],
    coordinates: Float32,
    *,
    out: Float32 | None = None,
    pool: ThreadPool | None = None,
) -> Float32:
    """As `emogene.kernels.grids.encode`."""
    table = table.astype(np.float32)
    features = np.zeros((len(coordinates), len(grid.levels), grid.features), np.float32)
    inside = _inside(coordinates)
    u = coordinates[inside]
    for i, (level, rows) in enumerate(_levels(grid, table)):
        fraction = _fraction(level, u)
        for corner in _corners(level, u):
            features[inside, i] += _weight(fraction, corner)[:, None] * rows[corner.entries]
    flat = features.reshape(len(coordinates), grid.width)
    if out is None:
        return flat
    out[...] = flat
    return out


def encode_backward(
    grid: GridSpec,
    table: NDArray[Any],
    coordinates: Float32,
    gradient: Float32,
    *,
    coordinates_too: bool = False,
    pool: ThreadPool | None = None,
) -> tuple[Float32, Float32 | None]:
    """As `emogene.kernels.grids.encode_backward`."""
    table = table.astype(np.float32)
    grad_table = np.zeros(table.shape, np.float32)
    inside = _inside(coordinates)
    u = coordinates[inside]
    upstream = gradient.reshape(len(coordinates), len(grid.levels), grid.features)[inside]
    slopes = np.zeros(u.shape, np.float32)
    gradients = _levels(grid, grad_table)
    for i, ((level, rows), (_, grad_rows)) in enumerate(
        zip(_levels(grid, table), gradients, strict=True)
    ):
        fraction = _fraction(level, u)
        for corner in _corners(level, u):
            weight = _weight(fraction, corner)
            np.add.at(grad_rows, corner.entries, weight[:, None] * upstream[:, i])
            pull = (rows[corner.entries] * upstream[:, i]).sum(axis=1)
            for axis, is_upper in enumerate(corner.upper):
                others = _weight(fraction, corner, without=axis)
                sign = np.float32(level.scale if is_upper else -level.scale)
                slopes[:, axis] += sign * others * pull
    if not coordinates_too:
        return grad_table, None
    grad_coordinates = np.zeros(coordinates.shape, np.float32)
    grad_coordinates[inside] = slopes
    return grad_table, grad_coordinates


def _levels(grid: GridSpec, table: Float32) -> Iterator[tuple[GridLevel, Float32]]:
    """Each level with its rows of the table, which are views."""
    first = 0
    for level in grid.levels:
        yield level, table[first : first + level.size]
        first += level.size


def _inside(u: Float32) -> Bool:
    inside: Bool = np.all((u >= 0) & (u <= 1), axis=1)
    return inside


def _scaled(level: GridLevel, u: Float32) -> Float32:
    scaled: Float32 = u * np.float32(level.scale) + np.float32(0.5)
    return scaled


def _fraction(level: GridLevel, u: Float32) -> Float32:
    at = _scaled(level, u)
    return at - np.floor(at)


def _corners(level: GridLevel, u: Float32) -> Iterator[_Corner]:
    cell = np.floor(_scaled(level, u)).astype(np.int64)
    strides = np.asarray(level.strides, np.int64)
    for reversed_upper in product((0, 1), repeat=len(level.strides)):
        upper = reversed_upper[::-1]  # x varies fastest
        entries = ((cell + np.asarray(upper)) * strides).sum(axis=1) % 2**32 % level.size
        yield _Corner(entries, upper)


def _weight(fraction: Float32, corner: _Corner, without: int | None = None) -> Float32:
    """Product over axes of the distance to the opposite face, leaving out one axis or none."""
    weight = np.ones(len(fraction), np.float32)
    for axis, is_upper in enumerate(corner.upper):
        if axis != without:
            along = fraction[:, axis]
            weight = weight * (along if is_upper else np.float32(1.0) - along)
    return weight
