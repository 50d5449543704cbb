"""Fréchet distance between two sets of features. It is FID only on Inception's (see `fid`)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ..contract.errors import BadInput
from ..contract.landmarks import MOUTH

Float64 = NDArray[np.float64]

DCT_SIDE, DCT_PICTURE = 8, 64
"""`dct_features`: frequencies kept along each side, and the side pictures are shrunk to."""


def frechet_distance(first: Float64, second: Float64) -> float:
    """Squared Fréchet distance of the normal distributions fitted to two sets of features.

    ``|μ₁ - μ₂|² + tr(Σ₁ + Σ₂ - 2 (Σ₁ Σ₂)^½)`` with sample covariances.

    Args:
        first, second: (N, D) and (M, D), N and M ≥ 2.

    Raises:
        BadInput: fewer than two rows, or different widths.
    """
    if min(len(first), len(second)) < 2 or first.shape[1] != second.shape[1]:
        raise BadInput(
            "features to compare",
            expected="at least two rows of one width on both sides",
            found=f"{first.shape} and {second.shape}",
        )
    apart = first.mean(0) - second.mean(0)
    one, two = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (first, second))
    # The trace of (Σ₁ Σ₂)^½ is that of (Σ₁^½ Σ₂ Σ₁^½)^½, which is symmetric: no complex roots.
    values, vectors = np.linalg.eigh(one)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    mixed = np.linalg.eigvalsh(root @ two @ root)
    overlap = np.sqrt(np.maximum(mixed, 0)).sum()
    return float(apart @ apart + np.trace(one) + np.trace(two) - 2 * overlap)


def mouth_features(landmarks: NDArray[np.float32]) -> Float64:
    """(F, 68, 3) head-space landmarks → (F, 40): x and y of the mouth's, in head units."""
    return landmarks[:, MOUTH, :2].reshape(len(landmarks), -1).astype(np.float64)


def dct_features(pictures: Iterable[NDArray[np.uint8]]) -> Float64:
    """RGB pictures → (N, 64): the 8 × 8 lowest frequencies of each one's luma.

    The picture is shrunk to 64 × 64 by averaging; luma is BT.601's in 0…1, the cosine transform
    orthonormal and divided by 64, so that the first coefficient is the mean luma.
    """
    from PIL import Image
    from scipy.fft import dctn

    rows = []
    for picture in pictures:
        grey = Image.fromarray(picture).convert("L")
        small = grey.resize((DCT_PICTURE, DCT_PICTURE), Image.Resampling.BOX)
        waves = dctn(np.asarray(small, np.float64) / 255, norm="ortho") / DCT_PICTURE
        rows.append(waves[:DCT_SIDE, :DCT_SIDE].ravel())
    return np.array(rows)
