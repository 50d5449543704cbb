"""Rays through pixels."""

from __future__ import annotations

import numpy as np

from ...contract.camera import Intrinsics
from ..arrays import Float32, Int32
from ..threads import ThreadPool


def camera_rays(
    pose: Float32,
    camera: Intrinsics,
    pixels: Int32,
    *,
    frames: Int32 | None = None,
    pool: ThreadPool | None = None,
) -> tuple[Float32, Float32]:
    """As `emogene.kernels.rays.camera_rays`."""
    poses = pose if frames is None else pose[frames]
    r, t = poses[..., :3], poses[..., 3]
    # Sums of three written out: matmul may add in another order.
    origins = -(
        r[..., 0, :] * t[..., 0:1] + r[..., 1, :] * t[..., 1:2] + r[..., 2, :] * t[..., 2:3]
    )
    focal, cx, cy = np.float32(camera.focal), np.float32(camera.cx), np.float32(camera.cy)
    half = np.float32(0.5)
    x = ((pixels % camera.size).astype(np.float32) + half - cx) / focal
    y = ((pixels // camera.size).astype(np.float32) + half - cy) / focal
    d = r[..., 0, :] * x[:, None] + r[..., 1, :] * y[:, None] + r[..., 2, :]
    squared = d[:, 0] * d[:, 0] + d[:, 1] * d[:, 1] + d[:, 2] * d[:, 2]
    scale = np.float32(1.0) / np.sqrt(squared)
    return origins, d * scale[:, None]
