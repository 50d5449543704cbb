"""What each material looks like at a point: albedo, gloss, softness, and a bent normal.

Every function returns a `Look` tuple
``(r, g, b, gloss, gloss_power, wrap, subsurface, fresnel, dx, dy, dz)``: linear albedo, the
highlight's strength and exponent, how far diffuse light wraps around the terminator, whether that
terminator is skin's, the strength of the grazing sheen, and what is added to the normal.
"""

from __future__ import annotations

import math

from .shapes import jit

IRIS, PUPIL = 0.50, 0.215  # angular radii on the eyeball, radians


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
    return r, g, b, 0.13 + 0.28 * redness, 22.0 + 40.0 * redness, 0.28, 1.0, 0.10, 0.0, 0.0, 0.0


@jit
def eye_look(x, y, z):
    """(x, y, z) is the direction on the eyeball, the pupil at +z."""
    polar, around = math.acos(min(1.0, max(-1.0, z))), math.atan2(y, x)
    redness = max(0.0, polar - 0.6) * 0.55
    r, g, b = 0.80 - 0.10 * redness, 0.775 - 0.32 * redness, 0.745 - 0.32 * redness
    if polar < IRIS + 0.03:
        fibre = 0.55 + 0.45 * noise(around * 9.0, polar * 7.0)
        fibre += 0.25 * noise(around * 21.0 + 7.0, 3.0 + polar * 4.0)
        q = (polar - PUPIL) / (IRIS - PUPIL)
        ir, ig, ib = (
            0.14 * fibre * (1.25 - 0.3 * q),
            0.27 * fibre * (1.2 - 0.35 * q),
            0.31 * fibre * (1.15 - 0.25 * q),
        )
        amber = 0.7 * math.exp(-(((q - 0.05) / 0.28) ** 2))
        ir = ir * (1 - amber) + 0.34 * amber * fibre
        ig = ig * (1 - amber) + 0.20 * amber * fibre
        ib = ib * (1 - amber) + 0.06 * amber * fibre
        limbus = 1.0 - 0.75 * clamp((polar - (IRIS - 0.085)) / 0.085)
        open_iris = clamp((polar - PUPIL) / 0.03) * limbus
        dark = 0.007 * (1 - clamp((polar - PUPIL) / 0.03))
        white = clamp((polar - IRIS) / 0.03)
        r = (ir * open_iris + dark) * (1 - white) + r * white
        g = (ig * open_iris + dark) * (1 - white) + g * white
        b = (ib * open_iris + dark) * (1 - white) + b * white
    return r, g, b, 0.0, 1.0, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0


@jit
def hair_look(r, g, b, x, y, z):
    """Strands run across the head; they bend the normal as well as the colour."""
    strand = noise(z * 55.0 + y * 8.0, x * 2.5) + 0.5 * noise(z * 120.0 + y * 12.0, x * 3.0 + 9.0)
    k, bend = 0.55 + 0.6 * strand, strand - 0.75
    return r * k, g * k, b * k, 0.0, 1.0, 0.15, 0.0, 0.12, 0.0, 0.12 * bend, 0.35 * bend


@jit
def brow_look(r, g, b, x, y):
    k = 0.6 + 0.8 * noise(x * 90.0 + y * 40.0, y * 16.0)
    return r * k, g * k, b * k, 0.0, 1.0, 0.3, 0.0, 0.0, 0.0, 0.0, 0.0


@jit
def cloth_look(r, g, b, x, y):
    rib = x * 62.0
    k = 0.86 + 0.14 * (0.5 + 0.5 * math.sin(rib + 0.6 * math.sin(y * 90.0)))
    return r * k, g * k, b * k, 0.0, 1.0, 0.2, 0.0, 0.20, 0.16 * math.cos(rib), 0.0, 0.0
