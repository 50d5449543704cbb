"""Which cells the head field may fill: a shell around the filmed surface, then what is seen."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ...contract.errors import BadInput
from ...contract.field import FieldSpec
from ...kernels.occupancy import cell_maximum, dilate, mark_segments
from .fast_head import FastHead
from .film import Film
from .rays import RaySampler, ray_batch
from .statistics import LandmarkStatistics

_SURFACES_AT_ONCE = 24


def surface_shell(
    film: Film, field: FieldSpec, before: float, behind: float, every: int = 1
) -> NDArray[np.bool_]:
    """Cells near any filmed surface, dilated once, (G, G, G) bool [z, y, x].

    Args:
        before, behind: how far the shell reaches along each ray in front of and behind the
            surface seen there, head-space units; around the whole band where the film's depth
            is one.
        every: use each this-many-th frame.

    Raises:
        BadInput: the film shows no head inside the field's bounds.
    """
    cells = np.zeros((field.march.occupancy_resolution,) * 3, bool)
    low = np.array(field.bounds_min, np.float32)
    high = np.array(field.bounds_max, np.float32)
    stride = _pixel_stride(film, field)
    numbers = np.arange(0, len(film), every)
    for start in range(0, len(numbers), _SURFACES_AT_ONCE):
        chosen = numbers[start : start + _SURFACES_AT_ONCE]
        frame, row, column = np.nonzero(film.depth_near[chosen, ::stride, ::stride])
        rays = ray_batch(film, chosen, frame.astype(np.int32), row * stride, column * stride)
        last = rays.far if film.depth_is_band else rays.near
        mark_segments(
            cells, rays.origins, rays.directions, rays.near - np.float32(before),
            last + np.float32(behind), low, high,
        )  # fmt: skip
    if not cells.any():
        raise BadInput(
            str(film.folder),
            expected="a head inside the field's bounds",
            found=f"no surface in {len(film)} frames",
            remedy="film it again with: emogene-train demo --stage film",
        )
    return dilate(cells)


def _pixel_stride(film: Film, field: FieldSpec) -> int:
    """Pixels that can be stepped over without missing a cell at the head's distance."""
    cell = (field.bounds_max[0] - field.bounds_min[0]) / field.march.occupancy_resolution
    distance = float(np.linalg.norm(film.poses[:, :, 3], axis=1).min())
    return max(1, int(0.7 * cell * film.camera.focal / distance))


def baked_occupancy(
    fast: FastHead,
    sampler: RaySampler,
    statistics: LandmarkStatistics,
    rng: np.random.Generator,
    *,
    batches: int,
    threshold: float,
    exaggeration: tuple[float, float],
) -> NDArray[np.bool_]:
    """Cells that matter to what is seen, over all conditions, dilated once.

    Args:
        batches: ray batches to look at.
        threshold: largest weight below which a cell is empty.
        exaggeration: range of factors on the landmarks' departure from their rest, so that
            expressions a little beyond the film stay covered.
    """
    largest = np.zeros(fast.cells.shape, np.float32)
    rest = fast.head.displacement.rest.cpu().numpy() if fast.spec.displacement else 0.0
    with torch.no_grad():
        for _ in range(batches):
            batch = sampler.draw(rng)
            landmarks = sampler.film.landmarks[batch.film_frames]
            factor = rng.uniform(*exaggeration, (len(landmarks), 1, 1)).astype(np.float32)
            landmarks = rest + factor * (landmarks - rest)
            condition = fast.condition(statistics.windows(landmarks), landmarks)
            rays = fast.span(batch.origins, batch.directions, batch.frames)
            phase = rng.random(len(rays.near), np.float32)
            samples = fast.march(rays, phase)
            weights = fast.shade(rays, samples, condition).weights.numpy()
            cell_maximum(largest, samples.positions, weights, fast.low, fast.high)
    return dilate(largest > threshold)
