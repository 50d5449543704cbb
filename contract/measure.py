"""The numbers by which two results are compared, defined once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def relative_l2(value: ArrayLike, reference: ArrayLike) -> float:
    """``|value - reference| / |reference|`` over whole tensors, in float64.

    An all-zero reference is compared absolutely (the denominator becomes 1). NaN anywhere gives
    NaN, which no tolerance accepts.
    """
    ref = np.asarray(reference, np.float64)
    difference = np.linalg.norm(np.asarray(value, np.float64) - ref)
    scale = np.linalg.norm(ref)
    return float(difference / (scale if scale > 0 else 1.0))


def psnr(image: ArrayLike, reference: ArrayLike, peak: float = 255.0) -> float:
    """Peak signal-to-noise ratio in dB; identical images give infinity."""
    error = np.asarray(image, np.float64) - np.asarray(reference, np.float64)
    mse = float(np.mean(error**2))
    return float("inf") if mse == 0.0 else float(10.0 * np.log10(peak**2 / mse))
