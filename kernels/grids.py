"""Reading tiled multi-resolution grids, and the gradients of it."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..contract.errors import BadOption
from ..contract.field import GridSpec
from . import native
from .arrays import F32, Float32, Vector, address, length, optional_address
from .threads import ThreadPool

FEATURES = (1, 2, 4, 8)
"""Features a level for which loops are compiled."""


class _Level(ctypes.Structure):
    _fields_ = (("scale", native.F32), ("strides", ctypes.c_uint32 * 3), ("size", ctypes.c_uint32))


class GridStructure(ctypes.Structure):
    """``emogene_grid``."""

    _fields_ = (
        ("dimensions", native.I32),
        ("features", native.I32),
        ("levels", native.I32),
        ("level", ctypes.POINTER(_Level)),
    )


_P, _I64 = native.POINTER, native.I64
_BOX, _GRID = ctypes.POINTER(native.Box), ctypes.POINTER(GridStructure)
_unit_coordinates = native.Kernel("emogene_unit_coordinates", _P, _P, _I64, _BOX, _P)
_encode = native.Kernel("emogene_encode", _GRID, _P, _P, _I64, _P, _I64)
_encode_backward = native.Kernel("emogene_encode_backward", _GRID, *[_P] * 3, _I64, _P, _P)


def unit_coordinates(
    positions: Float32,
    bounds_min: Vector,
    bounds_max: Vector,
    *,
    displacement: Float32 | None = None,
    pool: ThreadPool | None = None,
) -> Float32:
    """Positions (S, 3) less their displacement (S, 3), with the bounds mapped to [0, 1]³.

    Nothing is clamped: what lies outside reads as zeros in `encode`.

    Raises:
        BadOption: an array has another dtype or shape.
    """
    n = length("positions", positions)
    unit = np.empty((n, 3), np.float32)
    _unit_coordinates.on(
        pool,
        address("positions", positions, F32, (n, 3)),
        optional_address("displacement", displacement, F32, (n, 3)),
        n,
        native.Box.of(bounds_min, bounds_max),
        unit.ctypes.data,
    )
    return unit


def encode(
    grid: GridSpec,
    table: NDArray[Any],
    coordinates: Float32,
    *,
    out: Float32 | None = None,
    pool: ThreadPool | None = None,
) -> Float32:
    """Multi-linear readings of all levels.

    Args:
        table: (grid.entries, grid.features) float32; float16 is converted at each call, so convert
            it once where a frame is rendered.
        coordinates: (S, D); a row with any value outside [0, 1] (or NaN) gives zeros.
        out: written and returned: (S, grid.width), or those columns of a wider array.

    Returns:
        (S, grid.width) float32, level after level.

    Raises:
        BadOption: an array has another dtype or shape, or the grid is none we have loops for.
    """
    n = length("coordinates", coordinates)
    table = _float32_table(table)
    if out is None:
        out = np.empty((n, grid.width), np.float32)
    row = _row_stride(out, n, grid.width)
    _encode.on(
        pool,
        grid_structure(grid),
        address("table", table, F32, (grid.entries, grid.features)),
        address("coordinates", coordinates, F32, (n, grid.dimensions)),
        n,
        out.ctypes.data,
        row,
    )
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
    """Gradients of a loss by the table and the coordinates, given that by `encode`'s result.

    Args:
        table, coordinates: as given to `encode`.
        gradient: (S, grid.width).
        coordinates_too: also the gradient by the coordinates; at cell boundaries, where there is
            none, that of the cell above.

    Returns:
        (grid.entries, grid.features) float32, and (S, D) or None. Sums are formed in the order of
        the samples, whatever the number of threads.

    Raises:
        BadOption: as `encode`.
    """
    n = length("coordinates", coordinates)
    table = _float32_table(table)
    grad_table = np.zeros((grid.entries, grid.features), np.float32)
    grad_coordinates = np.empty((n, grid.dimensions), np.float32) if coordinates_too else None
    _encode_backward.on(
        pool,
        grid_structure(grid),
        address("table", table, F32, (grid.entries, grid.features)),
        address("coordinates", coordinates, F32, (n, grid.dimensions)),
        address("gradient", gradient, F32, (n, grid.width)),
        n,
        grad_table.ctypes.data,
        None if grad_coordinates is None else grad_coordinates.ctypes.data,
    )
    return grad_table, grad_coordinates


def _float32_table(table: NDArray[Any]) -> NDArray[Any]:
    is_half = isinstance(table, np.ndarray) and table.dtype == np.float16
    return table.astype(np.float32) if is_half else table


def _row_stride(out: Float32, rows: int, width: int) -> int:
    """Floats from one row of `out` to the next."""
    if (
        out.dtype != np.float32
        or out.shape != (rows, width)
        or not out.flags.writeable
        # NumPy gives arrays without elements strides of 0.
        or (out.size and width > 1 and out.strides[1] != 4)
        or (out.size and (out.strides[0] % 4 or out.strides[0] < 4 * width))
    ):
        raise BadOption(
            "out",
            expected=f"writeable float32 ({rows}, {width}) whose columns lie side by side",
            found=f"{out.dtype.name} {out.shape}, strides {out.strides}",
        )
    return out.strides[0] // 4 if out.size else width


def grid_structure(grid: GridSpec) -> GridStructure:
    """A grid for the library.

    Raises:
        BadOption: it is none we have loops for.
    """
    if grid.dimensions not in (2, 3):
        raise BadOption(
            f"grid {grid.name}", expected="2 or 3 dimensions", found=str(grid.dimensions)
        )
    if grid.features not in FEATURES:
        raise BadOption(
            f"grid {grid.name}", expected=f"features of {FEATURES}", found=str(grid.features)
        )
    levels = (_Level * len(grid.levels))()
    for made, level in zip(levels, grid.levels, strict=True):
        if level.size < 1 or len(level.strides) != grid.dimensions or not 0 <= level.scale < 2**24:
            raise BadOption(
                f"grid {grid.name}",
                expected=f"levels with entries, {grid.dimensions} strides and a scale below 2**24",
                found=str(level),
            )
        made.scale, made.size = level.scale, level.size
        for axis, stride in enumerate(level.strides):
            made.strides[axis] = stride % 2**32
    return GridStructure(grid.dimensions, grid.features, len(grid.levels), levels)
