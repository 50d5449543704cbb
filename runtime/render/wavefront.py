"""The head, in rounds: march → encode → field networks → composite (Eq. 5–7).

All rays of a chunk take a few samples, their networks are run together, and the rays that are not
finished go on to the next round. It takes any `FieldSpec`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...contract.camera import Intrinsics
from ...contract.data import Condition, Float32
from ...contract.field import (
    DENSITY_EXPONENT_LIMIT,
    RAY_FEATURE_EPSILON,
    RAY_LEAST_OPACITY,
    FieldSpec,
    GridSpec,
)
from ...contract.stages import bias_name
from ...contract.weights import FALLOFF, OCCUPANCY, REST, table_name
from ...kernels import box, displacement, grids, harmonics, rays
from ...kernels.arrays import Int32
from ...kernels.compositing import CompositeState, composite, live_rays
from ...kernels.occupancy import Occupancy, unpack_cells
from ...kernels.threads import ThreadPool
from ...kernels.traversal import MarchState, Samples, march
from ..backends.protocol import Runner
from .head import HeadImage
from .published_rays import (
    PublishedOccupancy,
    PublishedRays,
    published_camera_rays,
    published_interval,
)
from .region import HeadRegion
from .rounds import AUTHORS, PER_RAY, trace_in_rounds
from .rows import run_rows

RAYS_PER_CHUNK = 32_768
"""Rays marched together; with SAMPLES_PER_ROUND it bounds the scratch memory."""

SAMPLES_PER_ROUND = 2
"""Samples a ray takes before it is asked whether it goes on. Of 2, 3, 4 and 8 the quickest at 512²:
most rays end within a few samples, and what is taken beyond the end is thrown away."""


@dataclass(frozen=True)
class HeadNetworks:
    """The networks of the head field.

    Attributes:
        condition: windows (F, W, 204) → first-layer bias of each network.
        density, colour: see `contract.field`.
        ambient: None where no grid is read at the ambient coordinate.
    """

    condition: Runner
    density: Runner
    colour: Runner
    ambient: Runner | None = None


@dataclass(frozen=True)
class _Frame:
    """What is constant over a frame: the biases and the baked displacement."""

    biases: Mapping[str, Float32]
    displacement: Float32 | None


class WavefrontHead:
    """A `head.Head` that runs the networks of the engine directory.

    Args:
        spec: how the field is evaluated.
        weights: the avatar's tensors (`contract.weights`).
        networks: its networks.
        transmittance: a ray ends once less than this share of light comes through.
        pool: threads of the kernels.
        marching: one of `rounds.MARCHINGS`.
    """

    def __init__(
        self,
        spec: FieldSpec,
        weights: Mapping[str, NDArray[Any]],
        networks: HeadNetworks,
        transmittance: float,
        pool: ThreadPool,
        marching: str = PER_RAY,
    ) -> None:
        self._marching = marching
        self._spec, self._weights, self._networks = spec, weights, networks
        self._transmittance, self._pool = transmittance, pool
        bounds, side = (spec.bounds_min, spec.bounds_max), spec.march.occupancy_resolution
        self._occupancy = Occupancy.from_bits(weights[OCCUPANCY], side, *bounds)
        self._cells = unpack_cells(weights[OCCUPANCY], side)
        self._region = HeadRegion(self._cells, *bounds)
        self._nodes: NDArray[np.int32] | None = None
        if spec.displacement is not None:
            self._nodes = displacement.active_nodes(
                spec.displacement.resolution, self._occupancy, pool=pool
            )

    @property
    def name(self) -> str:
        """What statistics call it."""
        return "wavefront"

    def render(self, condition: Condition, pose: Float32, camera: Intrinsics) -> HeadImage:
        """Render one frame (`head.Head.render`)."""
        frame = self._prepare(condition)
        colour = np.zeros((camera.size**2, 3), np.float32)
        opacity = np.zeros(camera.size**2, np.float32)
        samples = hit = 0
        pixels = self._region.pixels(pose, camera)
        if self._marching == AUTHORS:
            return self._render_in_rounds(frame, pose, camera, pixels)
        for start in range(0, len(pixels), RAYS_PER_CHUNK):
            chunk = pixels[start : start + RAYS_PER_CHUNK]
            origin, directions = rays.camera_rays(pose, camera, chunk, pool=self._pool)
            result, taken = self._trace(frame, origin, directions)
            colour[chunk] = self._shade(frame, origin, directions, result)
            opacity[chunk] = result.opacity
            samples += int(taken.sum())
            hit += int(np.count_nonzero(taken))
        return HeadImage(colour, opacity, samples, hit)

    def _render_in_rounds(
        self, frame: _Frame, pose: Float32, camera: Intrinsics, pixels: Int32
    ) -> HeadImage:
        """All rays at once, since how many go on decides how many samples each is given."""
        spec, total = self._spec, camera.size**2
        origin, directions = published_camera_rays(pose, camera, pixels)
        near, far = published_interval(origin, directions, *spec.entry_box, spec.march.min_near)
        marched = PublishedRays(origin, directions, near, far, np.float32(spec.march.step))

        def evaluate(samples: Samples) -> tuple[Float32, Float32]:
            sigmas, geometry = self._density(frame, samples.positions)
            return sigmas, self._colour(frame, directions, samples, geometry)

        traced = trace_in_rounds(
            marched,
            PublishedOccupancy(self._cells, spec.bounds_min, spec.bounds_max),
            evaluate,
            most=spec.march.max_samples,
            total=total,
            threshold=self._transmittance,
        )
        colour, opacity = np.zeros((total, 3), np.float32), np.zeros(total, np.float32)
        colour[pixels], opacity[pixels] = traced.colour, traced.opacity
        hit = int(np.count_nonzero(traced.taken))
        return HeadImage(colour, opacity, int(traced.taken.sum()), hit)

    def _prepare(self, condition: Condition) -> _Frame:
        biases = self._networks.condition.run(condition.stage_inputs)
        spec, baked = self._spec, None
        if spec.displacement is not None:
            baked = displacement.bake_displacement(
                spec.displacement,
                self._weights[REST],
                self._weights[FALLOFF],
                np.ascontiguousarray(condition.landmarks),
                spec.bounds_min,
                spec.bounds_max,
                nodes=self._nodes,
                pool=self._pool,
            )
        return _Frame(biases, baked)

    def _trace(
        self, frame: _Frame, origin: Float32, directions: Float32
    ) -> tuple[CompositeState, NDArray[np.int32]]:
        """Composite all rays; also how many samples each took."""
        spec, pool = self._spec, self._pool
        near, far = box.box_interval(
            origin, directions, *spec.entry_box, spec.march.min_near, pool=pool
        )
        per_ray = spec.colour_at == "ray"
        state = MarchState.start(len(directions))
        result = CompositeState.start(len(directions), spec.geometry_width + 1 if per_ray else 3)
        live = np.flatnonzero(far > near).astype(np.int32)
        while live.size:
            samples = march(
                origin,
                directions,
                near,
                far,
                self._occupancy,
                spec.march,
                state,
                count=SAMPLES_PER_ROUND,
                live=live,
                pool=pool,
            )
            if not len(samples):
                break  # nothing occupied lies ahead of any ray
            sigmas, geometry = self._density(frame, samples.positions)
            values = (
                np.concatenate([geometry, samples.distances[:, None]], axis=1)
                if per_ray
                else self._colour(frame, directions, samples, geometry)
            )
            composite(
                sigmas,
                values,
                samples.offsets,
                spec.march.step,
                result,
                threshold=self._transmittance,
                live=live,
                pool=pool,
            )
            live = live_rays(state, result, self._transmittance, live=live)
        return result, state.taken

    def _density(self, frame: _Frame, positions: Float32) -> tuple[Float32, Float32]:
        """Density (S,) and geometry (S, G) of samples (S, 3)."""
        features = self._features(frame, positions)
        name = bias_name(self._spec.density.name)
        raw = run_rows(self._networks.density, features, frame.biases[name])
        limit = DENSITY_EXPONENT_LIMIT
        sigmas = np.exp(np.clip(raw[:, 0] + np.float32(self._spec.density_shift), -limit, limit))
        return sigmas, np.ascontiguousarray(raw[:, 1:])

    def _features(self, frame: _Frame, positions: Float32) -> Float32:
        """All grids, then the displacement where it is a feature: (S, feature_width)."""
        spec = self._spec
        moved = self._displacement(frame, positions)
        features = np.empty((len(positions), spec.feature_width), np.float32)
        column = 0
        for grid in spec.grids:
            out = features[:, column : column + grid.width]
            if grid.read_at == "ambient":
                self._encode(grid, self._ambient(frame, features[:, : spec.grids[0].width]), out)
            else:
                self._read(grid, positions, moved, out)
            column += grid.width
        if spec.displacement_gain and moved is not None:
            features[:, column:] = moved * np.float32(spec.displacement_gain)
        return features

    def _surface(self, frame: _Frame, positions: Float32) -> Float32:
        """What is read where rays end, at (R, 3): (R, surface_width)."""
        moved = self._displacement(frame, positions)
        features = np.empty((len(positions), self._spec.surface_width), np.float32)
        column = 0
        for grid in self._spec.surface:
            self._read(grid, positions, moved, features[:, column : column + grid.width])
            column += grid.width
        return features

    def _displacement(self, frame: _Frame, positions: Float32) -> Float32 | None:
        if frame.displacement is None:
            return None
        bounds = (self._spec.bounds_min, self._spec.bounds_max)
        return displacement.read_displacement(
            frame.displacement, positions, *bounds, pool=self._pool
        )

    def _read(
        self, grid: GridSpec, positions: Float32, moved: Float32 | None, out: Float32
    ) -> None:
        bounds = (self._spec.bounds_min, self._spec.bounds_max)
        by = moved if grid.read_at == "displaced" else None
        at = grids.unit_coordinates(positions, *bounds, displacement=by, pool=self._pool)
        self._encode(grid, at, out)

    def _encode(self, grid: GridSpec, at: Float32, out: Float32) -> None:
        grids.encode(grid, self._weights[table_name(grid)], at, out=out, pool=self._pool)

    def _ambient(self, frame: _Frame, first: Float32) -> Float32:
        """The ambient coordinate, from the network's [-1, 1] to the grid's [0, 1]."""
        assert self._networks.ambient is not None and self._spec.ambient is not None
        bias = frame.biases[bias_name(self._spec.ambient.name)]
        made = run_rows(self._networks.ambient, np.ascontiguousarray(first), bias)
        at: Float32 = (made + np.float32(1.0)) * np.float32(0.5)
        return at

    def _colour(
        self, frame: _Frame, directions: Float32, samples: Samples, geometry: Float32
    ) -> Float32:
        """Colour of every sample, (S, 3)."""
        seen = harmonics.spherical_harmonics(directions, self._spec.directions, pool=self._pool)
        return self._run_colour(frame, [seen[samples.rays], geometry])

    def _shade(
        self, frame: _Frame, origin: Float32, directions: Float32, result: CompositeState
    ) -> Float32:
        """Premultiplied colour of every ray, (N, 3)."""
        if self._spec.colour_at == "sample":
            return result.channels
        shaded = np.zeros((len(directions), 3), np.float32)
        hit = np.flatnonzero(result.opacity > 0.0)
        directions, channels = directions[hit], result.channels[hit]
        opacity = result.opacity[hit, None]
        seen = harmonics.spherical_harmonics(directions, self._spec.directions, pool=self._pool)
        inputs = [seen, channels[:, :-1] / (opacity + np.float32(RAY_FEATURE_EPSILON))]
        if self._spec.surface:
            depth = channels[:, -1:] / np.maximum(opacity, np.float32(RAY_LEAST_OPACITY))
            inputs.append(self._surface(frame, origin + depth * directions))
        shaded[hit] = self._run_colour(frame, inputs) * opacity
        return shaded

    def _run_colour(self, frame: _Frame, inputs: Sequence[Float32]) -> Float32:
        bias = frame.biases[bias_name(self._spec.colour.name)]
        return run_rows(self._networks.colour, np.concatenate(inputs, axis=1), bias)
