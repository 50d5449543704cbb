"""The head field rendered with the C++ kernels, differentiably.

`shade` is `reference.volume_rendering.shade` with its displacement, grids and compositing replaced;
the networks are the reference module's own, so what is trained is what is saved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...contract.errors import BadOption
from ...contract.field import GridSpec
from ...kernels.box import box_interval
from ...kernels.displacement import active_nodes, bake_displacement, in_bricks, read_displacement
from ...kernels.occupancy import Occupancy
from ...kernels.traversal import MarchState, Samples, march
from ...reference.head_field import FrameCondition, HeadField
from ...reference.volume_rendering import Shaded, mean_depth
from .operations import composite, encode

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class RaySpan:
    """Rays and the stretch of each that is sampled.

    Attributes:
        origins, directions: (N, 3) head space.
        near, far: (N,) distances; ``far < near`` for rays that miss the field's box.
        frames: (N,) int32 frame of each ray in the batch of conditions.
    """

    origins: Float32
    directions: Float32
    near: Float32
    far: Float32
    frames: NDArray[np.int32]


class FastHead:
    """A head field, the occupancy it is marched through, and what follows from that.

    Args:
        head: the module; its grids are read by the kernels from now on.
        occupancy: (G, G, G) bool cells, [z, y, x].

    Raises:
        BadOption: a grid is read at an ambient coordinate; the kernels give it no gradient.
    """

    def __init__(self, head: HeadField, occupancy: NDArray[np.bool_]) -> None:
        spec = head.spec
        if any(grid.read_at == "ambient" for grid in spec.grids):
            raise BadOption(
                "the field to train",
                expected="grids read at the position or displaced",
                found="one read at an ambient coordinate",
                remedy="train it through the plain reference, `HeadField`",
            )
        self.head, self.spec = head, spec
        head.encode = encode
        self.low = np.array(spec.bounds_min, np.float32)
        self.high = np.array(spec.bounds_max, np.float32)
        self.set_occupancy(occupancy)

    def set_occupancy(self, cells: NDArray[np.bool_]) -> None:
        """March through these (G, G, G) cells from now on; bakes only the nodes they need."""
        self.cells = cells
        self.occupancy = Occupancy.from_cells(cells, self.low, self.high)
        moved = self.spec.displacement
        self._nodes = None
        if moved is not None:
            nodes = active_nodes(moved.resolution, self.occupancy)
            self._nodes = in_bricks(nodes, moved.resolution)

    def condition(self, windows: Tensor, landmarks: Float32) -> FrameCondition:
        """`HeadField.frame` for windows (F, W, 204) and head-space landmarks (F, 68, 3)."""
        moved = self.spec.displacement
        if moved is None:
            return FrameCondition(self.head.condition(windows), None)
        baked = bake_displacement(
            moved,
            self.head.displacement.rest.numpy(),
            self.head.displacement.falloff.numpy(),
            landmarks,
            self.low,
            self.high,
            nodes=self._nodes,
        )
        return FrameCondition(self.head.condition(windows), torch.from_numpy(baked))

    def span(
        self,
        origins: Float32,
        directions: Float32,
        frames: NDArray[np.int32],
        until: Float32 | None = None,
    ) -> RaySpan:
        """Rays cut to the field's box, and no farther than `until` (N,)."""
        near, far = box_interval(origins, directions, self.low, self.high, self.spec.march.min_near)
        if until is not None:
            far = np.minimum(far, until)
        return RaySpan(origins, directions, near, far, frames)

    def march(self, rays: RaySpan, phase: Float32 | None = None) -> Samples:
        """Occupied samples of the rays; phase (N,) in steps replaces the field's own."""
        state = MarchState.start(len(rays.near))
        return march(
            rays.origins,
            rays.directions,
            rays.near,
            rays.far,
            self.occupancy,
            self.spec.march,
            state,
            phase=phase,
        )

    def features(
        self, positions: Float32, condition: FrameCondition, frames: NDArray[np.int32]
    ) -> Tensor:
        """`HeadField.sample_features` for samples (S, 3) of the batch's `frames` (S,)."""
        spec = self.spec
        away = self._displacement(positions, condition, frames)
        parts = [self._read(grid, torch.from_numpy(positions), away) for grid in spec.grids]
        if spec.displacement_gain:
            parts.append(torch.from_numpy(away * np.float32(spec.displacement_gain)))
        return torch.cat(parts, dim=1)

    def shade(self, rays: RaySpan, samples: Samples, condition: FrameCondition) -> Shaded:
        """Evaluate the field at the samples and composite them."""
        head, step = self.head, self.spec.march.step
        of_samples = np.ascontiguousarray(rays.frames[samples.rays])
        at = torch.from_numpy(of_samples.astype(np.int64))
        features = self.features(samples.positions, condition, of_samples)
        density, values = head.sample_density(features, condition, at)
        directions = torch.from_numpy(rays.directions)
        if self.spec.colour_at == "sample":
            seen = directions[torch.from_numpy(samples.rays.astype(np.int64))]
            values = head.sample_colour(seen, values, condition, at)
        values = torch.cat((values, torch.from_numpy(samples.distances)[:, None]), dim=1)
        sums, opacity, weights = composite(density, values, samples.offsets, step)
        depth = mean_depth(sums[:, -1], opacity)
        colour = sums[:, :-1]
        if self.spec.colour_at == "ray":
            surface = self._surface_features(rays, depth, condition) if self.spec.surface else None
            frames = torch.from_numpy(rays.frames.astype(np.int64))
            colour = head.ray_colour(directions, colour, opacity, condition, frames, surface)
        return Shaded(colour, opacity, weights, depth)

    def _surface_features(self, rays: RaySpan, depth: Tensor, condition: FrameCondition) -> Tensor:
        ends = torch.from_numpy(rays.origins) + depth[:, None] * torch.from_numpy(rays.directions)
        away = self._displacement(ends.detach().numpy(), condition, rays.frames)
        return torch.cat([self._read(grid, ends, away) for grid in self.spec.surface], dim=1)

    def _displacement(
        self, positions: Float32, condition: FrameCondition, frames: NDArray[np.int32]
    ) -> Float32:
        """(S, 3); how it changes with the position has no gradient: it is smooth and small."""
        if condition.displacement is None:
            return np.zeros_like(positions)
        baked = condition.displacement.numpy()
        return read_displacement(baked, positions, self.low, self.high, frames=frames)

    def _read(self, grid: GridSpec, positions: Tensor, away: Float32) -> Tensor:
        moved = positions - torch.from_numpy(away) if grid.read_at == "displaced" else positions
        at = (moved - torch.from_numpy(self.low)) / torch.from_numpy(self.high - self.low)
        return encode(grid, self.head.get_submodule(grid.name).table, at)
