"""How much of each thing the fused renderer's frames hold, counted on the frames themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emogene.contract.field import FieldSpec
from emogene.contract.landmarks import LANDMARKS
from emogene.contract.weights import OCCUPANCY, TORSO_MASK
from emogene.kernels.displacement import active_nodes
from emogene.kernels.fused import FrameInputs, FusedField, FusedImage
from emogene.kernels.occupancy import Occupancy
from emogene.runtime.loading import Loaded

from .roofline import FrameCounts


class CountingField:
    """A `FusedField` for a renderer that keeps what it was given and made."""

    def __init__(self, field: FusedField) -> None:
        self._field = field
        self.name = field.name
        self.inputs: list[FrameInputs] = []
        self.made: list[FusedImage] = []

    def render(self, inputs: FrameInputs, *behind: Any, **options: Any) -> FusedImage:
        """See `FusedField.render`; with the head's own opacity."""
        self.inputs.append(inputs)
        self.made.append(self._field.render(inputs, *behind, **options, keep_head=True))
        return self.made[-1]


def frame_counts(
    loaded: Loaded, made: Sequence[FusedImage], torso_transmittance: float
) -> FrameCounts:
    """Means over frames of one size, made with the head's own opacity.

    Args:
        torso_transmittance: the torso was left out where less light came through the head.
    """
    heads = [image.head for image in made if image.head is not None]
    shown = _torso_mask(loaded, len(heads[0]))
    torso = [np.count_nonzero(shown & (1 - head[..., 3] >= torso_transmittance)) for head in heads]
    return FrameCounts(
        float(np.mean([image.samples for image in made])),
        float(np.mean([image.rays for image in made])),
        float(np.mean(torso)),
        _pulls(loaded.manifest.field, loaded.weights[OCCUPANCY]),
    )


def _torso_mask(loaded: Loaded, size: int) -> NDArray[np.bool_]:
    """(size, size) where the torso may show."""
    side = loaded.manifest.torso.mask_resolution
    bits = np.unpackbits(loaded.weights[TORSO_MASK], bitorder="little")
    at = ((np.arange(size) + 0.5) / size * side).astype(int).clip(0, side - 1)
    shown: NDArray[np.bool_] = bits[: side**2].reshape(side, side)[at[:, None], at[None]] == 1
    return shown


def _pulls(field: FieldSpec, occupied: NDArray[np.uint8]) -> float:
    """Landmarks times nodes of the displacement that are baked."""
    if field.displacement is None:
        return 0.0
    side = field.march.occupancy_resolution
    occupancy = Occupancy.from_bits(occupied, side, field.bounds_min, field.bounds_max)
    return float(len(active_nodes(field.displacement.resolution, occupancy)) * LANDMARKS)
