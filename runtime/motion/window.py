"""The frames around a frame, as the condition encoder sees them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...contract.data import Float32
from ...contract.landmarks import FLAT


def window(frame_at: Callable[[int], Float32], frame: int, width: int, count: int) -> Float32:
    """Frames ``frame - width // 2`` … ``frame + width // 2``: (width, 204) float32.

    Args:
        frame_at: frame index in the utterance → (204,).
        count: frames in the utterance; beyond its ends there are zeros.
    """
    seen = np.zeros((width, FLAT), np.float32)
    for place in range(width):
        index = frame - width // 2 + place
        if 0 <= index < count:
            seen[place] = frame_at(index)
    return seen
