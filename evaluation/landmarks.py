"""Landmarks against landmarks: LMD, mouth error, mouth opening, delay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..contract.errors import BadInput
from ..contract.landmarks import MOUTH

Floats = NDArray[np.floating]

PICTURE = 512
"""LMD is given in pixels of a picture of this size."""

OUTER_EYE_CORNERS = (36, 45)
"""Landmarks whose distance is the inter-ocular one, as 300-W defines it."""

LONGEST_LAG = 15
"""Frames that `opening_lag` looks to either side."""


@dataclass(frozen=True)
class LandmarkDistance:
    """Mean distance of corresponding landmarks (LMD), a mean over frames and landmarks.

    Attributes:
        pixels: of a 512 × 512 picture.
        mouth: the same over the mouth's 20 landmarks.
        normalised: of all, each frame's divided by the reference's distance of the outer eye
            corners in that frame.
    """

    pixels: float
    mouth: float
    normalised: float


def landmark_distance(
    landmarks: Floats, reference: Floats, size: int = PICTURE
) -> LandmarkDistance:
    """LMD of landmarks in a picture.

    Args:
        landmarks, reference: (F, 68, 2) columns and rows, pixels.
        size: height of the picture they were found in; distances are scaled to 512.

    Raises:
        BadInput: the shapes differ or there is no frame.
    """
    if landmarks.shape != reference.shape or not len(landmarks):
        raise BadInput(
            "landmarks to compare",
            expected="as many frames on both sides, at least one",
            found=f"{len(landmarks)} and {len(reference)}",
        )
    apart = np.linalg.norm(landmarks - reference, axis=-1)
    left, right = (reference[:, corner] for corner in OUTER_EYE_CORNERS)
    eyes = np.linalg.norm(left - right, axis=-1)
    scale = PICTURE / size
    return LandmarkDistance(
        pixels=float(apart.mean() * scale),
        mouth=float(apart[:, MOUTH].mean() * scale),
        normalised=float((apart.mean(1) / eyes).mean()),
    )


def mouth_error_ratio(landmarks: Iterable[Floats], reference: Iterable[Floats]) -> float:
    """Squared error of the mouth over that of the best face that never moves: 0 right, 1 mute.

    That face is the reference's own mean over all clips, so the ratio is the share of the mouth's
    variance that is missed.

    Args:
        landmarks, reference: clips, (F, 68, 3) head space each.
    """
    found = np.concatenate([clip[:, MOUTH] for clip in landmarks]).astype(np.float64)
    true = np.concatenate([clip[:, MOUTH] for clip in reference]).astype(np.float64)
    baseline = np.square(true - true.mean(0)).sum()
    return float(np.square(found - true).sum() / max(float(baseline), 1e-12))


def opening_correlation(found: Sequence[Floats], true: Sequence[Floats]) -> float:
    """Pearson's r of mouth openings (F,), a mean over clips; NaN where no clip's truth moves."""
    values = [
        float(np.corrcoef(x, y)[0, 1])
        for x, y in zip(found, true, strict=True)
        if np.std(x) > 1e-9 and np.std(y) > 1e-9
    ]
    return float(np.mean(values)) if values else float("nan")


def opening_lag(found: Sequence[Floats], true: Sequence[Floats]) -> int:
    """Frames by which mouths `found` are late: the shift of the highest mean correlation.

    Args:
        found, true: mouth openings of clips, (F,) each.
    """
    lags = range(-LONGEST_LAG, LONGEST_LAG + 1)
    scores = []
    for lag in lags:
        pairs = [(x[max(0, lag) :], y[max(0, -lag) :]) for x, y in zip(found, true, strict=True)]
        cut = [(x[: len(y)], y[: len(x)]) for x, y in pairs]
        usable = [pair for pair in cut if len(pair[0]) > LONGEST_LAG]
        scores.append(opening_correlation(*zip(*usable, strict=True)) if usable else float("nan"))
    if np.isnan(scores).all():
        return 0
    return lags[int(np.nanargmax(scores))]
