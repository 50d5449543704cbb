"""Head over torso over background in numbers that are no bytes yet, and a network that makes them
a picture twice as large."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...contract.data import Float32
from ...contract.stages import ENLARGEMENT
from ..backends.protocol import Runner
from .head import HeadImage


def composited(head: HeadImage, torso: Float32, behind: Float32) -> Float32:
    """Head over torso over background, unrounded: (N, 3) float32 in [0, 1].

    Args:
        torso: (N, 4) red, green, blue (not premultiplied) and alpha.
        behind: (N, 3) float32 in [0, 1].
    """
    alpha = torso[:, 3:]
    under = torso[:, :3] * alpha + (1 - alpha) * behind
    made: Float32 = np.clip(head.colour + (1 - head.opacity[:, None]) * under, 0, 1)
    return made


def enlarge(network: Runner, picture: Float32) -> Float32:
    """(S², 3) float32 → (4 S², 3) float32 in [0, 1].

    Args:
        network: the stage `SUPER_RESOLUTION`.
    """
    side = round(len(picture) ** 0.5)
    planes = np.ascontiguousarray(picture.reshape(side, side, 3).transpose(2, 0, 1))[None]
    large = network.run({"picture": planes})["enlarged"][0]
    assert large.shape == (3, ENLARGEMENT * side, ENLARGEMENT * side)
    return rows_of_planes(large)


def rows_of_planes(planes: Float32) -> Float32:
    """(3, S, S) → (S², 3)."""
    made: Float32 = planes.transpose(1, 2, 0).reshape(-1, 3)
    return made


def as_bytes(picture: Float32, *, cut_off: bool) -> NDArray[np.uint8]:
    """(S², 3) float32 in [0, 1] → (S, S, 3) uint8.

    Args:
        cut_off: to the byte below, as the published inference does it; else to the nearest.
    """
    side = round(len(picture) ** 0.5)
    scaled = np.nan_to_num(picture) * np.float32(255) + np.float32(0.0 if cut_off else 0.5)
    made: NDArray[np.uint8] = np.clip(scaled, 0, 255).astype(np.uint8)
    return made.reshape(side, side, 3)
