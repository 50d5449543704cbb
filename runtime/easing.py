"""How one thing turns into another."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def smoothstep(x: ArrayLike) -> NDArray[np.float64]:
    """3x² - 2x³ between 0 and 1: starts and ends without a jerk."""
    inside: NDArray[np.float64] = np.clip(np.asarray(x, np.float64), 0.0, 1.0)
    return inside * inside * (3.0 - 2.0 * inside)
