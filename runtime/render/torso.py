"""The torso, in the image plane, under the head (Eq. 8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...contract.data import Condition, Float32
from ...contract.field import TorsoSpec
from ...contract.stages import bias_name
from ...contract.weights import TORSO_MASK, table_name
from ...kernels import frequency, grids, image
from ...kernels.threads import ThreadPool
from ...kernels.torso_positions import moved_positions, torso_positions
from ..backends.protocol import Runner
from .head import HeadImage
from .rows import run_rows, run_single


@dataclass(frozen=True)
class TorsoNetworks:
    """The networks of the torso field.

    Attributes:
        condition: pose (F, 12) and landmarks (F, 204) → first-layer biases.
        deform, colour: see `contract.field.TorsoSpec`.
        head: the head's colour and alpha → a code; None where the torso is given them as they are.
    """

    condition: Runner
    deform: Runner
    colour: Runner
    head: Runner | None = None


class Torso:
    """Renders the torso field of one avatar at one size; several threads may use it at once.

    Args:
        spec: how the field is evaluated.
        weights: the avatar's tensors (`contract.weights`).
        networks: its networks.
        size: side of the picture, pixels.
        pool: threads of the kernels.
    """

    def __init__(
        self,
        spec: TorsoSpec,
        weights: Mapping[str, NDArray[Any]],
        networks: TorsoNetworks,
        size: int,
        pool: ThreadPool,
    ) -> None:
        self._spec, self._networks, self._pool = spec, networks, pool
        self._table = weights[table_name(spec.grid)]
        self._size = size
        self._pixels = image.masked_pixels(weights[TORSO_MASK], spec.mask_resolution, size)
        self._positions = torso_positions(spec, size, self._pixels)
        self._encoded = frequency.frequency_encode(
            self._positions, spec.octaves, base=spec.frequency, pool=pool
        )

    def render(self, condition: Condition, pose: Float32, head: HeadImage) -> Float32:
        """(size², 4) float32: red, green, blue, alpha, not premultiplied; alpha 0 off the mask."""
        spec = self._spec
        biases = self._networks.condition.run(
            {"pose": pose.reshape(1, 12), "landmarks": np.ascontiguousarray(condition.torso)}
        )
        rgba = np.zeros((self._size**2, 4), np.float32)
        shown = np.concatenate(
            [head.colour[self._pixels], head.opacity[self._pixels, None]], axis=1
        )
        place = self._encoded
        if self._networks.head is not None:
            shown = run_single(self._networks.head, shown)
            place = np.concatenate([place, shown], axis=1)
        offset = run_rows(self._networks.deform, place, biases[bias_name(spec.deform.name)])
        at = moved_positions(spec, self._positions, offset)
        features = grids.encode(spec.grid, self._table, at, pool=self._pool)
        inputs = np.concatenate([features, self._encoded, shown], axis=1)
        rgba[self._pixels] = run_rows(
            self._networks.colour, inputs, biases[bias_name(spec.colour.name)]
        )
        return rgba
