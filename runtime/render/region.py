"""Which pixels can meet the head: the occupied part of the field, projected."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...contract.camera import Intrinsics
from ...contract.data import Float32

Bools = NDArray[np.bool_]

_COARSE = 4
"""Occupancy cells along a side of the boxes that are projected."""

TILE = 8
"""Side of the tiles that are rendered or left out, pixels."""


class HeadRegion:
    """Finds, for a pose, the pixels whose rays may meet an occupied cell.

    Args:
        cells: (G, G, G) bool occupancy, indexed [z, y, x].
        bounds_min, bounds_max: the box the cells fill, head space.
    """

    def __init__(
        self,
        cells: Bools,
        bounds_min: tuple[float, float, float],
        bounds_max: tuple[float, float, float],
    ) -> None:
        boxes = np.argwhere(_surface(_coarsened(cells)))[:, ::-1]  # x, y, z
        low, high = np.asarray(bounds_min), np.asarray(bounds_max)
        side = _COARSE * (high - low) / np.array(cells.shape[::-1])
        corners = np.stack(np.meshgrid((0, 1), (0, 1), (0, 1), indexing="ij"), -1).reshape(-1, 3)
        self._corners = low + (boxes[:, None] + corners) * side  # (B, 8, 3)

    def pixels(self, pose: Float32, camera: Intrinsics) -> NDArray[np.int32]:
        """Pixels (N,) int32, ``row * size + column``, in order, of all tiles that may be met.

        Args:
            pose: (3, 4) camera-from-head.
            camera: of the picture.
        """
        tiles = -(-camera.size // TILE)
        if not len(self._corners):
            return np.zeros(0, np.int32)
        seen = self._corners @ pose[:, :3].T.astype(np.float64) + pose[:, 3]
        if seen[..., 2].min() <= 1e-3:
            # A box reaches behind the camera: its projection has no bounds.
            return np.arange(camera.size**2, dtype=np.int32)
        column = camera.focal * seen[..., 0] / seen[..., 2] + camera.cx
        row = camera.focal * seen[..., 1] / seen[..., 2] + camera.cy
        mask = _covered(_tile_span(row, tiles), _tile_span(column, tiles), tiles)
        fine = np.repeat(np.repeat(mask, TILE, axis=0), TILE, axis=1)
        return np.flatnonzero(fine[: camera.size, : camera.size]).astype(np.int32)


def _coarsened(cells: Bools) -> Bools:
    """(G, G, G) → blocks of _COARSE³ cells, true where any cell is."""
    padded = np.pad(cells, [(0, -n % _COARSE) for n in cells.shape])
    z, y, x = (n // _COARSE for n in padded.shape)
    blocks = padded.reshape(z, _COARSE, y, _COARSE, x, _COARSE)
    coarse: Bools = np.logical_or.reduce(blocks, axis=(1, 3, 5))
    return coarse


def _surface(boxes: Bools) -> Bools:
    """The boxes that are not enclosed: a ray into an enclosed one meets another first."""
    padded = np.pad(boxes, 1)
    enclosed: Bools = np.ones_like(boxes)
    for axis in range(3):
        for shift in (-1, 1):
            np.logical_and(enclosed, np.roll(padded, shift, axis)[1:-1, 1:-1, 1:-1], out=enclosed)
    surface: Bools = np.logical_and(boxes, ~enclosed)
    return surface


def _tile_span(position: NDArray[np.float64], tiles: int) -> NDArray[np.intp]:
    """(B, 8) pixel positions → (2, B) first tile and one past the last, clipped to the picture."""
    first = np.floor(position.min(axis=1) / TILE)
    last = np.floor(position.max(axis=1) / TILE) + 1
    span: NDArray[np.intp] = np.clip(np.stack([first, last]), 0, tiles).astype(np.intp)
    return span


def _covered(rows: NDArray[np.intp], columns: NDArray[np.intp], tiles: int) -> Bools:
    """Union of rectangles of tiles, by summing their corners twice."""
    corners = np.zeros((tiles + 1, tiles + 1), np.int64)
    for row, row_sign in zip(rows, (1, -1), strict=True):
        for column, column_sign in zip(columns, (1, -1), strict=True):
            np.add.at(corners, (row, column), row_sign * column_sign)
    covered: Bools = corners.cumsum(axis=0).cumsum(axis=1)[:tiles, :tiles] > 0
    return covered
