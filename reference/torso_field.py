"""The torso field ``F_torso: (x, C_head; d0, P, l_E) → (c, α)`` in the image plane (Eq. 8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor, nn

from ..contract.consistency import HEAD_RGBA, torso_problems
from ..contract.field import HEAD_CODE_HIDDEN, HEAD_CODE_SLOPE, TorsoSpec
from ..contract.landmarks import FLAT
from ..contract.stages import bias_name
from .grids import Grid, encode_frequencies, encode_grid
from .head_field import Encode
from .mlp import Mlp
from .published_torso import PublishedTorsoCondition, PublishedTorsoConditionConfig

POSE = 12
"""Numbers of a flattened (3, 4) pose."""


@dataclass(frozen=True)
class TorsoConditionConfig:
    """(pose 12, landmarks 204) → ``hidden`` → ``code`` → biases."""

    hidden: int = 32
    code: int = 16


@dataclass(frozen=True)
class TorsoFieldConfig:
    """A torso field: how it is evaluated, and how its condition is encoded.

    Attributes:
        published: the published encoder, in place of ``condition``.
    """

    torso: TorsoSpec
    condition: TorsoConditionConfig = field(default_factory=TorsoConditionConfig)
    published: PublishedTorsoConditionConfig | None = None


class TorsoCondition(nn.Module):
    """Pose P and landmarks l_E → first-layer biases of both torso networks.

    Buffers ``pose_mean``, ``pose_scale`` (12,), ``landmark_mean``, ``landmark_scale`` (204,)
    standardise its inputs; they are data, not learned.
    """

    pose_mean: Tensor
    pose_scale: Tensor
    landmark_mean: Tensor
    landmark_scale: Tensor

    def __init__(self, config: TorsoConditionConfig, torso: TorsoSpec) -> None:
        super().__init__()
        self.register_buffer("pose_mean", torch.zeros(POSE))
        self.register_buffer("pose_scale", torch.ones(POSE))
        self.register_buffer("landmark_mean", torch.zeros(FLAT))
        self.register_buffer("landmark_scale", torch.ones(FLAT))
        self.encoder = nn.Sequential(
            nn.Linear(POSE + FLAT, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, config.code),
        )
        self.biases = nn.ModuleDict(
            {n.name: nn.Linear(config.code, n.hidden[0]) for n in (torso.deform, torso.colour)}
        )

    def forward(self, pose: Tensor, landmarks: Tensor) -> dict[str, Tensor]:
        """Biases of a batch of frames.

        Args:
            pose: (B, 12) camera-from-head, row after row.
            landmarks: (B, 204) head space.

        Returns:
            ``<network>_bias`` (B, hidden) of the deformation and the colour network.
        """
        pose = (pose - self.pose_mean) / self.pose_scale
        landmarks = (landmarks - self.landmark_mean) / self.landmark_scale
        code = self.encoder(torch.cat((pose, landmarks), dim=1))
        return {bias_name(name): layer(code) for name, layer in self.biases.items()}


class TorsoField(nn.Module):
    """A `TorsoSpec` with its tensors and its condition encoder.

    Tensors: ``<grid>.table``, ``<network>.<i>.weight``, ``torso_mask``; the encoder's stand below
    ``condition``, those of the head's code below ``head_encoder``.

    Raises:
        ValueError: parts of the specification do not fit together; the message lists them all.
    """

    config_type = TorsoFieldConfig
    torso_mask: Tensor

    def __init__(self, config: TorsoFieldConfig, encode: Encode = encode_grid) -> None:
        super().__init__()
        self.config = config
        self.spec = spec = config.torso
        self.encode = encode
        if problems := torso_problems(spec):
            raise ValueError("; ".join(problems))
        self.add_module(spec.grid.name, Grid(spec.grid))
        self.add_module(spec.deform.name, Mlp(spec.deform))
        self.add_module(spec.colour.name, Mlp(spec.colour))
        if spec.head_code:
            self.head_encoder = _head_encoder(spec.head_code)
        if config.published is not None:
            self.condition: nn.Module = PublishedTorsoCondition(config.published, spec)
        else:
            self.condition = TorsoCondition(config.condition, spec)
        cells = spec.mask_resolution**2
        self.register_buffer("torso_mask", torch.full((cells // 8,), 255, dtype=torch.uint8))

    def forward(
        self,
        pixels: Tensor,
        head: Tensor,
        biases: Mapping[str, Tensor],
        frames: Tensor | None = None,
    ) -> Tensor:
        """Eq. 8: the torso's colour and alpha at pixels.

        Args:
            pixels: (N, 2) as `pixel_positions` gives them.
            head: (N, 4) the head's colour premultiplied by its alpha, and the alpha.
            biases: what `condition` gave, (F, hidden) each.
            frames: (N,) int64 frame of each pixel; None means frame 0.

        Returns:
            (N, 4) r, g, b (not premultiplied) and alpha, in [0, 1].
        """
        spec = self.spec
        place = encode_frequencies(pixels, spec.octaves, spec.frequency)
        around = place
        if spec.head_code:
            head = self.head_encoder(head)
            around = torch.cat((place, head), dim=1)
        offset = self.offset(self._network(spec.deform.name, around, biases, frames))
        at = pixels + offset
        at = at.clamp(-1, 1) if spec.offset == "clamped" else at
        table = self.get_submodule(self.spec.grid.name).table
        features = self.encode(self.spec.grid, table, (at + 1) / 2)
        inputs = torch.cat((features, place, head), dim=1)
        return torch.sigmoid(self._network(self.spec.colour.name, inputs, biases, frames))

    def offset(self, raw: Tensor) -> Tensor:
        """What the deformation network gave, (N, 2), as an offset of positions."""
        bounded = raw if self.spec.offset == "clamped" else torch.tanh(raw)
        return self.spec.deform_range * bounded

    def masked(self, pixels: Tensor) -> Tensor:
        """Whether pixels (N, 2), as `pixel_coordinates` gives them, lie where the torso can be.

        Returns:
            (N,) bool; elsewhere alpha is 0.
        """
        side = self.spec.mask_resolution
        cells = ((pixels + 1) / 2 * side).to(torch.int64).clamp(0, side - 1)
        index = cells[:, 1] * side + cells[:, 0]
        return (self.torso_mask[index // 8].to(torch.int64) >> (index % 8)) & 1 == 1

    def _network(
        self, name: str, x: Tensor, biases: Mapping[str, Tensor], frames: Tensor | None
    ) -> Tensor:
        values = biases[bias_name(name)]
        return self.get_submodule(name)(x, values[:1] if frames is None else values[frames])


def _head_encoder(code: int) -> nn.Sequential:
    """(N, 4) colour premultiplied by alpha, and alpha → (N, code)."""
    widths = (HEAD_RGBA, *HEAD_CODE_HIDDEN, code)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.LeakyReLU(HEAD_CODE_SLOPE)]
    return nn.Sequential(*layers[:-1])


def pixel_positions(spec: TorsoSpec, size: int) -> Tensor:
    """Where the torso's networks see a square image's pixels, row after row: (size², 2)."""
    if spec.span == "edges":
        return pixel_coordinates(size) * spec.shrink
    at = torch.arange(size, dtype=torch.float32) / max(1, size - 1) * 2 - 1
    v, u = torch.meshgrid(at, at, indexing="ij")
    return torch.stack((u, v), dim=2).reshape(-1, 2) * spec.shrink


def pixel_coordinates(size: int) -> Tensor:
    """Centres of a square image's pixels, row after row: (size², 2) in [-1, 1], x then y."""
    centres = (2 * torch.arange(size, dtype=torch.float32) + 1) / size - 1
    v, u = torch.meshgrid(centres, centres, indexing="ij")
    return torch.stack((u, v), dim=2).reshape(-1, 2)
