"""Material numbers, and the colours painted on the skin's vertices. Colours are linear RGB."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .anatomy import EYE_X, EYE_Y, MOUTH_HALF_WIDTH, MOUTH_Y, mouth_fields

SKIN, EYE, HAIR, BROW, TEETH, MOUTH, CLOTH = range(7)

SKIN_TONE = (0.74, 0.475, 0.345)
LID_TONE = (0.735, 0.455, 0.33)
BLUSH = (0.78, 0.33, 0.25)
LIPS = (0.58, 0.185, 0.175)
CAVITY = (0.20, 0.030, 0.035)
HAIR_TONE = (0.085, 0.040, 0.022)
BROW_TONE = (0.085, 0.042, 0.025)
LASH = (0.03, 0.018, 0.015)
TOOTH = (0.84, 0.80, 0.72)
GUM = (0.58, 0.22, 0.21)
TONGUE = (0.55, 0.17, 0.17)
JUMPER = (0.05, 0.16, 0.22)


def ramp(a: float, b: float, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smoothstep from 0 at `a` to 1 at `b`; `a` may be the larger one."""
    t = np.clip((x - a) / (b - a), 0, 1)
    return t * t * (3 - 2 * t)


def spot(
    x: NDArray[np.float64], y: NDArray[np.float64], cx: float, cy: float, sx: float, sy: float
) -> NDArray[np.float64]:
    """An elliptic Gaussian about (cx, cy)."""
    return np.exp(-(((x - cx) / sx) ** 2) - ((y - cy) / sy) ** 2)


def _blend(
    colour: NDArray[np.float64], weight: NDArray[np.float64], other: tuple[float, float, float]
) -> NDArray[np.float64]:
    return colour + weight[:, None] * (np.asarray(other) - colour)


def paint_skin(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, 3) neutral skin points → linear RGB (n, 3) and material numbers (n,)."""
    x, y, z = points.T
    ax = np.abs(x)
    line, upper, lower, cavity = mouth_fields(points).T
    red = (
        0.75 * spot(ax, y, 0.40, -0.25, 0.17, 0.14) * ramp(0.2, 0.6, z)
        + 0.55 * spot(x, y, 0, -0.27, 0.12, 0.10) * ramp(0.8, 1.0, z)
        + 0.60 * ramp(0.74, 0.80, ax)
        + 0.25 * spot(x, y, 0, -0.88, 0.15, 0.10) * ramp(0.4, 0.7, z)
    )
    colour = _blend(np.tile(SKIN_TONE, (len(points), 1)), np.clip(red, 0, 1), BLUSH)
    sockets = 0.35 * spot(ax, y, EYE_X, EYE_Y, 0.22, 0.16) * ramp(0.3, 0.6, z)
    colour = _blend(colour, sockets, (0.60, 0.31, 0.24))
    on_lips = ramp(0.022, 0.003, np.minimum(upper, lower)) * ramp(0.68, 0.76, z)
    on_lips *= ramp(MOUTH_HALF_WIDTH + 0.012, MOUTH_HALF_WIDTH - 0.03, ax)
    colour = _blend(colour, on_lips, LIPS)
    seam = np.exp(-(((y - line) / 0.014) ** 2)) * ramp(0.6, 0.72, z)
    seam *= ramp(MOUTH_HALF_WIDTH + 0.03, MOUTH_HALF_WIDTH - 0.01, ax)
    colour *= 1 - 0.55 * seam[:, None]

    inside = (cavity < 0.012) & (z < 0.775) & (np.abs(y - MOUTH_Y) < 0.3)
    colour[inside] = CAVITY
    return colour, np.where(inside, MOUTH, SKIN).astype(np.float64)
