"""The 68 landmarks of the Basel face model, as the user's own copy of it has them.

Of the model nothing leaves this file but the rows of those 68 points: their mean position, and how
they move with the 80 identity and 64 expression coefficients.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...contract.errors import BadCheckpoint, MissingExtra
from ...contract.landmarks import LANDMARKS
from .words import in_words

MODEL_FILE = "BFM_model_front.mat"
VERTICES_FILE = "index_mp468_from_mesh35709.npy"

IDENTITY, EXPRESSION = 80, 64
WIDTHS = {"meanshape": 3, "idBase": 3 * IDENTITY, "exBase": 3 * EXPRESSION}
"""Arrays that are read, and the numbers they have for each point of the mesh."""

NUMBERS = ("double", "single", *(f"{u}int{n}" for u in ("", "u") for n in (8, 16, 32, 64)))
"""Kinds of them."""

MOST_POINTS = 200_000
"""Points the mesh may have; the published one has 35,709."""

MEDIAPIPE_POINTS = 468

LARGEST = 1 << 30
"""Bytes the model's file may have, packed or not; the published one has 133 million."""

_PACKED, _HEADER, _PIECE = 15, 128, 1 << 20
"""Of MATLAB's format: kind of a packed element, bytes before the first one; bytes read at once."""

IBUG_FROM_MEDIAPIPE = (
    *(127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356),
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300, 168, 197, 5, 4, 75, 97, 2, 326, 305),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91),
    *(78, 81, 13, 311, 308, 402, 14, 178),
)
"""Which of MediaPipe's 468 points stands for each of the 68, in the published pipeline."""


@dataclass(frozen=True)
class FaceModel:
    """The face model at 68 points, in its own units of 10 cm.

    Attributes:
        mean: (204,) float64.
        identity: (204, 80) float64.
        expression: (204, 64) float64.
    """

    mean: NDArray[np.float64]
    identity: NDArray[np.float64]
    expression: NDArray[np.float64]

    def landmarks(self, identity: NDArray[Any], expression: NDArray[Any]) -> NDArray[np.float64]:
        """Landmarks of frames (F, 80), (F, 64) → (F, 204)."""
        moved = identity @ self.identity.T + expression @ self.expression.T
        made: NDArray[np.float64] = self.mean + moved
        return made


def load_face_model(folder: Path) -> FaceModel:
    """Read the 68 points' rows from the face model's folder.

    Raises:
        BadCheckpoint: a file is missing or is not what it should be.
        MissingExtra: SciPy is not installed.
    """
    try:
        from scipy.io import loadmat, whosmat
    except ImportError:
        raise MissingExtra("scipy", "export", "reading the face model") from None
    path, vertices_path = folder / MODEL_FILE, folder / VERTICES_FILE
    for file in (path, vertices_path):
        if not file.is_file() or file.stat().st_size > LARGEST:
            raise _refusal(file, "nothing there" if not file.is_file() else "a file too large")
    try:
        # What a packed file would unpack to is asked before any of it is kept.
        _check_unpacked(path)
        points = _points({name: (shape, kind) for name, shape, kind in whosmat(path)})
        model = loadmat(path, variable_names=list(WIDTHS))
        mean = _numbers(model, "meanshape").reshape(points, 3)
        identity = _numbers(model, "idBase").reshape(points, 3, IDENTITY)
        expression = _numbers(model, "exBase").reshape(points, 3, EXPRESSION)
    except Exception as error:  # SciPy raises whatever a damaged file provokes
        raise _refusal(path, in_words(error)) from None
    chosen = _vertices(vertices_path, points)
    flat = 3 * LANDMARKS
    return FaceModel(
        (mean - mean.mean(axis=0))[chosen].reshape(flat),
        identity[chosen].reshape(flat, IDENTITY),
        expression[chosen].reshape(flat, EXPRESSION),
    )


def _check_unpacked(path: Path) -> None:
    """Count the bytes that a file's elements unpack to, whatever they say of themselves."""
    with path.open("rb") as file:
        order = "<" if file.read(_HEADER).endswith(b"IM") else ">"
        unpacked = 0
        while len(tag := file.read(8)) == 8:
            kind, left = struct.unpack(f"{order}II", tag)
            if kind != _PACKED:
                file.seek(left, 1)
                continue
            unpacking = zlib.decompressobj()
            while left and (piece := file.read(min(left, _PIECE))):
                left -= len(piece)
                while piece:
                    unpacked += len(unpacking.decompress(piece, _PIECE))
                    piece = unpacking.unconsumed_tail
                    if unpacked > LARGEST:
                        raise ValueError(f"more than {LARGEST} bytes once it is unpacked")


def _points(arrays: dict[str, tuple[tuple[int, ...], str]]) -> int:
    """Points of the mesh, as the sizes of all three arrays agree on."""
    counts = set()
    for name, width in WIDTHS.items():
        shape, kind = arrays.get(name, ((), "missing"))
        count = math.prod(shape)
        if kind not in NUMBERS or not shape or count % width:
            raise ValueError(f"{name} is {kind} {shape}")
        counts.add(count // width)
    (points, *others) = counts
    if others or not 1 <= points <= MOST_POINTS:
        raise ValueError(f"arrays of {', '.join(map(str, sorted(counts)))} points")
    return points


def _vertices(path: Path, points: int) -> NDArray[np.int64]:
    """The vertex of each of the 68 landmarks."""
    try:
        vertices = np.load(path, allow_pickle=False)
    except Exception as error:  # so does numpy
        raise _refusal(path, in_words(error)) from None
    if not isinstance(vertices, np.ndarray) or vertices.size != MEDIAPIPE_POINTS:
        raise _refusal(path, f"not {MEDIAPIPE_POINTS} numbers")
    if vertices.dtype.kind not in "iuf" or not np.isfinite(vertices).all():
        raise _refusal(path, f"{vertices.dtype} that are no vertices")
    chosen = vertices.reshape(-1)[list(IBUG_FROM_MEDIAPIPE)].astype(np.int64)
    chosen = np.where(chosen < 0, 0, chosen)  # as published: points without a vertex take the first
    if chosen.max() >= points:
        raise _refusal(path, f"vertex {chosen.max()} of {points}")
    return chosen


def _numbers(model: dict[str, Any], name: str) -> NDArray[np.float64]:
    value = model.get(name)
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu":
        raise ValueError(f"no array {name}")
    numbers = value.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name} holds numbers that are not finite")
    return numbers


def _refusal(path: Path, found: str) -> BadCheckpoint:
    return BadCheckpoint(
        str(path),
        expected=f"the face model that the published code uses: {MODEL_FILE} and {VERTICES_FILE}",
        found=found,
        remedy="name the folder deep_3drecon/BFM of the published code; the model itself is "
        "licensed to you by the University of Basel",
    )
