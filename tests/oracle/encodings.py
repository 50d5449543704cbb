"""What positions and directions become before a network sees them.

Where a grid is read decides much: a position that is rounded to float32 lies up to 1e-4 cells of
the finest level beside the exact one. So the published kernels' float32 numbers belong to the
definition here: the scale of a level and the place among its cells. All else is float64.
"""

from __future__ import annotations

import math
from itertools import product

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

LEVELS, COARSEST = 16, 16

RESOLUTIONS = (16, 23, 31, 43, 59, 81, 112, 154, 213, 295, 407, 562, 777, 1073, 1483, 2048)
"""Of the levels of a grid from 16 to 2048 cells, as published."""


def resolution(level: int, finest: int = 2048) -> int:
    """``ceil(scale) + 1`` of a level."""
    return math.ceil(_scale(level, finest) - 1e-6) + 1


def _scale(level: int, finest: int) -> float:
    """``exp2f(level * S) * 16 - 1`` with ``S = log2(growth)``, every operation in float32."""
    exponent = np.float32(level) * np.float32(math.log2(finest / COARSEST) / (LEVELS - 1))
    return float(np.exp2(exponent) * np.float32(COARSEST) - np.float32(1))


def rounded(x: Float64) -> Float64:
    """To float32, as a number that a kernel holds."""
    return x.astype(np.float32).astype(np.float64)


def table_size(level: int, dimensions: int, finest: int = 2048, log2_size: int = 16) -> int:
    """Entries of a level: at most 2^log2, rounded up to a multiple of eight."""
    size = min(2**log2_size, (resolution(level, finest) + 1) ** dimensions)
    return size + -size % 8


def tiled(table: Float64, at: Float64, finest: int = 2048, log2_size: int = 16) -> Float64:
    """A tiled grid at coordinates (N, D) in [0, 1]; a row with one outside reads zeros.

    Coordinates are float32 numbers, and so is their place in a level (a fused multiply-add). A
    level's index adds a dimension only while its stride is at most the level's size.
    """
    at, dimensions, begin, out = rounded(at), at.shape[1], 0, []
    for level in range(LEVELS):
        scale, side = _scale(level, finest), resolution(level, finest) + 1
        size = table_size(level, dimensions, finest, log2_size)
        position = rounded(at * scale + 0.5)
        cell = np.floor(position).astype(np.int64)
        fraction = position - cell
        value: Float64 = np.zeros((len(at), table.shape[1]))
        for corner in product((0, 1), repeat=dimensions):
            weight: Float64 = np.ones(len(at))
            index: NDArray[np.int64] = np.zeros(len(at), np.int64)
            stride = 1
            for d, one in enumerate(corner):
                weight = weight * (fraction[:, d] if one else 1 - fraction[:, d])
                if stride <= size:
                    index = index + (cell[:, d] + one) * stride
                    stride *= side
            value += weight[:, None] * table[begin + index % size]
        out.append(value)
        begin += size
    assert begin == len(table)
    inside = ((at >= 0) & (at <= 1)).all(axis=1, keepdims=True)
    return np.where(inside, np.concatenate(out, axis=1), 0.0)


def frequencies(x: Float64, octaves: int) -> Float64:
    """All of x, then for every octave the sines of all, then the cosines of all."""
    parts = [x]
    for k in range(octaves):
        parts += [np.sin(2.0**k * x), np.cos(2.0**k * x)]
    return np.concatenate(parts, axis=-1)


def harmonics(directions: Float64) -> Float64:
    """Real spherical harmonics of degree 4 of unit vectors (N, 3), from Legendre polynomials.

    (N, 16), band after band, m from -l to l, with the Condon–Shortley sign.
    """
    x, y, z = directions.T
    azimuth = np.arctan2(y, x)
    made = []
    for degree in range(4):
        for m in range(-degree, degree + 1):
            k = abs(m)
            legendre = np.polynomial.legendre.Legendre.basis(degree).deriv(k)(z)
            legendre = (-1) ** k * (1 - z**2) ** (k / 2) * legendre
            norm = math.factorial(degree - k) / math.factorial(degree + k)
            norm = math.sqrt((2 * degree + 1) / (4 * math.pi) * norm)
            turn = np.ones_like(z)
            if m:
                turn = math.sqrt(2) * (np.cos(k * azimuth) if m > 0 else np.sin(k * azimuth))
            made.append(norm * legendre * turn)
    return np.stack(made, axis=1)
