"""What the landmarks of a film say about normalising, clamping and the face at rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...contract.landmarks import FLAT, LANDMARKS

Float32 = NDArray[np.float32]

SMALLEST_SCALE = 0.03
"""Head-space units. A landmark that hardly moves must not turn its noise into a signal."""

SMALLEST_MARGIN = 0.005
"""Head-space units. The networks upstream place even a rigid landmark only roughly."""


@dataclass(frozen=True)
class LandmarkStatistics:
    """The tensors ``motion.*`` of an avatar, (204,) float32 each, head space."""

    mean: Float32
    scale: Float32
    low: Float32
    high: Float32

    @staticmethod
    def of(landmarks: Float32, slack: float = 0.1) -> LandmarkStatistics:
        """From (N, 68, 3) landmarks; `low` and `high` leave `slack` of the range on either side,
        and at least `SMALLEST_MARGIN`."""
        flat = landmarks.reshape(-1, FLAT)
        low, high = flat.min(0), flat.max(0)
        margin = np.maximum(slack * (high - low), SMALLEST_MARGIN)
        scale = np.maximum(flat.std(0), SMALLEST_SCALE)
        values = (flat.mean(0), scale, low - margin, high + margin)
        return LandmarkStatistics(*(value.astype(np.float32) for value in values))

    @property
    def rest(self) -> Float32:
        """(68, 3) the mean face: where the displacement is zero."""
        return self.mean.reshape(LANDMARKS, 3)

    def windows(self, landmarks: Float32) -> Tensor:
        """(F, 68, 3) landmarks → (F, 1, 204) normalised windows of one frame."""
        flat = (landmarks.reshape(-1, FLAT) - self.mean) / self.scale
        return torch.from_numpy(flat.astype(np.float32)[:, None])
