"""How good a head field is: rendered beside held-out frames, in decibels, pictures and samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ...contract.landmarks import MOUTH
from ...contract.measure import psnr
from .fast_head import FastHead
from .film import Film
from .rays import ray_batch
from .statistics import LandmarkStatistics

OPAQUE = 1e-2
"""Transmittance at which a renderer stops; samples behind are not counted."""

_RAYS_AT_ONCE = 32_768
_GREY = 0.5  # both pictures are laid over it, so that the background says nothing


@dataclass(frozen=True)
class HeadPicture:
    """A head rendered into a box of the image: premultiplied colour (h, w, 3), opacity (h, w), and
    the samples each ray took (h, w)."""

    colour: NDArray[np.float32]
    opacity: NDArray[np.float32]
    samples: NDArray[np.int64]


@dataclass(frozen=True)
class HeadScore:
    """Means over frames: PSNR of head and mouth in dB, and samples a ray that meets the head."""

    head_db: float
    mouth_db: float
    samples: float


def render_head(
    fast: FastHead,
    film: Film,
    frame: int,
    statistics: LandmarkStatistics,
    box: tuple[int, int, int, int],
) -> HeadPicture:
    """Render a film frame's head from its landmarks and pose inside `box` (`Film.head_box`)."""
    top, bottom, left, right = box
    rows, columns = (a.ravel() for a in np.mgrid[top:bottom, left:right])
    landmarks = film.landmarks[frame : frame + 1]
    parts = []
    with torch.no_grad():
        condition = fast.condition(statistics.windows(landmarks), landmarks)
        for start in range(0, len(rows), _RAYS_AT_ONCE):
            part = slice(start, start + _RAYS_AT_ONCE)
            zeros = np.zeros(len(rows[part]), np.int32)
            batch = ray_batch(film, np.array([frame]), zeros, rows[part], columns[part])
            rays = fast.span(batch.origins, batch.directions, batch.frames)
            samples = fast.march(rays)
            done = fast.shade(rays, samples, condition)
            taken = samples_taken(done.weights.numpy(), samples.offsets, samples.rays)
            parts.append((done.values.numpy(), done.opacity.numpy(), taken))
    colour, opacity, taken = (np.concatenate(values) for values in zip(*parts, strict=True))
    shape = (bottom - top, right - left)
    return HeadPicture(colour.reshape(*shape, 3), opacity.reshape(shape), taken.reshape(shape))


def samples_taken(
    weights: NDArray[np.float32], offsets: NDArray[np.int32], rays: NDArray[np.int32]
) -> NDArray[np.int64]:
    """(N,) samples of each ray before it is opaque; weights and rays (S,), offsets (N + 1,)."""
    before = np.concatenate([[0.0], np.cumsum(weights, dtype=np.float64)])
    transmittance = 1 - (before[:-1] - before[offsets[rays]])
    return np.bincount(rays[transmittance >= OPAQUE], minlength=len(offsets) - 1)


def score_head(
    fast: FastHead,
    film: Film,
    frames: NDArray[np.int64],
    statistics: LandmarkStatistics,
    box: tuple[int, int, int, int],
) -> HeadScore:
    """Render `frames` of a held-out film and compare."""
    scores = []
    for frame in frames:
        picture = render_head(fast, film, int(frame), statistics, box)
        score = score_frame(picture, film, int(frame), box)
        scores.append((score.head_db, score.mouth_db, score.samples))
    return HeadScore(*map(float, np.mean(scores, axis=0)))


def score_frame(
    picture: HeadPicture, film: Film, frame: int, box: tuple[int, int, int, int]
) -> HeadScore:
    """Compare a rendered head with a film's frame, both laid over grey.

    The head's PSNR is over `box` (`Film.head_box`), the mouth's over the bounding box of its
    landmarks and 1/64 of the image around it.
    """
    shown, truth = _shown(picture), _truth(film, frame, box)
    mouth = _mouth(film, frame, box)
    hit = picture.samples[_alpha(film, frame, box) > 0.5]
    return HeadScore(
        psnr(shown, truth, 1.0), psnr(shown[mouth], truth[mouth], 1.0), float(hit.mean())
    )


def save_comparison(
    path: Path,
    fast: FastHead,
    film: Film,
    frames: NDArray[np.int64],
    statistics: LandmarkStatistics,
    box: tuple[int, int, int, int],
) -> None:
    """Write a PNG: held-out frames above, their renderings below, samples a ray at the bottom
    (white is 12 or more)."""
    from PIL import Image

    columns = []
    for frame in frames:
        picture = render_head(fast, film, int(frame), statistics, box)
        taken = np.repeat(picture.samples[..., None] / 12, 3, axis=2)
        columns.append(np.concatenate([_truth(film, int(frame), box), _shown(picture), taken]))
    whole = np.clip(np.concatenate(columns, 1), 0, 1) * 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(whole.round().astype(np.uint8)).save(path)


def _shown(picture: HeadPicture) -> NDArray[np.float32]:
    shown: NDArray[np.float32] = picture.colour + (1 - picture.opacity[..., None]) * _GREY
    return shown


def _alpha(film: Film, frame: int, box: tuple[int, int, int, int]) -> NDArray[np.float32]:
    top, bottom, left, right = box
    return film.head_alpha[frame, top:bottom, left:right].astype(np.float32) / 255


def _truth(film: Film, frame: int, box: tuple[int, int, int, int]) -> NDArray[np.float32]:
    top, bottom, left, right = box
    image = film.images[frame, top:bottom, left:right].astype(np.float32) / 255
    alpha = _alpha(film, frame, box)[..., None]
    truth: NDArray[np.float32] = alpha * image + (1 - alpha) * _GREY
    return truth


def _mouth(film: Film, frame: int, box: tuple[int, int, int, int]) -> tuple[slice, slice]:
    """Rows and columns of the mouth inside the box, with a margin of 1/64 of the image."""
    seen = film.landmarks[frame, MOUTH] @ film.poses[frame, :, :3].T + film.poses[frame, :, 3]
    at = seen[:, :2] / seen[:, 2:] * film.camera.focal + np.array([film.camera.cx, film.camera.cy])
    margin = film.camera.size / 64
    top, left = box[0], box[2]
    (x0, y0), (x1, y1) = at.min(0) - margin, at.max(0) + margin
    rows = slice(max(0, int(y0) - top), int(y1) - top + 1)
    return rows, slice(max(0, int(x0) - left), int(x1) - left + 1)
