"""The last step of a frame."""

from __future__ import annotations

import numpy as np

from ..arrays import Float32, UInt8
from ..threads import ThreadPool


def blend(
    head: Float32,
    opacity: Float32,
    torso: Float32,
    background: UInt8,
    *,
    pool: ThreadPool | None = None,
) -> UInt8:
    """As `emogene.kernels.image.blend`."""
    one = np.float32(1.0)
    alpha = torso[:, 3:]
    under = background.astype(np.float32) / np.float32(255.0)
    behind = torso[:, :3] * alpha + (one - alpha) * under
    scaled = (head + (one - opacity[:, None]) * behind) * np.float32(255.0) + np.float32(0.5)
    image: UInt8 = np.clip(np.nan_to_num(scaled, nan=0.0), 0.0, 255.0).astype(np.uint8)
    return image
