"""Head over torso over background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...contract.camera import Intrinsics
from ...contract.data import Condition, Float32
from ...contract.stages import ENLARGEMENT
from ...kernels import image
from ...kernels.threads import ThreadPool
from ..backends.protocol import Runner
from .background import resampled, resized
from .enlarge import as_bytes, composited, enlarge
from .head import Head, HeadImage
from .quality import Quality
from .torso import Torso


@dataclass(frozen=True)
class Picture:
    """A finished picture.

    Attributes:
        image: (size, size, 3) uint8 RGB.
        samples_per_ray: field samples over rays that met the head.
    """

    image: NDArray[np.uint8]
    samples_per_ray: float


class Renderer(Protocol):
    """Everything between a condition and a picture, at one size; threads may share it.

    Attributes:
        background: (size, size, 3) uint8 RGB.
        camera: at the size of the picture.
        quality: where rays end.
    """

    background: NDArray[np.uint8]
    camera: Intrinsics
    quality: Quality

    @property
    def name(self) -> str:
        """What statistics call it."""

    def render(self, condition: Condition, pose: Float32) -> Picture:
        """One picture of one frame's condition (F = 1) and pose (3, 4)."""


class LayeredRenderer:
    """A `Renderer` that paints the head, then its torso by the engine directory's networks.

    Args:
        head, torso: the two fields.
        background: (S, S, 3) uint8 RGB, of any size.
        camera: at the size of the picture.
        quality: where rays end, as `head` was made to.
        pool: threads of the kernels.
        super_resolution: makes twice as large what the fields gave; None leaves it as it is.
        cut_off: bytes are cut off, not rounded (`enlarge.as_bytes`).
    """

    def __init__(
        self,
        head: Head,
        torso: Torso,
        background: NDArray[np.uint8],
        camera: Intrinsics,
        quality: Quality,
        pool: ThreadPool,
        super_resolution: Runner | None = None,
        cut_off: bool = False,
    ) -> None:
        self.head, self._torso, self._pool = head, torso, pool
        self._super_resolution, self._cut_off = super_resolution, cut_off
        rendered = camera.size // ENLARGEMENT if super_resolution else camera.size
        self._field_camera = camera.scaled(rendered)
        self.background = resized(background, rendered)
        self._behind = np.ascontiguousarray(self.background.reshape(-1, 3))
        unrounded = resampled(background, rendered).reshape(-1, 3) / 255
        self._unrounded = unrounded.astype(np.float32)
        self.camera = camera
        self.quality = quality

    @property
    def name(self) -> str:
        """What statistics call it."""
        return self.head.name

    def render(self, condition: Condition, pose: Float32) -> Picture:
        """One picture of one frame's condition (F = 1) and pose (3, 4)."""
        head = self.head.render(condition, pose, self._field_camera)
        return self.over_torso(head, condition, pose)

    def over_torso(self, head: HeadImage, condition: Condition, pose: Float32) -> Picture:
        """The picture of a rendered head: over its torso and both over the background."""
        torso = self._torso.render(condition, pose, head)
        samples_per_ray = head.samples / max(1, head.rays)
        if self._super_resolution is not None or self._cut_off:
            made = composited(head, torso, self._unrounded)
            if self._super_resolution is not None:
                made = enlarge(self._super_resolution, made)
            return Picture(as_bytes(made, cut_off=self._cut_off), samples_per_ray)
        blended = image.blend(head.colour, head.opacity, torso, self._behind, pool=self._pool)
        size = self.camera.size
        return Picture(blended.reshape(size, size, 3), samples_per_ray)
