"""What happens between landmarks and condition: projection on the training data, blinks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


def projected(x: Float64, database: Float64, k: int = 10, epsilon: float = 1e-6) -> Float64:
    """LLE: the nearest rows weighed so as to meet x; weights from a regularised inverse, sum 1."""
    squares = (x**2).sum() + (database**2).sum(1) - 2 * database @ x
    base = database[np.argsort(squares)[:k]]
    edges = (base[1:] - base[0]).T
    rest = np.linalg.inv(edges.T @ edges + epsilon * np.eye(k - 1)) @ edges.T @ (x - base[0])
    weights = np.concatenate([[1 - rest.sum()], rest])
    return weights @ base


def blinked(lm: Float64, first: int = 0) -> Float64:
    """Frames ``first`` … of an endless run (F, 68, 3): a blink every hundred, from the 75th on."""
    lm = lm.copy()
    lm[:, [37, 38, 43, 44], 1] += 0.03
    lm[:, [41, 40, 47, 46], 1] -= 0.03
    closed = lm.copy()
    closed[:, 37] = closed[:, 41] = lm[:, 36] * 0.67 + lm[:, 39] * 0.33
    closed[:, 38] = closed[:, 40] = lm[:, 36] * 0.33 + lm[:, 39] * 0.67
    closed[:, 43] = closed[:, 47] = lm[:, 42] * 0.67 + lm[:, 45] * 0.33
    closed[:, 44] = closed[:, 46] = lm[:, 42] * 0.33 + lm[:, 45] * 0.67
    for start in range(first + len(lm)):
        if (start + 25) % 100 == 0:
            for j, factor in enumerate((0.1, 0.5, 0.7, 1.0, 0.7, 0.5, 0.1)):
                at = start + j - first
                if 0 <= at < len(lm):
                    lm[at, 36:48] = lm[at, 36:48] * (1 - factor) + closed[at, 36:48] * factor
    return lm
