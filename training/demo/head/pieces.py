"""The parts of the head that are strips and patches, not sculpted: eyes, brows, teeth, tongue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import eyes, materials
from .anatomy import MOUTH_Y, front_depth

Array = NDArray[np.float64]

BROW_LENGTH, BROW_ACROSS = 31, 11  # vertices along a brow and across it


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
    skin, lash, rim = (
        np.array(colour) for colour in (materials.LID_TONE, materials.LASH, (0.60, 0.30, 0.245))
    )
    rows = np.arange(eyes.ACROSS)
    lashes = materials.ramp(eyes.ACROSS - 7, eyes.ACROSS - 3, rows)[:, None]
    upper_colour = np.tile(skin + lashes * (lash - skin), (eyes.ALONG, 1))
    wet = materials.ramp(eyes.ACROSS - 7, eyes.ACROSS - 3, rows)[:, None]
    lower_colour = np.tile(skin + wet * (rim - skin), (eyes.ALONG, 1))
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
                upper_colour,
                upper_material.ravel(),
                flip=True,
                occlusion=0.95,
            ),
            patch(
                "lowerLid" + side,
                lower,
                grid,
                lower_colour,
                materials.SKIN,
                occlusion=0.95,
            ),
        ]
    return pieces


def brow_line() -> Array:
    """(BROW_LENGTH, 6) the left brow's centre line on the skin and the skin's normal along it."""
    t = np.linspace(0, 1, BROW_LENGTH)
    x = 0.110 + 0.46 * t
    y = 0.250 + 0.105 * np.sin(np.pi * (0.12 + 0.72 * t)) - 0.055 * t
    e = 0.02
    depth = np.vectorize(front_depth)
    slope_x = (depth(x + e, y) - depth(x - e, y)) / (2 * e)
    slope_y = (depth(x, y + e) - depth(x, y - e)) / (2 * e)
    normal = _unit(np.stack([-slope_x, -slope_y, np.ones_like(x)], 1))
    return np.concatenate([np.stack([x, y, depth(x, y)], 1), normal], 1)


def brow_width() -> Array:
    """(BROW_LENGTH,) half of a brow's width along its line, head units."""
    t = np.linspace(0, 1, BROW_LENGTH)
    return np.interp(t, [0, 0.06, 0.18, 0.40, 0.75, 1], [0.005, 0.026, 0.039, 0.043, 0.028, 0.003])


def make_brow(side: str, brow: Array) -> Piece:
    """A flat strip along the `brow` line (see `brow_line`), tapered and fading to both ends."""
    sign = eyes.SIDES[side]
    line, normal = brow[:, :3], brow[:, 3:]
    upward = np.cross(normal, _unit(np.gradient(line, axis=0)))
    t = np.linspace(0, 1, BROW_LENGTH)
    width = brow_width()
    across = np.linspace(1, -1, BROW_ACROSS)
    arched = 1 - across**2
    strip = (
        line[:, None]
        + upward[:, None] * (width[:, None] * across)[..., None]
        + normal[:, None] * (0.32 * width[:, None] * arched + 0.001)[..., None]
    )
    # Dark along the middle, towards the rim and the ends as the skin that is stained around it.
    dark = materials.ramp(0.0, 0.75, arched) * materials.ramp(-0.16, 0.10, t)[:, None]
    dark = dark * (1 - 0.30 * materials.ramp(0.6, 1, t)[:, None])
    stain = materials.BROW_STAIN * materials.ramp(1.7, 0.5, 1.0)
    skin, hair = np.array(materials.SKIN_TONE), np.array(materials.BROW_TONE)
    colour = skin + (stain + (1 - stain) * dark[..., None]) * (hair - skin)
    return patch(
        "brow" + side,
        strip * (sign, 1, 1),
        (BROW_LENGTH, BROW_ACROSS),
        colour.reshape(-1, 3),
        materials.BROW,
        flip=sign > 0,
    )


def _unit(vectors: Array) -> Array:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def make_teeth(upper: bool) -> Piece:
    """One dental arch: a smooth row that fades into the dark, its teeth told apart but faintly."""
    along, high = 97, 13
    u, v = np.linspace(-1, 1, along)[:, None], np.linspace(0, 1, high)[None, :]
    gap = np.exp(-5 * np.abs(np.sin(4 * np.pi * u)))
    half_width, (top, edge) = (0.262, (0.120, -0.016)) if upper else (0.235, (-0.160, -0.052))
    x = half_width * np.sin(1.40 * u) + 0 * v
    y = MOUTH_Y + top + (edge - top) * v + 0.010 * u**2 * (1 if upper else -1)
    y = y + (0.008 if upper else -0.004) * gap * materials.ramp(0.7, 1.0, v)
    z = 0.575 + 0.190 * np.cos(1.40 * u) - (0.0 if upper else 0.025)
    z = z - 0.060 * (v - 0.5) ** 2 - 0.020 * materials.ramp(0.85, 1.0, v)
    ivory, gum = np.array(materials.TOOTH), np.array(materials.GUM)
    colour = gum + materials.ramp(0.02, 0.22, v + 0 * u)[..., None] * (ivory - gum)
    colour = colour * (1 - 0.17 * gap * materials.ramp(0.15, 0.4, v))[..., None]
    depth = materials.ramp(1.0, 0.40, np.abs(u)) + 0 * v  # into the corners of the mouth
    colour = materials.CAVITY + depth[..., None] * (colour - materials.CAVITY)
    return patch(
        "upperTeeth" if upper else "lowerTeeth",
        np.stack([x, y, z], -1),
        (along, high),
        colour.reshape(-1, 3),
        materials.TEETH,
        flip=upper,
        occlusion=0.86 if upper else 0.60,
        shadow=0.70 if upper else 0.42,
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
