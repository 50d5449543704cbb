"""Material numbers, and the colours painted on the skin's vertices. Colours are linear RGB."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .anatomy import EYE_X, EYE_Y, MOUTH_HALF_WIDTH, MOUTH_Y, mouth_fields

SKIN, EYE, HAIR, BROW, TEETH, MOUTH, CLOTH = range(7)

SKIN_TONE = (0.75, 0.475, 0.345)
LID_TONE = (0.722, 0.440, 0.322)
BLUSH = (0.78, 0.32, 0.24)
LIPS = (0.60, 0.205, 0.185)
CAVITY = (0.21, 0.036, 0.036)
HAIR_TONE = (0.120, 0.052, 0.026)
BROW_TONE = (0.105, 0.049, 0.028)
LASH = (0.080, 0.042, 0.032)
TOOTH = (0.86, 0.80, 0.69)
GUM = (0.58, 0.22, 0.21)
TONGUE = (0.52, 0.165, 0.160)
JUMPER = (0.05, 0.16, 0.22)

BROW_STAIN = 0.45  # how much of the brow's tone the skin beneath it takes
_MOUTH_OCCLUSION, _MOUTH_SHADOW = 0.55, 0.42  # between the lips, whatever the closed mouth bakes


def ramp(a: float, b: float, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smoothstep from 0 at `a` to 1 at `b`; `a` may be the larger one."""
    t = np.clip((x - a) / (b - a), 0, 1)
    return t * t * (3 - 2 * t)


def spot(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    cx: float,
    cy: float,
    sx: float | NDArray[np.float64],
    sy: float,
) -> NDArray[np.float64]:
    """An elliptic Gaussian about (cx, cy)."""
    return np.exp(-(((x - cx) / sx) ** 2) - ((y - cy) / sy) ** 2)


def blend(
    colour: NDArray[np.float64], weight: NDArray[np.float64], other: tuple[float, float, float]
) -> NDArray[np.float64]:
    """`colour` (n, 3) moved towards `other` by `weight` (n,)."""
    return colour + weight[:, None] * (np.asarray(other) - colour)


def paint_skin(
    points: NDArray[np.float64], brow: NDArray[np.float64], hair: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, 3) neutral skin points → linear RGB (n, 3) and material numbers (n,).

    `brow` (m, 4): points along the left brow and its half-width there; `hair` (n,): distances to
    the hair. Both stain the skin around them, so that neither begins at a hard line.
    """
    x, y, z = points.T
    ax = np.abs(x)
    line, upper, lower, cavity = mouth_fields(points).T
    red = (
        0.95 * spot(ax, y, 0.40, -0.23, 0.18, 0.14) * ramp(0.2, 0.6, z)
        + 0.55 * spot(x, y, 0, -0.23, 0.12, 0.10) * ramp(0.8, 0.95, z)
        + 0.35 * ramp(0.74, 0.80, ax)
        + 0.25 * spot(x, y, 0, -0.84, 0.15, 0.10) * ramp(0.4, 0.7, z)
    )
    colour = blend(np.tile(SKIN_TONE, (len(points), 1)), np.clip(red, 0, 1), BLUSH)
    sockets = 0.30 * spot(ax, y, EYE_X, EYE_Y, 0.22, 0.16) * ramp(0.3, 0.6, z)
    colour = blend(colour, sockets, (0.62, 0.32, 0.245))
    on_lips = ramp(0.026, -0.002, np.minimum(upper, lower)) * ramp(0.66, 0.74, z)
    on_lips *= ramp(MOUTH_HALF_WIDTH + 0.03, MOUTH_HALF_WIDTH - 0.02, ax)
    colour = blend(colour, on_lips, LIPS)
    seam = np.exp(-(((y - line) / 0.016) ** 2)) * ramp(0.6, 0.72, z)
    seam *= ramp(MOUTH_HALF_WIDTH + 0.02, MOUTH_HALF_WIDTH - 0.04, ax)
    colour *= 1 - 0.35 * seam[:, None]
    colour = blend(colour, 0.75 * ramp(0.075, 0.0, hair), HAIR_TONE)
    front = np.flatnonzero((z > 0.3) & (np.abs(y - 0.3) < 0.3))
    mirrored = np.column_stack([ax, y, z])[front]
    away = np.sqrt(((mirrored[:, None] - brow[:, :3]) ** 2).sum(-1))
    stain = ramp(1.7, 0.5, away / (brow[:, 3] + 0.006)).max(1)
    colour[front] = blend(colour[front], BROW_STAIN * stain, BROW_TONE)

    inside = (cavity < 0.012) & (z < 0.775) & (np.abs(y - MOUTH_Y) < 0.3)
    colour[inside] = CAVITY
    return colour, np.where(inside, MOUTH, SKIN).astype(np.float64)


def paint_hair(tone: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear RGB (n, 3) of hair whose strands' `tone` (n,) lies around 0."""
    return np.asarray(HAIR_TONE) * (1 + 1.2 * tone[:, None])


def lifted(light: NDArray[np.float64], least: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Baked `light` in 0 … 1 raised to `least` … 1: nothing in a room is black."""
    return least + (1 - least) * light


def soften_skin(
    points: NDArray[np.float64], occlusion: NDArray[np.float64], shadow: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Baked light (n,) of neutral skin `points` (n, 3) with some sky everywhere.

    The bake sees a closed mouth, black inside; opened, it is a soft dark red.
    """
    x, y, z = points.T
    line = mouth_fields(points)[:, 0]
    mouth = np.exp(-(((y - line) / 0.035) ** 2)) * ramp(0.62, 0.70, z)
    mouth *= ramp(MOUTH_HALF_WIDTH + 0.10, MOUTH_HALF_WIDTH, np.abs(x))
    mouth = np.maximum(mouth, ramp(0.80, 0.76, z) * spot(x, y, 0, MOUTH_Y, 0.4, 0.3) * (z > 0.1))
    occlusion, shadow = lifted(occlusion, 0.15), lifted(shadow, 0.22)
    socket = spot(np.abs(x), y, EYE_X, EYE_Y, 0.24, 0.18) * ramp(0.3, 0.5, z)
    nostril = spot(np.abs(x), y, 0.055, -0.33, 0.06, 0.05) * ramp(0.7, 0.8, z)
    occlusion = lifted(lifted(occlusion, 0.62 * socket), 0.45 * nostril)
    shadow = lifted(shadow, 0.55 * socket)
    return (
        occlusion + mouth * np.maximum(_MOUTH_OCCLUSION * ramp(0.1, 0.75, z) - occlusion, 0),
        shadow + mouth * np.maximum(_MOUTH_SHADOW - shadow, 0),
    )
