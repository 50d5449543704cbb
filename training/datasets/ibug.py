"""MediaPipe's face mesh → the 68 points of iBUG.

Each of the 68 is one mesh vertex, or the middle between two where iBUG's point lies between the
mesh's lines (brows: the mesh has an upper and a lower edge, iBUG the hairs' middle).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MESH_POINTS = 478
"""Vertices of the mesh: 468 of the face and, refined, 10 of the irises."""

_JAW = (
    (127, 234), (234, 93), 132, 58, 172, 136, (150, 149), (176, 148), 152,
    (400, 377), (379, 378), 365, 397, 288, 361, (454, 323), (356, 454),
)  # fmt: skip
_BROWS = (
    (70, 46), (63, 53), (105, 52), (66, 65), (107, 55),
    (336, 285), (296, 295), (334, 282), (293, 283), (300, 276),
)  # fmt: skip
_NOSE = (168, (6, 197), 195, 4, (98, 240), (97, 99), (2, 94), (326, 328), (327, 460))
_EYES = (33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380)
_OUTER_LIPS = (
    61, (40, 39), 37, 0, 267, (269, 270), 291, (321, 405), 314, 17, 84, (181, 91),
)  # fmt: skip
_INNER_LIPS = (78, (80, 81), 13, (311, 310), 308, 402, 14, 178)

IBUG_FROM_MESH: tuple[int | tuple[int, int], ...] = (
    *_JAW, *_BROWS, *_NOSE, *_EYES, *_OUTER_LIPS, *_INNER_LIPS,
)  # fmt: skip
"""Row k: the vertex, or the pair of vertices, whose (mean) position is iBUG's point k."""

_PAIRS = np.array([p if isinstance(p, tuple) else (p, p) for p in IBUG_FROM_MESH])


def ibug_points(mesh: NDArray[np.float32]) -> NDArray[np.float32]:
    """(..., 478, C) mesh vertices → (..., 68, C)."""
    return mesh[..., _PAIRS, :].mean(-2)
