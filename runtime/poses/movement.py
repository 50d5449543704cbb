"""What takes one pose of the head to another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .rotation import Float64, rotation_matrix, rotation_vector


@dataclass(frozen=True)
class Movement:
    """A turn and a shift.

    Attributes:
        rotation: (3,) rotation vector, radians.
        translation: (3,) head-space units.
    """

    rotation: Float64
    translation: Float64

    @staticmethod
    def between(start: Float64, end: Float64) -> Movement:
        """Of two poses (3, 4)."""
        return Movement(rotation_vector(end[:, :3] @ start[:, :3].T), end[:, 3] - start[:, 3])

    def __mul__(self, share: float) -> Movement:
        return Movement(self.rotation * share, self.translation * share)

    def of(self, pose: Float64) -> Float64:
        """Where it takes a pose, (3, 4) → (3, 4)."""
        turned = rotation_matrix(self.rotation) @ pose[:, :3]
        return np.column_stack([turned, pose[:, 3] + self.translation])
