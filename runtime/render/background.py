"""The picture behind head and torso, at the size that is rendered."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def resized(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """(S, S, 3) uint8 → (size, size, 3) uint8: `resampled`, rounded."""
    if picture.shape[0] == size:
        return picture
    rounded: NDArray[np.uint8] = np.clip(np.rint(resampled(picture, size)), 0, 255).astype(np.uint8)
    return rounded


def resampled(picture: NDArray[np.uint8], size: int) -> NDArray[np.float64]:
    """(S, S, 3) uint8 → (size, size, 3) float64, 0 to 255.

    Each new pixel is a mean weighted by a triangle that reaches one pixel of the coarser of the
    two pictures: bilinear where it is enlarged, without aliasing where it is reduced.
    """
    wide = picture.astype(np.float64)
    if picture.shape[0] == size:
        return wide
    weights = _triangle_weights(picture.shape[0], size)
    mixed = np.einsum("ru,uvc->rvc", weights, wide, optimize=True)
    made: NDArray[np.float64] = np.einsum("sv,rvc->rsc", weights, mixed, optimize=True)
    return made


def _triangle_weights(old: int, new: int) -> NDArray[np.float64]:
    """(new, old) weights whose rows add up to 1."""
    ratio = old / new
    reach = max(1.0, ratio)
    centres = (np.arange(new) + 0.5) * ratio
    distance = np.abs(centres[:, None] - (np.arange(old) + 0.5)[None]) / reach
    weights = np.maximum(0.0, 1.0 - distance)
    normalised: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return normalised
