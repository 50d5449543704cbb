"""The 68 landmarks (iBUG layout) as a function of the face parameters, without the mesh.

Jaw, nose and lips are vertices of the skin, chosen once by place; brows are means across the brow
strips; eyes are points of the lid edges. So the landmarks are those of the mesh, exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....contract.landmarks import LANDMARKS
from . import eyes
from .anatomy import (
    MOUTH_HALF_WIDTH,
    SLIT,
    front_depth,
    front_facing,
    lip_front,
    lip_profile,
    mouth_fields,
    mouth_line,
)
from .blendshapes import expression_basis, jaw_weight, rotate_jaw
from .parameters import INDEX
from .pieces import BROW_ACROSS, BROW_LENGTH

Array = NDArray[np.float64]

BROW_POINTS = np.linspace(0, BROW_LENGTH - 1, 5).round().astype(int)
_JAW_TILT = 0.30  # the contour runs where the skin has turned this far from the viewer
_JAW_CENTRE = (0.0, -0.20)


def _on_face(x: float, y: float) -> bool:
    """Whether the skin at (x, y) is inside the contour, and neither neck nor ear."""
    return front_depth(x, y) > 0.28 and front_facing(x, y) > _JAW_TILT


def _contour() -> Array:
    """(17, 3) points of the jaw contour from the image-left ear over the chin to the right."""
    half = []
    for angle in np.linspace(0.06, -0.5 * np.pi, 9):
        dx, dy = math.cos(angle), math.sin(angle)
        reach = 1.0
        while not _on_face(dx * reach, _JAW_CENTRE[1] + dy * reach):
            reach -= 0.004
        x, y = dx * reach, _JAW_CENTRE[1] + dy * reach
        half.append((abs(x), y, front_depth(x, y)))
    right = np.array(half)
    right[-1, 0] = 0.0
    return np.concatenate([right * (-1, 1, 1), right[-2::-1]])


def _nose() -> Array:
    bridge = [(0.0, y, front_depth(0.0, y)) for y in (0.12, 0.01, -0.10, -0.21)]
    right = np.array([(0.14, -0.316, 0.87), (0.075, -0.338, 0.92)])
    return np.array([*bridge, *right * (-1, 1, 1), (0.0, -0.350, 0.93), *right[::-1]])


def _lip(across: float, upper: bool, inner: bool) -> tuple[float, float, float]:
    """A designed point of the outer or inner lip edge; `across` is -1 … 1 along the mouth."""
    x = across * MOUTH_HALF_WIDTH
    line, front = mouth_line(x), lip_front(x)
    up, upper_radius, down, lower_radius = lip_profile(x)
    if inner:
        return (x, line + SLIT, front + 0.35 * upper_radius) if upper else (
            x, line - SLIT, front + 0.30 * lower_radius)  # fmt: skip
    if upper:
        return x, line + up + 0.75 * upper_radius, front + 0.6 * upper_radius
    return x, line - down - 0.75 * lower_radius, front - 0.015 + 0.6 * lower_radius


def _lip_targets() -> tuple[Array, NDArray[np.int8]]:
    """(20, 3) targets of landmarks 48 … 67, and (20,): 1 above the mouth line, -1 below, 0 any."""
    end = MOUTH_HALF_WIDTH
    corner = (1.02 * end, mouth_line(end), lip_front(end) + 0.01)
    outer_up = [_lip(t, True, False) for t in (-0.66, -0.28, 0.0, 0.28, 0.66)]
    outer_low = [_lip(t, False, False) for t in (0.66, 0.30, 0.0, -0.30, -0.66)]
    inner_up = [_lip(t, True, True) for t in (-0.88, -0.42, 0.0, 0.42, 0.88)]
    inner_low = [_lip(t, False, True) for t in (0.42, 0.0, -0.42)]
    left = (-corner[0], *corner[1:])
    points = [left, *outer_up, corner, *outer_low, *inner_up, *inner_low]
    side = [0, *[1] * 5, 0, *[-1] * 5, *[1] * 5, *[-1] * 3]
    return np.array(points), np.array(side, np.int8)


def choose_skin_vertices(skin: Array) -> NDArray[np.int64]:
    """Indices into `skin` (n, 3) of landmarks 0 … 16, 27 … 35 and 48 … 67, in that order (46,)."""
    lip_points, lip_side = _lip_targets()
    targets = np.concatenate([_contour(), _nose(), lip_points])
    side = np.concatenate([np.zeros(26, np.int8), lip_side])
    above = np.sign(skin[:, 1] - mouth_fields(skin)[:, 0])
    chosen = []
    for target, wanted in zip(targets, side, strict=True):
        far = ((skin - target) ** 2).sum(1)
        if wanted:  # lips touch: without this, upper and lower would swap
            far = np.where(above == wanted, far, np.inf)
        chosen.append(int(np.argmin(far)))
    return np.array(chosen)


SKIN_LANDMARKS = np.r_[0:17, 27:36, 48:68]


@dataclass(frozen=True)
class LandmarkModel:
    """Landmarks from parameters: linear shapes, the jaw's rotation, lid curves in closed form.

    neutral (68, 3), basis (K, 68, 3), jaw (68,) float32; the rows of the eyes are 0.
    """

    neutral: NDArray[np.float32]
    basis: NDArray[np.float32]
    jaw: NDArray[np.float32]

    @classmethod
    def of(cls, skin: Array, indices: NDArray[np.int64], brows: dict[str, Array]) -> LandmarkModel:
        """From the skin's vertices, the chosen `indices`, and the brow vertices by side."""
        points = skin[indices]
        neutral = np.zeros((LANDMARKS, 3))
        basis = np.zeros((len(INDEX), LANDMARKS, 3))
        jaw = np.zeros(LANDMARKS)
        neutral[SKIN_LANDMARKS], jaw[SKIN_LANDMARKS] = points, jaw_weight(points)
        basis[:, SKIN_LANDMARKS] = expression_basis(points)
        for side, rows in (("R", np.arange(21, 16, -1)), ("L", np.arange(22, 27))):
            neutral[rows] = brow_means(brows[side])
            moves = expression_basis(brows[side])
            basis[:, rows] = np.stack([brow_means(move) for move in moves])
        return cls(*(a.astype(np.float32) for a in (neutral, basis, jaw)))

    def __call__(self, parameters: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, 21) parameters → (N, 68, 3) float32 landmarks in head space."""
        q = np.asarray(parameters, np.float32)
        placed = self.neutral + np.einsum("nk,kvd->nvd", q, self.basis)
        placed = rotate_jaw(placed, self.jaw, q[:, INDEX["jaw"], None])
        for side, rows in (("R", slice(36, 42)), ("L", slice(42, 48))):
            lid, squint = q[:, INDEX["lid" + side]], q[:, INDEX["squint" + side]]
            placed[:, rows] = eyes.eye_landmarks(side, lid, squint)
        return placed


def brow_means(brow: NDArray[np.floating]) -> NDArray[np.floating]:
    """(5, 3) landmarks of one brow, inner to outer, from its (n, 3) vertices or displacements."""
    return brow.reshape(BROW_LENGTH, BROW_ACROSS, 3)[BROW_POINTS].mean(1)
