"""What each material looks like at a point: albedo, gloss, softness, and a bent normal.

Every function returns a `Look` tuple
``(r, g, b, gloss, gloss_power, wrap, subsurface, fresnel, dx, dy, dz)``: linear albedo, the
highlight's strength and exponent, how far diffuse light wraps around the terminator, whether that
terminator is skin's, the strength of the grazing sheen, and what is added to the normal.
"""

from __future__ import annotations

import math

from .shapes import jit

IRIS, PUPIL = 0.455, 0.19  # angular radii on the eyeball, radians


@jit
def _hash(n):
    n = math.sin(n) * 43758.5453
    return n - math.floor(n)


@jit
def noise(x, y):
    """Smooth value noise in 0 … 1 with unit cells."""
    ix, iy = math.floor(x), math.floor(y)
    fx, fy = x - ix, y - iy
    fx, fy = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy)
    seed = ix * 12.9898 + iy * 78.233
    a, b = _hash(seed), _hash(seed + 12.9898)
    c, d = _hash(seed + 78.233), _hash(seed + 12.9898 + 78.233)
    return a + (b - a) * fx + (c - a) * fy + (a - b - c + d) * fx * fy


@jit
def clamp(x):
    return min(1.0, max(0.0, x))


@jit
def skin_look(r, g, b):
    redness = clamp((r - 2.4 * g) * 6.0)  # lips are glossier than cheeks
    return r, g, b, 0.11 + 0.16 * redness, 20.0 + 18.0 * redness, 0.28, 1.0, 0.10, 0.0, 0.0, 0.0


@jit
def smooth(a, b, x):
    """Smoothstep from 0 at `a` to 1 at `b`."""
    t = clamp((x - a) / (b - a))
    return t * t * (3.0 - 2.0 * t)


@jit
def eye_look(x, y, z):
    """(x, y, z) is the direction on the eyeball, the pupil at +z.

    Iris and pupil end softly and the iris has few, broad fibres: at a distance of metres that is
    what an eye looks like, and a field can store it.
    """
    polar, around = math.acos(min(1.0, max(-1.0, z))), math.atan2(y, x)
    redness = max(0.0, polar - 0.55) * 0.5
    r, g, b = 0.80 - 0.10 * redness, 0.765 - 0.32 * redness, 0.735 - 0.32 * redness
    if polar < IRIS + 0.04:
        fibre = 0.86 + 0.28 * noise(around * 5.0 + 20.0, polar * 5.0)
        q = (polar - PUPIL) / (IRIS - PUPIL)
        below = 1.0 - 0.9 * y  # light entering from above gathers in the lower half
        ir, ig, ib = 0.105 * fibre * below, 0.235 * fibre * below, 0.275 * fibre * below
        amber = 0.55 * math.exp(-(((q - 0.05) / 0.32) ** 2))
        ir = ir * (1 - amber) + 0.26 * amber * fibre
        ig = ig * (1 - amber) + 0.17 * amber * fibre
        ib = ib * (1 - amber) + 0.07 * amber * fibre
        limbus = 1.0 - 0.70 * smooth(IRIS - 0.13, IRIS, polar)
        iris = smooth(PUPIL - 0.03, PUPIL + 0.035, polar) * limbus
        white = smooth(IRIS - 0.03, IRIS + 0.04, polar)
        r = (ir * iris + 0.008) * (1 - white) + r * white
        g = (ig * iris + 0.008) * (1 - white) + g * white
        b = (ib * iris + 0.010) * (1 - white) + b * white
    return r, g, b, 0.0, 1.0, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0


@jit
def catchlight(x, y, z):
    """Light mirrored by the cornea at direction (x, y, z) of the eyeball.

    A window at the upper left and a weak one opposite. They stay in the eye when the head turns,
    so that a field can store them sharply.
    """
    ax, ay = (x + 0.145) / 0.078, (y - 0.165) / 0.088
    bx, by = (x - 0.17) / 0.060, (y + 0.16) / 0.060
    one = smooth(1.25, 0.55, math.sqrt(ax * ax + ay * ay))
    other = smooth(1.6, 0.3, math.sqrt(bx * bx + by * by))
    return (1.7 * one + 0.16 * other) if z > 0.0 else 0.0


@jit
def hair_look(r, g, b):
    return r, g, b, 0.0, 1.0, 0.30, 0.0, 0.10, 0.0, 0.0, 0.0


@jit
def brow_look(r, g, b):
    return r, g, b, 0.0, 1.0, 0.45, 0.0, 0.0, 0.0, 0.0, 0.0


@jit
def cloth_look(r, g, b, x, y):
    rib = x * 62.0
    k = 0.86 + 0.14 * (0.5 + 0.5 * math.sin(rib + 0.6 * math.sin(y * 90.0)))
    return r * k, g * k, b * k, 0.0, 1.0, 0.2, 0.0, 0.20, 0.16 * math.cos(rib), 0.0, 0.0
