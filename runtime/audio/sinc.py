"""Between the points of a sampled function: sinc interpolation under a Hanning window.

Boersma (1993), eq. 22: with N points on each side of x,
f(x) = Σ f(n) sinc(x - n) (½ + ½ cos(π (x - n) / w)), where w is the distance from x to the first
point that is left out, on the side of n.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Rows = NDArray[np.intp]

_TOLERANCE = 1e-6
"""How well a maximum's place is known; doubles could not tell values apart much nearer to it."""

_MOST_STEPS = 60

_GOLDEN = 0.5 * (3 - 5**0.5)

_BATCH = 1 << 12
"""Points interpolated at once; bounds the memory used."""


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
    found = np.empty(len(places))
    for start in range(0, len(places), _BATCH):
        part = slice(start, start + _BATCH)
        found[part] = _interpolated(even, rows[part], places[part], depth)
    return found


def _interpolated(even: Float64, rows: Rows, places: Float64, depth: int) -> Float64:
    whole = np.floor(places).astype(np.intp)
    # On a point itself sin / distance would be 0 / 0; so near to it the limit is exact.
    beyond = np.maximum(places - whole, 1e-9)
    away = np.arange(depth)
    signs = np.where(away % 2, -1.0, 1.0)
    total = np.zeros(len(places))
    for first, nearest, step in ((whole, beyond, -1), (whole + 1, 1 - beyond, 1)):
        distance = nearest[:, None] + away
        window = 0.5 + 0.5 * np.cos(np.pi * distance / (nearest[:, None] + depth))
        points = even[rows[:, None], np.abs(first[:, None] + step * away)]
        total += (points * (signs / distance) * window).sum(axis=1)
    value: Float64 = total * np.sin(np.pi * beyond) / np.pi
    return value


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
    search = _Search(near - 1.0, near + 1.0)
    search.begin(sinc_interpolated(even, rows, search.best, depth))
    for _ in range(_MOST_STEPS):
        going = np.flatnonzero(search.going)
        if not len(going):
            break
        places = search.proposed(going)
        search.take(going, places, sinc_interpolated(even, rows[going], places, depth))
    return search.best, search.height


class _Search:
    """Brent's search for maxima of P functions in intervals.

    Attributes:
        best, height: (P,) the highest points so far.
    """

    def __init__(self, low: Float64, high: Float64) -> None:
        self._low, self._high = low, high
        self.best = low + _GOLDEN * (high - low)

    def begin(self, height: Float64) -> None:
        """Take the values at `best`."""
        self.height = height
        self._second, self._third = self.best.copy(), self.best.copy()
        self._second_height, self._third_height = height.copy(), height.copy()
        self._step, self._step_before = np.zeros(len(height)), np.zeros(len(height))

    @property
    def going(self) -> NDArray[np.bool_]:
        """(P,) which are not yet known to `_TOLERANCE`."""
        middle = 0.5 * (self._low + self._high)
        close = 2 * _TOLERANCE - 0.5 * (self._high - self._low)
        going: NDArray[np.bool_] = np.abs(self.best - middle) > close
        return going

    def proposed(self, which: Rows) -> Float64:
        """Where to look next: the apex of the parabola through the three best, or a golden cut."""
        x, w, v = self.best[which], self._second[which], self._third[which]
        low, high = self._low[which], self._high[which]
        r = (x - w) * (self._third_height[which] - self.height[which])
        q = (x - v) * (self._second_height[which] - self.height[which])
        p = (x - v) * q - (x - w) * r
        q = 2 * (q - r)
        p, q = np.where(q > 0, -p, p), np.abs(q)
        before, self._step_before[which] = self._step_before[which], self._step[which]
        fits = (np.abs(before) > _TOLERANCE) & (np.abs(p) < np.abs(0.5 * q * before))
        fits &= (p > q * (low - x)) & (p < q * (high - x))
        parabolic = p / np.where(fits, q, 1.0)
        # Not too near to either end.
        inward = np.where(x < 0.5 * (low + high), _TOLERANCE, -_TOLERANCE)
        at = x + parabolic
        parabolic = np.where(np.minimum(at - low, high - at) < 2 * _TOLERANCE, inward, parabolic)
        rest = np.where(x < 0.5 * (low + high), high - x, low - x)
        self._step_before[which] = np.where(fits, self._step_before[which], rest)
        step = np.where(fits, parabolic, _GOLDEN * rest)
        self._step[which] = step
        least = np.where(step > 0, _TOLERANCE, -_TOLERANCE)
        proposed: Float64 = x + np.where(np.abs(step) >= _TOLERANCE, step, least)
        return proposed

    def take(self, which: Rows, u: Float64, height: Float64) -> None:
        """Take the values at what was proposed."""
        x, better = self.best[which], height >= self.height[which]
        right = (u >= x) == better
        # The interval ends at the worse of the two.
        end = np.where(better, x, u)
        self._low[which] = np.where(right, end, self._low[which])
        self._high[which] = np.where(right, self._high[which], end)
        w, v = self._second[which], self._third[which]
        w_height, v_height = self._second_height[which], self._third_height[which]
        second = ~better & ((height >= w_height) | (w == x))
        third = ~better & ~second & ((height >= v_height) | (v == x) | (v == w))
        moved = better | second
        self._third[which] = np.where(moved, w, np.where(third, u, v))
        self._third_height[which] = np.where(moved, w_height, np.where(third, height, v_height))
        self._second[which] = np.where(better, x, np.where(second, u, w))
        self._second_height[which] = np.where(
            better, self.height[which], np.where(second, height, w_height)
        )
        self.best[which] = np.where(better, u, x)
        self.height[which] = np.where(better, height, self.height[which])
