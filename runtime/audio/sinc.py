"""Between the points of a sampled function: sinc interpolation under a Hanning window.

Boersma (1993), eq. 22: with N points on each side of x,
f(x) = Σ f(n) sinc(x - n) (½ + ½ cos(π (x - n) / w)), where w is the distance from x to the first
point that is left out, on the side of n.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Rows = NDArray[np.intp]

_TOLERANCE = 5e-6
"""Points; how well a maximum's place is known, which is about what doubles can tell apart there."""

_MOST_STEPS = 60

_TERMS = 16
"""Of the polynomial that stands for the interpolated function between two points."""

_GOLDEN = 0.5 * (3 - 5**0.5)


def sinc_interpolated(even: Float64, rows: Rows, places: Float64, depth: int) -> Float64:
    """Values of even functions between their points.

    Args:
        even: (T, L) float64, each row f(0) … f(L - 1), with f(-n) = f(n).
        rows: (P,) which function.
        places: (P,) where, at least 1 and below L - depth.
        depth: points on each side.

    Returns:
        (P,) float64.
    """
    whole = np.floor(places).astype(np.intp)
    points = even[rows[:, None], np.abs(whole[:, None] + np.arange(1 - depth, depth + 1))]
    values: Float64 = (points * _weights(places - whole, depth)).sum(axis=1)
    return values


def _weights(beyond: Float64, depth: int) -> Float64:
    """(P,) places in a cell, 0…1 → (P, 2 depth) shares of the points around it, from the left."""
    # On a point itself sin / distance would be 0 / 0; so near to it the limit is exact.
    beyond = np.clip(beyond, 1e-9, 1 - 1e-9)[:, None]
    sides = []
    for nearest in (beyond, 1 - beyond):
        away = np.arange(depth)
        distance = nearest + away
        window = 0.5 + 0.5 * np.cos(np.pi * distance / (nearest + depth))
        sides.append(np.where(away % 2, -1.0, 1.0) / distance * window)
    weights: Float64 = np.concatenate([sides[0][:, ::-1], sides[1]], axis=1)
    return weights * np.sin(np.pi * beyond) / np.pi


def sinc_maximum(even: Float64, rows: Rows, near: Rows, depth: int) -> tuple[Float64, Float64]:
    """Maxima of the interpolated functions, not a whole point away from given ones.

    Found by Brent's method (R. P. Brent, "Algorithms for minimization without derivatives", 1973,
    chapter 5), all at once: where there are several maxima, the one that it comes to.

    Args:
        even, rows, depth: see `sinc_interpolated`.
        near: (P,) points that are higher than the point before and not lower than the next.

    Returns:
        (P,) places and (P,) values there.
    """
    points = even[rows[:, None], np.abs(near[:, None] + np.arange(-depth, depth + 1))]
    polynomials = _polynomials(depth)
    left, right = points[:, :-1] @ polynomials, points[:, 1:] @ polynomials
    powers = np.ones((len(near), _TERMS))

    def value(place: Float64) -> Float64:
        beyond = place - near
        on_right = beyond >= 0
        # From -1 at the left end of a cell to 1 at its right.
        powers[:, 1:] = (2 * beyond + np.where(on_right, -1.0, 1.0))[:, None]
        np.multiply.accumulate(powers, axis=1, out=powers)
        found: Float64 = (np.where(on_right[:, None], right, left) * powers).sum(axis=1)
        return found

    middle = near.astype(np.float64)
    return _brent(value, middle - 1, middle + 1)


@cache
def _polynomials(depth: int) -> Float64:
    """(2 depth, _TERMS): the points around a cell → the interpolated function along it, as the
    coefficients of a polynomial that is good to a few roundings."""
    nodes = np.cos(np.pi * (np.arange(_TERMS) + 0.5) / _TERMS)
    powers = np.vander(nodes, increasing=True)
    coefficients: Float64 = np.linalg.solve(powers, _weights(0.5 + 0.5 * nodes, depth)).T
    return coefficients


def _brent(
    value: Callable[[Float64], Float64], low: Float64, high: Float64
) -> tuple[Float64, Float64]:
    """Maxima of P functions between ``low`` and ``high``, (P,) each: where, and their values.

    x is the highest point so far, w and v the next two; a parabola through them says where to look
    next, or a golden cut of the longer side where it says nothing useful.
    """
    x = low + _GOLDEN * (high - low)
    fx = value(x)
    w, v, fw, fv = x, x, fx, fx
    step = before = np.zeros(len(x))
    for _ in range(_MOST_STEPS):
        below = x < 0.5 * (low + high)
        going = np.abs(x - 0.5 * (low + high)) > 2 * _TOLERANCE - 0.5 * (high - low)
        if not going.any():
            break
        r, q = (x - w) * (fv - fx), (x - v) * (fw - fx)
        p, q = (x - v) * q - (x - w) * r, 2 * (q - r)
        apex = x - p / np.where(q == 0, 1.0, q)
        fits = (q != 0) & (np.abs(before) > _TOLERANCE) & (np.abs(x - apex) < 0.5 * np.abs(before))
        fits &= (low < apex) & (apex < high)
        # Not too near to either end, and not too near to x.
        inward = np.where(below, _TOLERANCE, -_TOLERANCE)
        close = np.minimum(apex - low, high - apex) < 2 * _TOLERANCE
        longer = np.where(below, high, low) - x
        before = np.where(fits, step, longer)
        step = np.where(fits, np.where(close, inward, apex - x), _GOLDEN * longer)
        least = np.where(step > 0, _TOLERANCE, -_TOLERANCE)
        u = np.where(going, x + np.where(np.abs(step) < _TOLERANCE, least, step), x)
        fu = value(u)

        better = going & (fu >= fx)
        end, from_left = np.where(better, x, u), (u >= x) == better
        low = np.where(going & from_left, end, low)
        high = np.where(going & ~from_left, end, high)
        second = going & ~better & ((fu >= fw) | (w == x))
        third = going & ~better & ~second & ((fu >= fv) | (v == x) | (v == w))
        moved = better | second
        v, fv = (
            np.where(moved, w, np.where(third, u, v)),
            np.where(moved, fw, np.where(third, fu, fv)),
        )
        w, fw = (
            np.where(better, x, np.where(second, u, w)),
            np.where(better, fx, np.where(second, fu, fw)),
        )
        x, fx = np.where(better, u, x), np.where(better, fu, fx)
    return x, fx
