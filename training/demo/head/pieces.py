"""The parts of the head that are strips and patches, not sculpted: eyes, brows, teeth, tongue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import eyes, materials
from .anatomy import MOUTH_Y, front_depth

Array = NDArray[np.float64]

BROW_LENGTH, BROW_ROUND = 26, 10  # vertices along a brow and around it


@dataclass(frozen=True)
class Piece:
    """A mesh with its looks. All arrays are per vertex but `faces` (m, 3) int32.

    vertices (n, 3) neutral, head space; colour (n, 3) linear RGB; material (n,);
    occlusion, shadow (n,) in 0 … 1.
    """

    name: str
    vertices: Array
    faces: NDArray[np.int32]
    colour: Array
    material: Array
    occlusion: Array
    shadow: Array


def patch(
    name: str,
    vertices: Array,
    shape: tuple[int, int],
    colour: Array | tuple[float, float, float],
    material: Array | int,
    *,
    flip: bool = False,
    occlusion: float = 1.0,
    shadow: float = 1.0,
) -> Piece:
    """A piece whose vertices form a grid of `shape`; `flip` turns its front to the other side."""
    rows, columns = shape
    a = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    b, c, d = a + 1, a + columns, a + columns + 1
    faces = np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)])
    n = rows * columns
    return Piece(
        name,
        vertices.reshape(n, 3),
        (faces[:, ::-1] if flip else faces).astype(np.int32),
        np.broadcast_to(np.asarray(colour, float), (n, 3)),
        np.broadcast_to(np.asarray(material, float), (n,)),
        np.full(n, occlusion),
        np.full(n, shadow),
    )


def make_eyes() -> list[Piece]:
    """Eyeballs and lids, named eyeL, upperLidL, lowerLidL and the same with R."""
    directions = eyes.eyeball_directions()
    grid = (eyes.ALONG, eyes.ACROSS)
    upper_colour = np.tile(materials.LID_TONE, (*grid, 1))
    upper_colour[:, :7] *= (0.93, 0.83, 0.80)
    upper_colour[:, -4:] = materials.LASH
    lower_colour = np.tile(materials.LID_TONE, (*grid, 1))
    lower_colour[:, -3:] = (0.55, 0.27, 0.22)
    upper_material = np.full(grid, float(materials.SKIN))
    upper_material[:, -4:] = materials.BROW
    pieces = []
    for side in eyes.SIDES:
        ball = eyes.eyeball_vertices(side, directions)
        upper, lower = eyes.lid_vertices(side, 1.0, 0.0)
        pieces += [
            patch("eye" + side, ball, eyes.EYEBALL_SHAPE, (0.8, 0.8, 0.8), materials.EYE),
            patch(
                "upperLid" + side,
                upper,
                grid,
                upper_colour.reshape(-1, 3),
                upper_material.ravel(),
                flip=True,
                occlusion=0.95,
            ),
            patch(
                "lowerLid" + side,
                lower,
                grid,
                lower_colour.reshape(-1, 3),
                materials.SKIN,
                occlusion=0.95,
            ),
        ]
    return pieces


def brow_line() -> Array:
    """(BROW_LENGTH, 6) the left brow's centre line on the skin and the skin's normal along it."""
    t = np.linspace(0, 1, BROW_LENGTH)
    x = 0.100 + 0.48 * t
    y = 0.255 + 0.115 * np.sin(np.pi * (0.12 + 0.72 * t)) - 0.055 * t
    e = 0.02
    depth = np.vectorize(front_depth)
    slope_x = (depth(x + e, y) - depth(x - e, y)) / (2 * e)
    slope_y = (depth(x, y + e) - depth(x, y - e)) / (2 * e)
    normal = _unit(np.stack([-slope_x, -slope_y, np.ones_like(x)], 1))
    return np.concatenate([np.stack([x, y, depth(x, y)], 1), normal], 1)


def make_brow(side: str, brow: Array) -> Piece:
    """A tube along the `brow` line (see `brow_line`), tapered to both ends."""
    sign = eyes.SIDES[side]
    line, normal = brow[:, :3], brow[:, 3:]
    upward = np.cross(normal, _unit(np.gradient(line, axis=0)))
    t = np.linspace(0, 1, BROW_LENGTH)
    width = np.interp(t, [0, 0.05, 0.14, 0.40, 0.75, 1], [0.012, 0.034, 0.047, 0.050, 0.030, 0.003])
    angle = np.linspace(0, 2 * np.pi, BROW_ROUND)
    tube = (
        line[:, None]
        + upward[:, None] * (width[:, None] * np.cos(angle))[..., None]
        + normal[:, None] * (0.5 * width[:, None] * np.sin(angle) + 0.004)[..., None]
    )
    mirrored = tube * (sign, 1, 1)
    shape = (BROW_LENGTH, BROW_ROUND)
    return patch("brow" + side, mirrored, shape, materials.BROW_TONE, materials.BROW, flip=sign > 0)


def _unit(vectors: Array) -> Array:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def make_teeth(upper: bool) -> Piece:
    """One dental arch. Gaps are shallow and hardly darker, or small teeth read as braces."""
    along, high = 97, 9
    sign = 1 if upper else -1
    u, v = np.linspace(-1, 1, along)[:, None], np.linspace(0, 1, high)[None, :]
    tooth = 1 - np.exp(-6 * np.abs(np.sin(4 * np.pi * u)))  # 0 in a gap
    half_width = 0.225 if upper else 0.205
    top, edge = (0.105, -0.020) if upper else (-0.135, -0.036)
    x = half_width * np.sin(1.35 * u) + 0 * v
    y = MOUTH_Y + top + (edge - top) * v + np.where(v > 0.8, sign * 0.006 * (1 - tooth), 0)
    z = 0.60 + 0.175 * np.cos(1.35 * u) - (0.0 if upper else 0.02)
    z = z - 0.005 * (1 - tooth) - 0.060 * (v - 0.5) ** 2 - 0.015 * (v > 0.95)
    colour = np.tile(materials.TOOTH, (along, high, 1))
    colour[:, :3] = materials.GUM
    colour *= (0.88 + 0.12 * tooth)[..., None]
    colour *= np.interp(np.abs(u), [0, 0.45, 1], [1, 0.82, 0.25])[..., None]
    return patch(
        "upperTeeth" if upper else "lowerTeeth",
        np.stack([x, y, z], -1),
        (along, high),
        colour.reshape(-1, 3),
        materials.TEETH,
        flip=upper,
        occlusion=0.75 if upper else 0.62,
        shadow=0.6 if upper else 0.45,
    )


def make_tongue() -> Piece:
    around, high = 25, 25
    a, b = np.meshgrid(
        np.linspace(0, 2 * np.pi, around), np.linspace(-np.pi / 2, np.pi / 2, high), indexing="ij"
    )
    x = 0.165 * np.cos(b) * np.cos(a)
    y = 0.055 * np.sin(b) - 0.018 * np.exp(-((x / 0.03) ** 2)) + MOUTH_Y - 0.100
    z = 0.20 * np.cos(b) * np.sin(a) + 0.53
    return patch(
        "tongue",
        np.stack([x, y, z], -1),
        (around, high),
        materials.TONGUE,
        materials.MOUTH,
        occlusion=0.6,
        shadow=0.6,
    )


def all_pieces(brow: Array) -> list[Piece]:
    """Every part that is not sculpted, in a fixed order; `brow` as from `brow_line`."""
    brows = [make_brow(side, brow) for side in eyes.SIDES]
    return [*make_eyes(), *brows, make_teeth(True), make_teeth(False), make_tongue()]
