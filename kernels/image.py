"""Pixels: which ones, where they are, and what becomes of them at the end."""

from __future__ import annotations

import numpy as np

from ..contract.errors import BadOption
from . import native
from .arrays import F32, U8, Float32, Int32, UInt8, address, length
from .threads import ThreadPool

_P = native.POINTER
_blend = native.Kernel("emogene_blend", _P, _P, _P, _P, native.I64, _P)


def pixel_rectangle(size: int, left: int, top: int, width: int, height: int) -> Int32:
    """(width * height,) numbers row * size + column of a rectangle's pixels, row by row.

    Raises:
        BadOption: the rectangle reaches beyond the size × size image.
    """
    if left < 0 or top < 0 or width < 0 or height < 0 or left + width > size or top + height > size:
        raise BadOption(
            "rectangle",
            expected=f"one inside {size} × {size} pixels",
            found=f"{width} × {height} at ({left}, {top})",
        )
    rows = np.arange(top, top + height, dtype=np.int32)[:, None] * np.int32(size)
    pixels: Int32 = (rows + np.arange(left, left + width, dtype=np.int32)).ravel()
    return pixels


def pixel_positions(size: int, pixels: Int32) -> Float32:
    """Centres (N, 2) of pixels (N,) in [-1, 1]²: x right, y down."""
    centres = np.stack([pixels % size, pixels // size], axis=1).astype(np.float32)
    unit: Float32 = (centres + np.float32(0.5)) * np.float32(2.0 / size) - np.float32(1.0)
    return unit


def masked_pixels(mask: UInt8, mask_resolution: int, size: int) -> Int32:
    """Pixels of a size × size image whose cell of a coarser mask is set, in rising order.

    Args:
        mask: (mask_resolution²/8,) uint8, row by row, bit i % 8 of byte i // 8.

    Raises:
        BadOption: the mask has another dtype or length.
    """
    address("mask", mask, U8, ((mask_resolution**2 + 7) // 8,))
    cells = np.unpackbits(mask, bitorder="little")[: mask_resolution**2]
    of_pixel = np.arange(size) * mask_resolution // size
    picture = cells.reshape(mask_resolution, mask_resolution)[of_pixel[:, None], of_pixel]
    return np.flatnonzero(picture).astype(np.int32)


def blend(
    head: Float32,
    opacity: Float32,
    torso: Float32,
    background: UInt8,
    *,
    pool: ThreadPool | None = None,
) -> UInt8:
    """Head over torso over background, rounded to bytes; NaN becomes 0.

    Args:
        head: (N, 3) in [0, 1], premultiplied by `opacity`.
        opacity: (N,).
        torso: (N, 4) red, green, blue (not premultiplied) and alpha.
        background: (N, 3) uint8.

    Returns:
        (N, 3) uint8 RGB.

    Raises:
        BadOption: an array has another dtype or shape.
    """
    n = length("head", head)
    out = np.empty((n, 3), np.uint8)
    _blend.on(
        pool,
        address("head", head, F32, (n, 3)),
        address("opacity", opacity, F32, (n,)),
        address("torso", torso, F32, (n, 4)),
        address("background", background, U8, (n, 3)),
        n,
        out.ctypes.data,
    )
    return out
