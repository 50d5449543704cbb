"""The fused renderer: head, torso and background, or the head alone, in one call of the kernels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...contract.camera import Intrinsics
from ...contract.data import Condition, Float32
from ...contract.landmarks import LANDMARKS
from ...kernels.arrays import UInt8
from ...kernels.fused import FrameInputs, FusedImage
from ...kernels.threads import ThreadPool
from ..backends.protocol import Runner
from .head import HeadImage
from .quality import Quality
from .renderer import Picture


class FrameField(Protocol):
    """Head and torso of an avatar, prepared for the kernels of the CPU or of a GPU."""

    @property
    def name(self) -> str:
        """What statistics call it."""

    def render(
        self,
        inputs: FrameInputs,
        background: UInt8 | None = None,
        *,
        transmittance: float = 0.0,
        torso_transmittance: float = 0.0,
        coarse: bool = False,
        keep_head: bool = False,
        pool: ThreadPool | None = None,
    ) -> FusedImage:
        """A frame; see `kernels.fused.FusedField.render`."""

    def close(self) -> None:
        """Free what it holds; twice is fine."""


class FusedRenderer:
    """A `renderer.Renderer` whose only networks outside the kernels are the condition's.

    Args:
        field: head and torso, prepared; renderers of several sizes share it.
        condition: windows (F, W, 204), and the eyes' opening where there is one → biases
            of the head's first layers.
        torso_condition: pose (F, 12) and landmarks (F, 204) → those of the torso's.
        background: (size, size, 3) uint8 RGB.
        camera: at the size of the picture.
        quality: where rays end.
        pool: threads of the kernels.
    """

    def __init__(
        self,
        field: FrameField,
        condition: Runner,
        torso_condition: Runner,
        background: NDArray[np.uint8],
        camera: Intrinsics,
        quality: Quality,
        pool: ThreadPool,
    ) -> None:
        self._field, self._pool = field, pool
        self._condition, self._torso_condition = condition, torso_condition
        self._behind = np.ascontiguousarray(background)
        self.background = background
        self.camera = camera
        self.quality = quality

    @property
    def name(self) -> str:
        """What statistics call it."""
        return self._field.name

    def render(self, condition: Condition, pose: Float32) -> Picture:
        """One picture of one frame's condition (F = 1) and pose (3, 4)."""
        made = self._field.render(
            self._inputs(condition, pose),
            self._behind,
            transmittance=self.quality.transmittance,
            torso_transmittance=self.quality.torso_transmittance,
            coarse=self.quality.coarse,
            pool=self._pool,
        )
        assert made.image is not None  # there is a background
        return Picture(made.image, made.samples / max(1, made.rays))

    def _inputs(self, condition: Condition, pose: Float32) -> FrameInputs:
        return whole_frame(condition, pose, self.camera, self._condition, self._torso_condition)


class FusedHead:
    """A `head.Head` of the kernels; torso and super-resolution are networks of the directory.

    Args:
        field: the head alone, prepared.
        condition: windows, and the eyes' opening where there is one → first-layer biases.
        transmittance: a ray ends once less than this share of light comes through.
        pool: threads of the kernels.
    """

    def __init__(
        self, field: FrameField, condition: Runner, transmittance: float, pool: ThreadPool
    ) -> None:
        self._field, self._condition = field, condition
        self._transmittance, self._pool = transmittance, pool

    @property
    def name(self) -> str:
        """What statistics call it."""
        return f"head by {self._field.name}"

    def render(self, condition: Condition, pose: Float32, camera: Intrinsics) -> HeadImage:
        """Render one frame (`head.Head.render`)."""
        biases = self._condition.run(condition.stage_inputs)
        made = self._field.render(
            _frame(condition, pose, camera, biases),
            transmittance=self._transmittance,
            pool=self._pool,
        )
        assert made.head is not None  # there is no background
        flat = made.head.reshape(-1, 4)
        colour, opacity = np.ascontiguousarray(flat[:, :3]), np.ascontiguousarray(flat[:, 3])
        return HeadImage(colour, opacity, made.samples, made.rays)


def whole_frame(
    condition: Condition, pose: Float32, camera: Intrinsics, of_head: Runner, of_torso: Runner
) -> FrameInputs:
    """What kernels need for head and torso.

    Args:
        of_head, of_torso: the networks that give their biases; see `FusedRenderer`.
    """
    torso = {"pose": pose.reshape(1, 12), "landmarks": np.ascontiguousarray(condition.torso)}
    biases = {**of_head.run(condition.stage_inputs), **of_torso.run(torso)}
    return _frame(condition, pose, camera, biases)


def _frame(
    condition: Condition, pose: Float32, camera: Intrinsics, biases: Mapping[str, Float32]
) -> FrameInputs:
    return FrameInputs(
        np.ascontiguousarray(pose, np.float32),
        camera,
        biases,
        np.ascontiguousarray(condition.landmarks, np.float32).reshape(LANDMARKS, 3),
    )
