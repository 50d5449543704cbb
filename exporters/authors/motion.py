"""What the published inference does between landmarks and condition, as steps and their tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...contract.errors import BadCheckpoint
from ...contract.motion import (
    ClampStep,
    DeformStep,
    EyeOpening,
    LleStep,
    MotionSpec,
    MotionStep,
    NormaliseStep,
    PeriodicBlinkStep,
    WindowStep,
)
from ...contract.weights import DATABASE, HIGH, LOW, MEAN, SCALE
from .dataset import Dataset
from .face_model import FaceModel
from .models import PublishedField

DISPLACEMENT = 10.0
"""Published landmarks are displacements from the mean face, times this."""

LOWEST, HIGHEST = 0.03, 0.97
"""Quantiles of the training data between which conditions are kept, and which say that eyes are
closed and open."""

REST_WHILE_BLINKING = 0.6
"""What the published blink leaves of the eyes' opening between two blinks."""


def motion_spec(
    field: PublishedField, dataset: Dataset, blink: bool, lle_share: float
) -> MotionSpec:
    """The published order: deform, project, blink, normalise, clamp, window.

    Args:
        blink: whether eyes blink every four seconds.
        lle_share: share of the projection on the training data.
    """
    steps: tuple[MotionStep, ...] = (
        DeformStep(),
        # Their regulariser is 1e-6 on landmarks ten times as large as ours.
        LleStep(share=lle_share, regulariser=1e-6 / DISPLACEMENT**2),
        *([PeriodicBlinkStep()] if blink else []),
        NormaliseStep(),
        ClampStep(),
        WindowStep(field.head.window),
    )
    closed, opened = np.quantile(dataset.eye_opening, [LOWEST, HIGHEST])
    eyes = None
    if field.head.blink and field.told_of_eyes:
        rest = REST_WHILE_BLINKING if blink else float(opened)
        eyes = EyeOpening(rest, float(opened), float(closed))
    return MotionSpec(steps, "neutral", eyes)


def motion_tensors(dataset: Dataset, face: FaceModel) -> dict[str, NDArray[Any]]:
    """What the steps need of the training data, in head space.

    Raises:
        BadCheckpoint: the data cannot be normalised by.
    """
    landmarks = face.landmarks(dataset.identity, dataset.expression)
    if len(landmarks) > 1:
        mean, scale = landmarks.mean(axis=0), landmarks.std(axis=0, ddof=1)
    if len(landmarks) < 2 or not scale.min() > 0:
        raise BadCheckpoint(
            "the data set",
            expected="frames that differ in every landmark",
            found=f"{len(landmarks)} frames with a landmark that never moves",
            remedy="make the data set again from a film of some minutes",
        )
    low, high = np.quantile((landmarks - mean) / scale, [LOWEST, HIGHEST], axis=0)
    named = {DATABASE: landmarks, MEAN: mean, SCALE: scale, LOW: low, HIGH: high}
    return {name: array.astype(np.float32) for name, array in named.items()}
