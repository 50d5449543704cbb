"""Pictures against pictures: SSIM and flicker. PSNR stands in `contract.measure`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..contract.errors import BadInput

SIGMA, WINDOW = 1.5, 11
"""Standard deviation and width of SSIM's Gaussian window, pixels."""

STATIC_LEVELS = 2
"""A pixel is static where the reference changes by at most this many of 255 levels."""

_K1, _K2 = 0.01, 0.03


def ssim(image: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    """Mean structural similarity (Wang et al. 2004) of two RGB pictures, 1 where they are equal.

    Gaussian window of 11 × 11 pixels with σ = 1.5, constants .01 and .03, population covariances,
    every channel by itself, and the mean over all pixels whose window lies inside the picture.

    Args:
        image, reference: (H, W, 3) uint8 with H, W ≥ 11.

    Raises:
        BadInput: the shapes differ or are smaller than the window.
    """
    _check(image, reference)
    from scipy.ndimage import gaussian_filter

    reach = WINDOW // 2

    def blurred(values: NDArray[np.float64]) -> NDArray[np.float64]:
        whole = gaussian_filter(values, (SIGMA, SIGMA, 0), radius=(reach, reach, 0))
        inside: NDArray[np.float64] = whole[reach:-reach, reach:-reach]
        return inside

    x, y = image.astype(np.float64), reference.astype(np.float64)
    mean_x, mean_y = blurred(x), blurred(y)
    var_x = blurred(x * x) - mean_x**2
    var_y = blurred(y * y) - mean_y**2
    covariance = blurred(x * y) - mean_x * mean_y
    c1, c2 = (_K1 * 255) ** 2, (_K2 * 255) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (var_x + var_y + c2)
    return float((luminance * structure).mean())


def flicker(
    frames: Sequence[NDArray[np.uint8]], reference: Sequence[NDArray[np.uint8]]
) -> tuple[float, float] | None:
    """How much three successive frames tremble where nothing should: theirs, and the reference's.

    The mean absolute second difference in time, in levels of 255, over the pixels whose every
    channel the reference changes by no more than `STATIC_LEVELS`. None where there is no such
    pixel.

    Args:
        frames, reference: three pictures each, (H, W, 3) uint8.
    """
    truth = np.stack(reference).astype(np.int16)
    static = (np.ptp(truth, axis=0) <= STATIC_LEVELS).all(-1)
    if not static.any():
        return None
    return _tremble(np.stack(frames).astype(np.int16)[:, static]), _tremble(truth[:, static])


def _tremble(values: NDArray[np.int16]) -> float:
    return float(np.abs(values[0] - 2 * values[1] + values[2]).mean())


def _check(image: NDArray[np.uint8], reference: NDArray[np.uint8]) -> None:
    if image.shape != reference.shape or min(image.shape[:2]) < WINDOW:
        raise BadInput(
            "pictures to compare",
            expected=f"two of one size, at least {WINDOW} × {WINDOW} pixels",
            found=f"{image.shape[1]} × {image.shape[0]} and "
            f"{reference.shape[1]} × {reference.shape[0]}",
        )
