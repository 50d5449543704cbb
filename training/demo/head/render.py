"""One frame of the head: image, layers and depth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .camera import DISTANCE, intrinsics
from .raster import vertex_normals, z_buffer
from .rig import HeadRig
from .sculpture import KEY_LIGHT
from .shading import background, resolve

SUBPIXELS = 2
"""Subpixels along each side of a pixel."""


@dataclass(frozen=True)
class Shot:
    """A rendered frame.

    Attributes:
        image: (H, W, 3) uint8 sRGB, head over torso over background.
        head_alpha, torso_alpha: (H, W) uint8, the share of a pixel's subpixels that show the layer.
        depth_near, depth_far: (H, W) float16 camera z in head units of the head's nearest and
            farthest subpixel; 0 where the head is not seen.
    """

    image: NDArray[np.uint8]
    head_alpha: NDArray[np.uint8]
    torso_alpha: NDArray[np.uint8]
    depth_near: NDArray[np.float16]
    depth_far: NDArray[np.float16]


@lru_cache(maxsize=4)
def _background(size: int) -> NDArray[np.float32]:
    return background(size)


def backdrop(size: int) -> NDArray[np.uint8]:
    """(size, size, 3) uint8: what is seen where neither head nor torso is."""
    return (255.0 * _background(size) + 0.5).astype(np.uint8)


def render(
    rig: HeadRig, parameters: NDArray[np.float32], pose: NDArray[np.float32], size: int
) -> Shot:
    """Film the head with (21,) `parameters` in `pose` (3, 4) at size × size pixels."""
    vertices = rig.stand(rig.deform(parameters), pose)
    normals = vertex_normals(vertices, rig.faces)
    camera = intrinsics(size * SUBPIXELS)
    buffer = z_buffer(
        vertices, rig.faces, camera.size, camera.focal, camera.cx, camera.cy, DISTANCE
    )
    image = np.empty((size, size, 3), np.uint8)
    head, torso = np.empty((2, size, size), np.uint8)
    near, far = np.empty((2, size, size), np.float32)
    resolve(
        buffer, vertices, normals, rig.faces, rig.texture, rig.colour, rig.material,
        rig.lit(parameters), rig.shadow, rig.below, background(size), KEY_LIGHT, DISTANCE,
        SUBPIXELS, image, head, torso, near, far,
    )  # fmt: skip
    return Shot(image, head, torso, near.astype(np.float16), far.astype(np.float16))
