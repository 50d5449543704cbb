"""The head field ``F: (x, d, l_E) → (c, σ)`` (paper section 3.3, Eq. 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ..contract.consistency import field_problems
from ..contract.field import DENSITY_EXPONENT_LIMIT, RAY_FEATURE_EPSILON, FieldSpec, GridSpec
from ..contract.landmarks import LANDMARKS
from ..contract.stages import bias_name
from .condition import ConditionConfig, PlainConditionConfig, build_condition
from .grids import Displacement, Grid, encode_grid, read_nodes, spherical_harmonics
from .mlp import Mlp

Encode = Callable[[GridSpec, Tensor, Tensor], Tensor]
"""(spec, table (entries, features), coordinates (N, D)) → features (N, width)."""


@dataclass(frozen=True)
class HeadFieldConfig:
    """A head field: how it is evaluated, and how its condition is encoded."""

    field: FieldSpec
    condition: ConditionConfig = field(default_factory=PlainConditionConfig)


@dataclass(frozen=True)
class FrameCondition:
    """Everything that is constant over a frame, for a batch of frames.

    Attributes:
        biases: ``<network>_bias`` (F, hidden).
        displacement: (F, Z, Y, X, 3) baked displacement; None where the field has none.
    """

    biases: Mapping[str, Tensor]
    displacement: Tensor | None

    def bias(self, network: str, frames: Tensor | None) -> Tensor:
        """First-layer bias of a network: (1, hidden) of frame 0, or (N, hidden) of ``frames``."""
        values = self.biases[bias_name(network)]
        return values[:1] if frames is None else values[frames]


class HeadField(nn.Module):
    """A `FieldSpec` with its tensors and its condition encoder.

    Tensors are named as in the contract: ``<grid>.table``, ``<network>.<i>.weight``,
    ``displacement.rest``, ``occupancy``; the encoder's stand below ``condition``.

    Args:
        config: what to build.
        encode: how grids are read; a faster function of the same signature may take its place.

    Raises:
        ValueError: parts of the specification do not fit together; the message lists them all.
    """

    config_type = HeadFieldConfig
    occupancy: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, config: HeadFieldConfig, encode: Encode = encode_grid) -> None:
        super().__init__()
        self.config = config
        self.spec = spec = config.field
        self.encode = encode
        if problems := field_problems(spec):
            raise ValueError("; ".join(problems))
        for grid in (*spec.grids, *spec.surface):
            self.add_module(grid.name, Grid(grid))
        for network in spec.networks:
            self.add_module(network.name, Mlp(network))
        if spec.displacement is not None:
            self.displacement = Displacement(spec.displacement, LANDMARKS)
        self.condition = build_condition(config.condition, spec)
        cells = spec.march.occupancy_resolution**3
        self.register_buffer("occupancy", torch.full((cells // 8,), 255, dtype=torch.uint8))
        self.register_buffer("low", torch.tensor(spec.bounds_min), persistent=False)
        self.register_buffer("high", torch.tensor(spec.bounds_max), persistent=False)

    def frame(self, windows: Tensor, landmarks: Tensor, **extra: Tensor) -> FrameCondition:
        """Work out what is constant over each of F frames.

        Args:
            windows: (F, W, 204) what the condition encoder sees.
            landmarks: (F, 68, 3) emotional landmarks in head space; drive the displacement.
            extra: further inputs of the condition encoder, such as ``eye_opening`` (F,).
        """
        baked = None
        if self.spec.displacement is not None:
            baked = self.displacement.bake(landmarks, self.low, self.high)
        return FrameCondition(self.condition(windows, **extra), baked)

    def sample_features(
        self, x: Tensor, condition: FrameCondition, frames: Tensor | None = None
    ) -> Tensor:
        """What the density network is given: all grids, then the displacement.

        Args:
            x: (N, 3) head space.
            frames: (N,) int64 frame of each sample; None means frame 0.

        Returns:
            (N, feature_width).
        """
        moved = self._displacement(x, condition, frames)
        parts: list[Tensor] = []
        for grid in self.spec.grids:
            if grid.read_at == "ambient":
                at = self._ambient(parts[0], condition, frames)
                parts.append(self.encode(grid, self.get_submodule(grid.name).table, at))
            else:
                parts.append(self._read(grid, x, moved))
        if self.spec.displacement_gain:
            parts.append(moved * self.spec.displacement_gain)
        return torch.cat(parts, dim=1)

    def surface_features(
        self, x: Tensor, condition: FrameCondition, frames: Tensor | None = None
    ) -> Tensor:
        """What is read where rays end, (R, surface_width); see `FieldSpec`.

        Args:
            x: (R, 3) head space; a position outside the bounds reads zeros.
            frames: (R,) int64 frame of each ray; None means frame 0.
        """
        # How the displacement changes with the depth is left out of the gradient: it is smooth.
        moved = self._displacement(x.detach(), condition, frames)
        return torch.cat([self._read(grid, x, moved) for grid in self.spec.surface], dim=1)

    def _displacement(self, x: Tensor, condition: FrameCondition, frames: Tensor | None) -> Tensor:
        if condition.displacement is None:
            return torch.zeros_like(x)
        size = self.high - self.low
        return read_nodes(condition.displacement, (x - self.low) / size, frames)

    def _read(self, grid: GridSpec, x: Tensor, moved: Tensor) -> Tensor:
        at = x - moved if grid.read_at == "displaced" else x
        table = self.get_submodule(grid.name).table
        return self.encode(grid, table, (at - self.low) / (self.high - self.low))

    def sample_density(
        self, features: Tensor, condition: FrameCondition, frames: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Density σ (N,) per head-space unit, and geometry features (N, geometry_width)."""
        name = self.spec.density.name
        raw = self.get_submodule(name)(features, condition.bias(name, frames))
        return density_of(raw[:, 0], self.spec.density_shift), raw[:, 1:]

    def sample_colour(
        self,
        directions: Tensor,
        geometry: Tensor,
        condition: FrameCondition,
        frames: Tensor | None = None,
        surface: Tensor | None = None,
    ) -> Tensor:
        """Colour c in [0, 1], (N, 3), of unit view directions (N, 3), geometry features, and
        surface features where the field has them."""
        name = self.spec.colour.name
        seen = spherical_harmonics(directions, self.spec.directions)
        inputs = torch.cat([x for x in (seen, geometry, surface) if x is not None], dim=1)
        return torch.sigmoid(self.get_submodule(name)(inputs, condition.bias(name, frames)))

    def ray_colour(
        self,
        directions: Tensor,
        geometry: Tensor,
        opacity: Tensor,
        condition: FrameCondition,
        frames: Tensor | None = None,
        surface: Tensor | None = None,
    ) -> Tensor:
        """Colour once a ray, premultiplied: geometry (R, G) composited, opacity (R,) and, where the
        field has them, surface features (R, surface_width) → (R, 3)."""
        mean = geometry / (opacity[:, None] + RAY_FEATURE_EPSILON)
        return opacity[:, None] * self.sample_colour(directions, mean, condition, frames, surface)

    def forward(
        self,
        x: Tensor,
        directions: Tensor,
        condition: FrameCondition,
        frames: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Eq. 5 for single samples: colour (N, 3) and density (N,)."""
        density, geometry = self.sample_density(
            self.sample_features(x, condition, frames), condition, frames
        )
        return self.sample_colour(directions, geometry, condition, frames), density

    def _ambient(self, first: Tensor, condition: FrameCondition, frames: Tensor | None) -> Tensor:
        """The ambient coordinate, mapped from tanh's [-1, 1] to the grid's [0, 1]."""
        assert self.spec.ambient is not None
        name = self.spec.ambient.name
        raw = self.get_submodule(name)(first, condition.bias(name, frames))
        return (torch.tanh(raw) + 1) / 2


def density_of(raw: Tensor, shift: float) -> Tensor:
    """``exp(clip(raw + shift, ±15))``, (N,)."""
    limit = DENSITY_EXPONENT_LIMIT
    return torch.exp((raw + shift).clamp(-limit, limit))
