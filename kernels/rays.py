"""Rays through pixels."""

from __future__ import annotations

import ctypes

import numpy as np

from ..contract.camera import Intrinsics
from . import native
from .arrays import F32, I32, Float32, Int32, address, check_indices, length
from .threads import ThreadPool

_camera_rays = native.Kernel(
    "emogene_camera_rays",
    native.POINTER,
    ctypes.POINTER(native.Camera),
    native.POINTER,
    native.POINTER,
    native.I64,
    native.POINTER,
    native.POINTER,
)


def camera_rays(
    pose: Float32,
    camera: Intrinsics,
    pixels: Int32,
    *,
    frames: Int32 | None = None,
    pool: ThreadPool | None = None,
) -> tuple[Float32, Float32]:
    """Rays in head space through the centres of pixels.

    Args:
        pose: (3, 4) camera-from-head; with `frames`, (F, 3, 4).
        camera: intrinsics at the size of the image that is rendered.
        pixels: (N,) row * camera.size + column.
        frames: (N,) the pose of each pixel.

    Returns:
        Origins (3,), or (N, 3) with `frames`; unit directions (N, 3).

    Raises:
        BadOption: an array has another dtype or shape, or an index is out of range.
    """
    n = length("pixels", pixels)
    if frames is None:
        poses, count = address("pose", pose, F32, (3, 4)), 1
        origins = np.empty(3, np.float32)
    else:
        poses, count = address("pose", pose, F32, (None, 3, 4)), len(pose)
        origins = np.empty((n, 3), np.float32)
    at_pixels = address("pixels", pixels, I32, (None,))
    check_indices("pixels", pixels, camera.size**2)
    at_frames = None
    if frames is not None:
        at_frames = address("frames", frames, I32, (n,))
        check_indices("frames", frames, count)
    directions = np.empty((n, 3), np.float32)
    _camera_rays.on(
        pool,
        poses,
        native.Camera(camera.size, camera.focal, camera.cx, camera.cy),
        at_pixels,
        at_frames,
        n,
        origins.ctypes.data,
        directions.ctypes.data,
    )
    return origins, directions


def origin_stride(origins: Float32, rays: int) -> tuple[int, int]:
    """Address of the origins and floats from one ray's to the next's: 0 if they share one.

    Raises:
        BadOption: neither (3,) nor (rays, 3).
    """
    if isinstance(origins, np.ndarray) and origins.ndim == 1:
        return address("origins", origins, F32, (3,)), 0
    return address("origins", origins, F32, (rays, 3)), 3
