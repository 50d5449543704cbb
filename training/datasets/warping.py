"""Two recordings of one sentence laid over each other: dynamic time warping.

H. Sakoe, S. Chiba, "Dynamic programming algorithm optimization for spoken word recognition" (1978),
symmetric steps without slope weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Alignment:
    """The cheapest way through two recordings.

    Attributes:
        path: (L, 2) int64 rows of the first and the second recording, from (0, 0) to both ends.
        cost: mean distance along it: 0 for equal features, about 1 for unrelated ones.
    """

    path: NDArray[np.int64]
    cost: float

    def second_at(self, count: int) -> NDArray[np.float64]:
        """(count,) for each row of the first, the mean of the rows of the second it meets."""
        met = np.bincount(self.path[:, 0], minlength=count)
        return np.bincount(self.path[:, 0], self.path[:, 1], minlength=count) / met


def align(first: Float32, second: Float32) -> Alignment:
    """Lay (n, D) over (m, D), n, m ≥ 1, by the cosine distance of their rows."""
    distance = 1 - _directions(first) @ _directions(second).T
    path = _cheapest(np.ascontiguousarray(distance, np.float64))
    return Alignment(path, float(distance[path[:, 0], path[:, 1]].mean()))


def _directions(rows: Float32) -> Float32:
    # A recording's mean is voice and room, not what is said.
    rows = rows - rows.mean(0)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


@numba.njit
def _cheapest(distance):
    n, m = distance.shape
    total = np.empty((n, m))
    for i in range(n):
        for j in range(m):
            if i == 0 and j == 0:
                before = 0.0
            else:
                before = np.inf
                if i > 0:
                    before = min(before, total[i - 1, j])
                if j > 0:
                    before = min(before, total[i, j - 1])
                if i > 0 and j > 0:
                    before = min(before, total[i - 1, j - 1])
            total[i, j] = distance[i, j] + before
    path = np.empty((n + m, 2), np.int64)
    i, j = n - 1, m - 1
    length = 0
    while True:
        path[length, 0], path[length, 1] = i, j
        length += 1
        if i == 0 and j == 0:
            break
        best, step = np.inf, 0
        if i > 0 and j > 0:
            best, step = total[i - 1, j - 1], 0
        if i > 0 and total[i - 1, j] < best:
            best, step = total[i - 1, j], 1
        if j > 0 and total[i, j - 1] < best:
            best, step = total[i, j - 1], 2
        i -= step != 2
        j -= step != 1
    return path[:length][::-1].copy()
