"""Drawing rays from a film: anywhere on the head, and more where a face speaks and looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from ...contract.camera import Intrinsics
from ...contract.landmarks import (
    BROWS,
    EYES,
    LOWER_LIDS,
    LOWER_LIP_CENTRE,
    MOUTH,
    UPPER_LIDS,
    UPPER_LIP_CENTRE,
)
from ...kernels.rays import camera_rays
from ..ranges import AT_LEAST_1, POSITIVE, SHARE
from .film import Film
from .pixels import FilmPixels, PackedPixels, Pixels

_FACE = np.r_[BROWS, EYES]
_MOUTH = np.r_[MOUTH]


@dataclass(frozen=True)
class RaySampling:
    """Which rays make a batch."""

    rays: Annotated[int, AT_LEAST_1] = 4096
    """Rays a batch."""
    frames: Annotated[int, AT_LEAST_1] = 8
    """Frames they come from."""
    near_landmarks: Annotated[float, SHARE] = 0.38
    """Share of rays near mouth, eyes and brows, 0…1."""
    mouth: Annotated[float, SHARE] = 0.55
    """Share of those that are near the mouth, 0…1; the others are near eyes and brows."""
    spread: Annotated[float, POSITIVE] = 5 / 256
    """Standard deviation of their distance from a landmark, image widths."""
    rare_weight: Annotated[float, POSITIVE] = 4.5
    """How much more often closed eyes and wide mouths are drawn; without it closed lids turn
    transparent."""


@dataclass(frozen=True)
class RayBatch:
    """Rays with what the camera saw along them, ordered by frame.

    Attributes:
        film_frames: (F,) frames of the film.
        frames: (N,) int32 position of each ray's frame in `film_frames`.
        origins, directions: (N, 3) head space, directions of unit length.
        colours: (N, 3) float32 in 0…1.
        alphas: (N,) float32 coverage by the head, 0…1.
        near, far: (N,) float32 distance to the nearest and farthest surface inside the pixel;
            infinity where the ray misses the head.
    """

    film_frames: NDArray[np.int64]
    frames: NDArray[np.int32]
    origins: NDArray[np.float32]
    directions: NDArray[np.float32]
    colours: NDArray[np.float32]
    alphas: NDArray[np.float32]
    near: NDArray[np.float32]
    far: NDArray[np.float32]


class RaySampler:
    """Draws batches; the random generator is the caller's."""

    def __init__(self, film: Film, config: RaySampling) -> None:
        self.film, self.config = film, config
        self.box = film.head_box()
        self._pixels = PackedPixels(film, self.box)
        self._landmarks = film.projected()
        self._chances = frame_chances(film.landmarks, config.rare_weight)

    def draw(self, rng: np.random.Generator) -> RayBatch:
        """One batch."""
        config, film = self.config, self.film
        chosen = rng.choice(len(film), config.frames, p=self._chances)
        each = config.rays // config.frames
        near = round(each * config.near_landmarks)
        frames = np.repeat(np.arange(config.frames, dtype=np.int32), each)
        rows = np.empty((config.frames, each), np.int64)
        columns = np.empty_like(rows)
        rows[:, near:], columns[:, near:] = self._anywhere(rng, (config.frames, each - near))
        rows[:, :near], columns[:, :near] = self._near_landmarks(rng, chosen, near)
        return ray_batch(film, chosen, frames, rows.ravel(), columns.ravel(), self._pixels)

    def _anywhere(
        self, rng: np.random.Generator, shape: tuple[int, int]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        top, bottom, left, right = self.box
        return rng.integers(top, bottom, shape), rng.integers(left, right, shape)

    def _near_landmarks(
        self, rng: np.random.Generator, chosen: NDArray[np.int64], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        shape = (len(chosen), count)
        mouth = rng.random(shape) < self.config.mouth
        point = np.where(mouth, rng.choice(_MOUTH, shape), rng.choice(_FACE, shape))
        at = self._landmarks[chosen[:, None], point]
        at = at + rng.normal(0, self.config.spread * self.film.camera.size, (*shape, 2))
        top, bottom, left, right = self.box
        columns = np.clip(at[..., 0], left, right - 1).astype(np.int64)
        return np.clip(at[..., 1], top, bottom - 1).astype(np.int64), columns


def ray_batch(
    film: Film,
    film_frames: NDArray[np.int64],
    frames: NDArray[np.int32],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    pixels: Pixels | None = None,
) -> RayBatch:
    """The rays through pixels (`rows`, `columns`) of frames ``film_frames[frames]``, all (N,).

    `pixels` is a faster way to the film's pixels than its own files.
    """
    of = film_frames[frames]
    seen = (pixels or FilmPixels(film)).at(of, rows, columns)
    numbers = (rows * film.camera.size + columns).astype(np.int32)
    poses = np.ascontiguousarray(film.poses[film_frames])
    origins, directions = camera_rays(poses, film.camera, numbers, frames=frames)
    return RayBatch(
        film_frames=film_frames,
        frames=frames,
        origins=origins,
        directions=directions,
        colours=seen.colour.astype(np.float32) / 255,
        alphas=seen.alpha.astype(np.float32) / 255,
        near=_distances(seen.near, film.camera, rows, columns),
        far=_distances(seen.far, film.camera, rows, columns),
    )


def _distances(
    depth: NDArray[np.float16],
    camera: Intrinsics,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Camera z to distance along the ray through the pixel's centre; infinity for z = 0."""
    x = (columns + 0.5 - camera.cx) / camera.focal
    y = (rows + 0.5 - camera.cy) / camera.focal
    along = depth.astype(np.float32) * np.sqrt(1 + x * x + y * y)
    return np.where(depth > 0, along, np.inf).astype(np.float32)


def frame_chances(landmarks: NDArray[np.float32], rare_weight: float) -> NDArray[np.float64]:
    """(N,) chance of each frame: (half-)closed eyes and the widest mouths `rare_weight` times."""
    lids = landmarks[:, list(UPPER_LIDS)] - landmarks[:, list(LOWER_LIDS)]
    eyes = np.linalg.norm(lids, axis=2).mean(1)
    lips = landmarks[:, UPPER_LIP_CENTRE] - landmarks[:, LOWER_LIP_CENTRE]
    mouth = np.linalg.norm(lips, axis=1)
    rare = (eyes < 0.6 * np.median(eyes)) | (mouth > np.quantile(mouth, 0.97))
    weight = np.where(rare, rare_weight, 1.0)
    return weight / weight.sum()
