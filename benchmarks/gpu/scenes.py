"""Heads that are rendered for measuring: an ellipsoid with random tensors and a real field's sizes.

`realtime` has the built-in avatar's dimensions, `authors` the published head's and torso's. Needs
PyTorch, in which the reference is written; drawing is repeatable for a seed.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emogene.contract.camera import Intrinsics
from emogene.contract.field import FieldSpec
from emogene.contract.landmarks import LANDMARKS
from emogene.contract.weights import OCCUPANCY, TORSO_MASK
from emogene.kernels.fused import FrameInputs
from emogene.kernels.reference.occupancy import pack_cells
from emogene.reference.authors import authors_head
from emogene.reference.authors_torso import authors_torso
from emogene.reference.demo import CAMERA_DISTANCE, demo_falloff, demo_head, demo_torso
from emogene.reference.frame import render_frame
from emogene.reference.head_field import HeadField, HeadFieldConfig
from emogene.reference.torso_field import TorsoField

STEPS = 4.8
"""After which no light comes through the head. A ray that meets it then takes about 6.2 samples:
0.75 M in 512² pixels, 46 % of which the head fills."""

SEEN = 0.46
"""Share of the picture that the head fills."""

_ENDED = 1e-4
"""Light that comes through where a ray ends."""

_FILLED = (0.82, 0.82, 0.8)
"""Half axes of the ellipsoid over those of the field's bounds."""


@dataclass(frozen=True, eq=False)
class GpuScene:
    """Fields with their tensors, and frames of them.

    Attributes:
        name: one of `SCENES`.
        head, torso: the reference, on the CPU.
        weights: its tensors.
    """

    name: str
    head: HeadField
    torso: TorsoField
    weights: Mapping[str, NDArray[Any]]

    @property
    def field(self) -> FieldSpec:
        """The head's."""
        return self.head.spec

    def frame(self, size: int, seed: int) -> SceneFrame:
        """A frame of ``size``² pixels: a turned head, a random condition and background."""
        rng = np.random.default_rng(seed)
        pose = np.zeros((3, 4), np.float32)
        turned, _ = np.linalg.qr(np.eye(3) + 0.1 * rng.normal(size=(3, 3)))
        pose[:, :3] = np.diag([1, -1, -1]) @ (turned * np.sign(np.diag(turned)))
        pose[:, 3] = (*rng.normal(0, 0.02, 2), CAMERA_DISTANCE)
        low, high = np.asarray(self.field.bounds_min), np.asarray(self.field.bounds_max)
        landmarks = rng.uniform(0.6 * low, 0.6 * high, (LANDMARKS, 3)).astype(np.float32)
        window = rng.normal(size=self._window_shape).astype(np.float32)
        background = rng.integers(0, 256, (size, size, 3)).astype(np.uint8)
        return SceneFrame(self, size, pose, window, landmarks, background)

    @property
    def _window_shape(self) -> tuple[int, int]:
        return (self.head.config.condition.window, 3 * LANDMARKS)

    def camera(self, size: int) -> Intrinsics:
        """Which the head fills `SEEN` of."""
        half = (np.asarray(self.field.bounds_max) - np.asarray(self.field.bounds_min)) / 2
        axes = half * _FILLED
        side = math.sqrt(math.pi * axes[0] * axes[1] / SEEN)
        return Intrinsics(size, size * CAMERA_DISTANCE / side, size / 2, size / 2)


@dataclass(frozen=True, eq=False)
class SceneFrame:
    """One frame.

    Attributes:
        scene, size: of it.
        pose: (3, 4).
        window: (W, 204) of the condition.
        landmarks: (68, 3).
        background: (size, size, 3) uint8.
    """

    scene: GpuScene
    size: int
    pose: NDArray[np.float32]
    window: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    background: NDArray[np.uint8]

    @torch.no_grad()
    def inputs(self) -> FrameInputs:
        """What kernels are given: the condition as biases."""
        head, torso = self.scene.head, self.scene.torso
        flat = torch.from_numpy(self.landmarks.reshape(1, -1))
        biases = {
            **head.condition(torch.from_numpy(self.window)[None]),
            **torso.condition(torch.from_numpy(self.pose.reshape(1, 12)), flat),
        }
        plain = {name: np.ascontiguousarray(value.numpy()) for name, value in biases.items()}
        return FrameInputs(self.pose, self.scene.camera(self.size), plain, self.landmarks)

    def reference(self, device: str) -> torch.Tensor:
        """(size, size, 3) uint8 by the PyTorch reference, on a device."""
        moved = {
            name: torch.from_numpy(value).to(device)
            for name, value in {
                "pose": self.pose,
                "window": self.window,
                "landmarks": self.landmarks,
                "torso_landmarks": self.landmarks.reshape(-1),
                "background": self.background,
            }.items()
        }
        scene = self.scene
        with torch.device(device):
            return render_frame(
                scene.head.to(device), scene.torso.to(device), scene.camera(self.size), **moved
            )


def make_scene(name: str, seed: int) -> GpuScene:
    """One of `SCENES`."""
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        head = HeadField(_config(name)).eval()
        torso = TorsoField(demo_torso() if name == "realtime" else authors_torso()).eval()
        for grid in (*head.spec.grids, *head.spec.surface):
            head.get_parameter(f"{grid.name}.table").uniform_(-0.5, 0.5)
        torso.get_parameter(f"{torso.spec.grid.name}.table").uniform_(-0.5, 0.5)
        _even_out(head)
        head.occupancy.copy_(torch.from_numpy(pack_cells(_ellipsoid(head.spec))))
        if head.spec.displacement is not None:
            low, high = np.asarray(head.spec.bounds_min), np.asarray(head.spec.bounds_max)
            rest = rng.uniform(0.6 * low, 0.6 * high, (LANDMARKS, 3)).astype(np.float32)
            head.displacement.rest.copy_(torch.from_numpy(rest))
            head.displacement.falloff.copy_(torch.from_numpy(demo_falloff()))
        torso.torso_mask.copy_(torch.from_numpy(_shoulders(torso.spec.mask_resolution)))
    tensors = {**head.state_dict(), **torso.state_dict()}
    kept = {k: np.ascontiguousarray(v.numpy()) for k, v in tensors.items() if "condition" not in k}
    assert OCCUPANCY in kept and TORSO_MASK in kept
    return GpuScene(name, head, torso, kept)


def _config(name: str) -> HeadFieldConfig:
    """A field's dimensions, so dense that rays end after `STEPS`."""
    config = demo_head() if name == "realtime" else authors_head(blink=0)
    field, march = config.field, config.field.march
    # The published box leaves out corners of the bounds; here the ellipsoid does.
    march = dataclasses.replace(march, box=None, max_samples=max(march.max_samples, 48))
    shift = math.log(-math.log(_ENDED) / STEPS / march.step)
    return dataclasses.replace(
        config, field=dataclasses.replace(field, march=march, density_shift=shift)
    )


def _even_out(head: HeadField) -> None:
    """Let densities stay near what the shift makes of 0."""
    for name, tensor in head.get_submodule(head.spec.density.name).named_parameters():
        if tensor.shape[0] == head.spec.density.outputs:
            tensor[0] *= 0.1 if name.endswith("weight") else 0.0


def _ellipsoid(field: FieldSpec) -> NDArray[np.bool_]:
    """(G, G, G) occupancy, indexed [z, y, x]."""
    side = field.march.occupancy_resolution
    centres = (np.arange(side) + 0.5) / side * 2 - 1
    x, y, z = (centres / filled for filled in _FILLED)
    inside: NDArray[np.bool_] = z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 <= 1
    return inside


def _shoulders(side: int) -> NDArray[np.uint8]:
    """Bits of the lower two fifths of a picture."""
    rows = np.repeat(np.arange(side) >= 0.6 * side, side)
    return np.packbits(rows, bitorder="little")
