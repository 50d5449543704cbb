"""Deferred shading of the z-buffer: lights, highlights, tone, and the layers of a frame."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .looks import brow_look, catchlight, cloth_look, eye_look, hair_look, skin_look
from .materials import BROW, EYE, HAIR, MOUTH, SKIN, TEETH
from .shapes import jit

_FILL = (0.78, 0.10, 0.62)
_EXPOSURE = 0.60


_TONE_END, _TONE_STEPS = 4.0, 2048  # the table runs over square roots of linear light


def _tone_table() -> NDArray[np.float64]:
    """An ACES-like curve (Narkowicz' fit) and a gamma of 2.2, where it is nearly straight."""
    x = np.linspace(0, _TONE_END, _TONE_STEPS + 1) ** 2 * _EXPOSURE
    x = (x * (2.51 * x + 0.03)) / (x * (2.43 * x + 0.59) + 0.14)
    return np.clip(x, 0, 1) ** (1 / 2.2)


_TONE = _tone_table()


@jit
def tone(x):
    """Linear light to sRGB in 0 … 1."""
    at = min(math.sqrt(max(0.0, x)) * (_TONE_STEPS / _TONE_END), _TONE_STEPS - 1.0)
    k = int(at)
    return _TONE[k] + (at - k) * (_TONE[k + 1] - _TONE[k])


@jit
def background(size):
    """(size, size, 3) float32 sRGB in 0 … 1: a soft glow behind the head."""
    image = np.empty((size, size, 3), np.float32)
    for row in range(size):
        for column in range(size):
            u = (column + 0.5) / size - 0.5
            v = (row + 0.5) / size - 0.35
            glow = 0.75 * math.exp(-3.0 * (u * u + v * v))
            image[row, column, 0] = tone(1.3 * (0.055 + 0.365 * glow))
            image[row, column, 1] = tone(1.3 * (0.075 + 0.395 * glow))
            image[row, column, 2] = tone(1.3 * (0.105 + 0.415 * glow))
    return image


@jit
def _dot(ax, ay, az, bx, by, bz):
    return ax * bx + ay * by + az * bz


@jit
def _unit(x, y, z):
    scale = 1.0 / math.sqrt(x * x + y * y + z * z + 1e-12)
    return x * scale, y * scale, z * scale


@jit
def _look(material, r, g, b, x, y, z):
    if material == SKIN:
        return skin_look(r, g, b)
    if material == EYE:
        return eye_look(x, y, z)
    if material == HAIR:
        return hair_look(r, g, b)
    if material == BROW:
        return brow_look(r, g, b)
    if material == TEETH:
        return r, g, b, 0.10, 24.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0
    if material == MOUTH:
        return r, g, b, 0.06, 20.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0
    return cloth_look(r, g, b, x, y)


@jit
def _highlight(material, gloss, power, n, v, key, ndk, ndh, lit, x, y, z):
    """Specular light of the key: catchlights on eyes, and a band across the strands of hair."""
    if material == EYE:
        return catchlight(x, y, z)
    if material == HAIR:  # (x, y, z) is the strand's direction, bent into the surface
        into = _dot(x, y, z, n[0], n[1], n[2])
        t = _unit(x - into * n[0], y - into * n[1], z - into * n[2])
        h = _unit(key[0] + v[0], key[1] + v[1], key[2] + v[2])
        along = _dot(t[0], t[1], t[2], h[0], h[1], h[2])
        across = math.sqrt(max(0.0, 1 - along * along))
        return (0.035 * across**20 + 0.05 * across**6) * lit * max(0.0, ndk + 0.35)
    return gloss * ndh**power * lit if gloss > 0.0 and ndh > 0.7 else 0.0


@jit
def _light(material, colour, texture, normal, view, ao, lit, key):
    """Tone-mapped sRGB of one surface point."""
    x, y, z = texture
    r, g, b, gloss, power, wrap, soft, fresnel, dx, dy, dz = _look(
        material, colour[0], colour[1], colour[2], x, y, z
    )
    nx, ny, nz = _unit(normal[0] + dx, normal[1] + dy, normal[2] + dz)
    ndk = _dot(nx, ny, nz, key[0], key[1], key[2])
    dr = dg = db = max(0.0, (ndk + wrap) / (1 + wrap))
    lit_r, ao_r = lit, ao
    if soft > 0.0:  # light that entered the skin leaves it redder, past the terminator too
        dr = max(0.0, (ndk + 0.48) / 1.48)
        dg = max(0.0, (ndk + 0.24) / 1.24)
        db = max(0.0, (ndk + 0.16) / 1.16)
        # About the 5/8th and 3/4th power, by roots: this runs a million times a frame.
        lit_r = math.sqrt(lit * math.sqrt(math.sqrt(lit)))
        ao_r = math.sqrt(ao * math.sqrt(ao))
    fill = 0.43 * max(0.0, (_dot(nx, ny, nz, _FILL[0], _FILL[1], _FILL[2]) + 0.4) / 1.4)
    right = max(0.0, _dot(nx, ny, nz, 0.62, 0.35, -0.70)) ** 2  # rim lights from behind
    left = max(0.0, _dot(nx, ny, nz, -0.75, 0.25, -0.60)) ** 2
    sky = 0.5 + 0.5 * ny
    er = 2.15 * dr * lit_r + (0.97 * fill + 0.30 * sky + 0.14 + 1.6 * right + 0.6 * left) * ao
    eg = 2.00 * dg * lit + (fill + 0.33 * sky + 0.13 + 1.6 * right + 0.7 * left) * ao
    eb = 1.80 * db * lit + (1.11 * fill + 0.39 * sky + 0.12 + 1.7 * right + 0.9 * left) * ao
    hx, hy, hz = _unit(key[0] + view[0], key[1] + view[1], key[2] + view[2])
    ndh = max(0.0, _dot(nx, ny, nz, hx, hy, hz))
    shine = _highlight(material, gloss, power, (nx, ny, nz), view, key, ndk, ndh, lit, x, y, z)
    grazing = (1 - max(0.0, _dot(nx, ny, nz, view[0], view[1], view[2]))) ** 4
    sheen = fresnel * grazing * ao
    return (
        tone(r * er * (0.45 + 0.55 * ao_r) + shine + sheen),
        tone(g * eg * (0.45 + 0.55 * ao) + 0.97 * shine + sheen),
        tone(b * eb * (0.45 + 0.55 * ao) + 0.93 * shine + 1.1 * sheen),
    )


@jit
def _mix(array, a, b, c, w0, w1, w2):
    return (
        w0 * array[a, 0] + w1 * array[b, 0] + w2 * array[c, 0],
        w0 * array[a, 1] + w1 * array[b, 1] + w2 * array[c, 1],
        w0 * array[a, 2] + w1 * array[b, 2] + w2 * array[c, 2],
    )


@jit
def resolve(
    buffer, vertices, normals, faces, texture, colour, material, occlusion, shadow, below,
    behind, key, distance, samples, image, head, torso, near, far,
):  # fmt: skip
    """Shade every subpixel of `buffer` (see `z_buffer`) and average `samples`² of them a pixel.

    Writes image (H, W, 3) uint8, head and torso coverage (H, W) uint8, and the nearest and
    farthest camera depth of the head's subpixels (H, W) float32, 0 where there is none.
    """
    depth, triangle, first, second = buffer
    share = 1.0 / (samples * samples)
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            red, green, blue = 0.0, 0.0, 0.0
            heads, torsos, low, high = 0, 0, 1e9, 0.0
            for sub in range(samples * samples):
                y, x = row * samples + sub // samples, column * samples + sub % samples
                t = triangle[y, x]
                if t < 0:
                    red += behind[row, column, 0]
                    green += behind[row, column, 1]
                    blue += behind[row, column, 2]
                    continue
                a, b, c = faces[t, 0], faces[t, 1], faces[t, 2]
                w0, w1 = first[y, x], second[y, x]
                w2 = 1.0 - w0 - w1
                if w0 * below[a] + w1 * below[b] + w2 * below[c] < 0.0:
                    heads += 1
                    low, high = min(low, depth[y, x]), max(high, depth[y, x])
                else:
                    torsos += 1
                most = a if w0 >= w1 and w0 >= w2 else (b if w1 >= w2 else c)
                place = _mix(vertices, a, b, c, w0, w1, w2)
                ao = w0 * occlusion[a] + w1 * occlusion[b] + w2 * occlusion[c]
                lit = w0 * shadow[a] + w1 * shadow[b] + w2 * shadow[c]
                light = _light(
                    int(material[most]),
                    _mix(colour, a, b, c, w0, w1, w2),
                    _mix(texture, a, b, c, w0, w1, w2),
                    _mix(normals, a, b, c, w0, w1, w2),
                    _unit(-place[0], -place[1], distance - place[2]),
                    ao,
                    lit,
                    key,
                )
                red, green, blue = red + light[0], green + light[1], blue + light[2]
            image[row, column, 0] = int(255.0 * red * share + 0.5)
            image[row, column, 1] = int(255.0 * green * share + 0.5)
            image[row, column, 2] = int(255.0 * blue * share + 0.5)
            head[row, column] = int(255.0 * heads * share + 0.5)
            torso[row, column] = int(255.0 * torsos * share + 0.5)
            near[row, column] = low if heads > 0 else 0.0
            far[row, column] = high
