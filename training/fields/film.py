"""Frames of a training video, opened from the folder that ``training/demo/film.py`` writes.

``training/datasets/film.py`` writes the same of real videos.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...contract.camera import Intrinsics
from ...contract.emotions import EMOTIONS
from ...contract.errors import BadInput
from ...contract.landmarks import LANDMARKS
from ..identity import outline

TRAINING, HELD_OUT = "training", "held_out"
"""Names of the two films in a footage folder."""

_REMEDY = "film it again with: emogene-train demo --stage film"


@dataclass(frozen=True)
class Film:
    """N frames of one head. Pictures are memory maps: reading a few pixels reads a few pages.

    Attributes:
        folder: where it came from, for messages.
        images: (N, H, H, 3) uint8 RGB, the whole picture.
        head_alpha, torso_alpha: (N, H, H) uint8 coverage of the two layers.
        depth_near, depth_far: (N, H, H) float16 camera z of the nearest and the farthest head
            surface within a pixel; 0 where there is no head.
        depth_is_band: the two are not measured: the surface lies somewhere between them.
        landmarks: (N, 68, 3) float32 head space.
        poses: (N, 3, 4) float32 camera-from-head.
        emotions: (N,) row of each frame's emotion.
        background: (H, H, 3) uint8.
        camera: intrinsics at size H.
    """

    folder: Path
    images: NDArray[np.uint8]
    head_alpha: NDArray[np.uint8]
    torso_alpha: NDArray[np.uint8]
    depth_near: NDArray[np.float16]
    depth_far: NDArray[np.float16]
    landmarks: NDArray[np.float32]
    poses: NDArray[np.float32]
    emotions: NDArray[np.int64]
    background: NDArray[np.uint8]
    camera: Intrinsics
    depth_is_band: bool = False

    def __len__(self) -> int:
        return len(self.images)

    @property
    def fingerprint(self) -> list[float]:
        """Enough of it to notice that it is another film."""
        return [self.camera.size, *outline([self.landmarks, self.poses])]

    def projected(self) -> NDArray[np.float32]:
        """(N, 68, 2) column and row of every landmark in pixels."""
        rotated = np.einsum("nij,nkj->nki", self.poses[:, :, :3], self.landmarks)
        seen = rotated + self.poses[:, None, :, 3]
        flat = seen[..., :2] / seen[..., 2:] * self.camera.focal
        return (flat + np.array([self.camera.cx, self.camera.cy])).astype(np.float32)

    def head_box(self, margin: int = 4) -> tuple[int, int, int, int]:
        """Top, bottom, left, right (exclusive) of all pixels the head ever covers, plus a margin.

        Raises:
            BadInput: it covers none.
        """
        size = self.camera.size
        rows, columns = np.zeros(size, bool), np.zeros(size, bool)
        for alpha in self.head_alpha:
            rows |= alpha.any(1)
            columns |= alpha.any(0)
        if not rows.any():
            raise BadInput(
                str(self.folder / "head_alpha.npy"),
                expected="pixels that show the head",
                found=f"none in {len(self)} frames",
                remedy=_REMEDY,
            )
        inside = []
        for covered in (rows, columns):
            (where,) = np.nonzero(covered)
            inside += [max(0, where[0] - margin), min(size, where[-1] + 1 + margin)]
        top, bottom, left, right = map(int, inside)
        return top, bottom, left, right


@dataclass(frozen=True)
class Footage:
    """A film to learn from, and one to be judged by."""

    training: Film
    held_out: Film


def open_footage(folder: Path) -> Footage:
    """The films ``training`` and ``held_out`` of a folder; raises as `open_film`."""
    return Footage(open_film(Path(folder) / TRAINING), open_film(Path(folder) / HELD_OUT))


def open_film(folder: Path) -> Film:
    """Open and check a film.

    Raises:
        BadInput: a file is missing or of the wrong shape, there are fewer than two frames, a
            landmark or pose is not finite, or an emotion is none of the eight.
    """
    folder = Path(folder)
    camera, depth_is_band = _read_description(folder / "film.json")
    size = camera.size
    pictures = {
        name: _read(folder, name, (None, size, size, *last), dtype)
        for name, last, dtype in (
            ("images", (3,), np.uint8),
            ("head_alpha", (), np.uint8),
            ("torso_alpha", (), np.uint8),
            ("depth_near", (), np.float16),
            ("depth_far", (), np.float16),
        )
    }
    count = len(pictures["images"])
    film = Film(
        folder=folder,
        **pictures,
        landmarks=np.array(_read(folder, "landmarks", (count, LANDMARKS, 3), np.float32)),
        poses=np.array(_read(folder, "poses", (count, 3, 4), np.float32)),
        emotions=np.array(_read(folder, "emotions", (count,), None)).astype(np.int64),
        background=np.array(_read(folder, "background", (size, size, 3), np.uint8)),
        camera=camera,
        depth_is_band=depth_is_band,
    )
    _check(film)
    return film


def _check(film: Film) -> None:
    count = len(film)
    if count < 2:
        raise _refuse(film.folder / "images.npy", "at least two frames", str(count))
    for name in ("head_alpha", "torso_alpha", "depth_near", "depth_far"):
        frames = len(getattr(film, name))
        if frames != count:
            raise _refuse(film.folder / f"{name}.npy", f"{count} frames", str(frames))
    for name in ("landmarks", "poses"):
        bad = ~np.isfinite(getattr(film, name)).all(axis=(1, 2))
        if bad.any():
            first = int(np.argmax(bad))
            found = f"{int(bad.sum())} frames with NaN or infinity, the first is {first}"
            raise _refuse(film.folder / f"{name}.npy", "finite numbers", found)
    if not ((film.emotions >= 0) & (film.emotions < len(EMOTIONS))).all():
        expected = f"numbers from 0 to {len(EMOTIONS) - 1}"
        raise _refuse(film.folder / "emotions.npy", expected, "others")


def _read_description(path: Path) -> tuple[Intrinsics, bool]:
    try:
        plain: dict[str, Any] = json.loads(path.read_text())
        camera = plain["intrinsics"]
        lens = float(camera["focal"]), float(camera["cx"]), float(camera["cy"])
        return Intrinsics(int(camera["size"]), *lens), plain.get("depth") == "band"
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _refuse(path, "a film's description with its camera", str(error)) from None


def _read(
    folder: Path, name: str, shape: tuple[int | None, ...], dtype: type[np.generic] | None
) -> Any:
    path = folder / f"{name}.npy"
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise _refuse(path, "an array", str(error)) from None
    fits = len(array.shape) == len(shape) and all(
        wanted in (None, found) for wanted, found in zip(shape, array.shape, strict=True)
    )
    if not fits or (dtype is not None and array.dtype != dtype):
        kind = np.dtype(dtype).name if dtype is not None else "integers"
        wanted = ", ".join("N" if n is None else str(n) for n in shape)
        raise _refuse(path, f"({wanted}) {kind}", f"{array.shape} {array.dtype}")
    return array


def _refuse(path: Path, expected: str, found: str) -> BadInput:
    return BadInput(str(path), expected=expected, found=found, remedy=_REMEDY)
