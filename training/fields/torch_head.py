"""The head field rendered with plain torch: on a GPU, and where the kernels give no gradient.

The twin of `FastHead`. Rays are marched on the CPU by the same kernel, so both see the same
samples; displacement, grids, networks and compositing are `reference.volume_rendering`'s, on the
module's device. What it returns lies on the CPU again: losses on a few thousand rays are cheap,
and so nothing else in the training knows where the field lives.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...kernels.traversal import Samples
from ...reference.grids import encode_grid
from ...reference.head_field import FrameCondition, HeadField
from ...reference.volume_rendering import PackedSamples, Rays, Shaded
from ...reference.volume_rendering import shade as shade_packed
from .fast_head import FastHead, Float32, RaySpan


class TorchHead(FastHead):
    """A head field, the occupancy it is marched through, and what follows from that.

    Takes every `FieldSpec`, also grids read at an ambient coordinate.

    Args:
        head: the module, on any device.
        occupancy: (G, G, G) bool cells, [z, y, x].
    """

    def __init__(self, head: HeadField, occupancy: NDArray[np.bool_]) -> None:
        # Not FastHead's: it hands the grids to the kernels, and refuses some.
        self.head, self.spec = head, head.spec
        head.encode = encode_grid
        self.low = np.array(self.spec.bounds_min, np.float32)
        self.high = np.array(self.spec.bounds_max, np.float32)
        self.set_occupancy(occupancy)

    def condition(self, windows: Tensor, landmarks: Float32) -> FrameCondition:
        """`HeadField.frame` for windows (F, W, 204) and head-space landmarks (F, 68, 3)."""
        return self.head.frame(windows.to(self._device), self._there(landmarks))

    def features(
        self, positions: Float32, condition: FrameCondition, frames: NDArray[np.int32]
    ) -> Tensor:
        """`HeadField.sample_features` for samples (S, 3) of the batch's `frames` (S,)."""
        at = self._there(frames.astype(np.int64))
        return self.head.sample_features(self._there(positions), condition, at)

    def shade(self, rays: RaySpan, samples: Samples, condition: FrameCondition) -> Shaded:
        """Evaluate the field at the samples and composite them."""
        packed = PackedSamples(
            self._there(samples.positions),
            self._there(samples.distances),
            self._there(samples.rays.astype(np.int64)),
            self._there(samples.offsets.astype(np.int64)),
        )
        seen = Rays(self._there(rays.origins), self._there(rays.directions))
        frames = self._there(rays.frames.astype(np.int64))
        # The reference makes its indices on the default device.
        with nullcontext() if self._device.type == "cpu" else self._device:
            done = shade_packed(self.head, seen, packed, condition, frames)
        return Shaded(*(value.cpu() for value in done))

    @property
    def _device(self) -> torch.device:
        device: torch.device = self.head.occupancy.device
        return device

    def _there(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self._device)


def renderer(head: HeadField, occupancy: NDArray[np.bool_]) -> FastHead:
    """What trains `head` fastest: the kernels, where they can, else plain torch."""
    ambient = any(grid.read_at == "ambient" for grid in head.spec.grids)
    elsewhere = head.occupancy.device.type != "cpu"
    return (TorchHead if ambient or elsewhere else FastHead)(head, occupancy)
