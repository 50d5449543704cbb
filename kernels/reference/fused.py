"""A whole frame, operation by operation over all of its samples: slow and readable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...contract.camera import Intrinsics
from ...contract.field import (
    DENSITY_EXPONENT_LIMIT,
    RAY_FEATURE_EPSILON,
    RAY_LEAST_OPACITY,
    FieldSpec,
    GridSpec,
    MlpSpec,
    TorsoSpec,
)
from ...contract.stages import bias_name
from ...contract.weights import (
    FALLOFF,
    OCCUPANCY,
    REST,
    TORSO_MASK,
    table_name,
)
from ..arrays import Float32, Int32, UInt8
from ..compositing import CompositeState
from ..fused import FrameInputs, FusedImage
from ..image import masked_pixels
from ..occupancy import Occupancy
from ..threads import ThreadPool
from ..torso_positions import moved_positions, torso_positions
from ..traversal import MarchState, Samples
from . import (
    box,
    compositing,
    displacement,
    frequency,
    grids,
    harmonics,
    image,
    networks,
    rays,
    traversal,
)


class FusedField:
    """As `emogene.kernels.fused.FusedField`; there is nothing to prepare."""

    def __init__(
        self,
        field: FieldSpec,
        weights: Mapping[str, NDArray[Any]],
        torso: TorsoSpec | None = None,
        *,
        instruction_set: str | None = None,
    ) -> None:
        self._field, self._weights, self._torso = field, weights, torso
        self._occupancy = Occupancy.from_bits(
            weights[OCCUPANCY],
            field.march.occupancy_resolution,
            field.bounds_min,
            field.bounds_max,
        )

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
        """As `emogene.kernels.fused.FusedField.render`; all products are of float32."""
        origin, directions, samples = self._march(inputs.pose, inputs.camera)
        state = self._composite(inputs, directions, samples, transmittance)
        colours = self._shade(inputs, origin, directions, state)
        head = np.concatenate([colours, state.opacity[:, None]], axis=1)
        size, made = inputs.camera.size, None
        if background is not None:
            torso = self.torso_pixels(inputs, head, torso_transmittance)
            behind = background.reshape(-1, 3)
            colour = np.ascontiguousarray(head[:, :3])
            made = image.blend(colour, state.opacity, torso, behind).reshape(size, size, 3)
        shaped = head.reshape(size, size, 4) if keep_head or background is None else None
        return FusedImage(shaped, made, int(state.used.sum()), int(np.count_nonzero(state.used)))

    def samples(
        self, pose: Float32, camera: Intrinsics, *, pool: ThreadPool | None = None
    ) -> tuple[Int32, Float32]:
        """As `emogene.kernels.fused.FusedField.samples`."""
        size, most = camera.size, self._field.march.max_samples
        _, _, found = self._march(pose, camera)
        counts = np.diff(found.offsets)
        distances = np.zeros((size * size, most), np.float32)
        place = np.arange(len(found)) - found.offsets[found.rays]
        distances[found.rays, place] = found.distances
        return counts.reshape(size, size), distances.reshape(size, size, most)

    def _march(self, pose: Float32, camera: Intrinsics) -> tuple[Float32, Float32, Samples]:
        """Origin (3,) and directions (N, 3) of all pixels' rays, and all their samples."""
        field = self._field
        pixels = np.arange(camera.size**2, dtype=np.int32)
        origins, directions = rays.camera_rays(pose, camera, pixels)
        near, far = box.box_interval(origins, directions, *field.entry_box, field.march.min_near)
        state = MarchState.start(len(pixels))
        state.cursor[~(far > near)] = -1
        found = traversal.march(origins, directions, near, far, self._occupancy, field.march, state)
        return origins, directions, found

    def _composite(
        self, inputs: FrameInputs, directions: Float32, samples: Samples, threshold: float
    ) -> CompositeState:
        field = self._field
        raw = self.network(inputs, field.density, self._features(inputs, samples.positions))
        limit = np.float32(DENSITY_EXPONENT_LIMIT)
        sigmas = np.exp(np.clip(raw[:, 0] + np.float32(field.density_shift), -limit, limit))
        values = raw[:, 1:]
        if field.colour_at == "sample":
            values = self._colour(inputs, directions[samples.rays], values)
        if field.surface:
            values = np.concatenate([values, samples.distances[:, None]], axis=1)
        state = CompositeState.start(len(directions), values.shape[1])
        compositing.composite(
            sigmas, values, samples.offsets, field.march.step, state, threshold=threshold
        )
        return state

    def _features(self, inputs: FrameInputs, positions: Float32) -> Float32:
        """What the density network is given, (S, feature_width)."""
        field = self._field
        moved = self._moved(inputs, positions)
        parts: list[Float32] = []
        for grid in field.grids:
            if grid.read_at == "ambient":
                assert field.ambient is not None
                raw = self.network(inputs, field.ambient, parts[0])
                at = (np.tanh(raw) + np.float32(1.0)) * np.float32(0.5)
                parts.append(self._encode(grid, at))
            else:
                parts.append(self._read(grid, positions, moved))
        if field.displacement_gain:
            parts.append(moved * np.float32(field.displacement_gain))
        return np.concatenate(parts, axis=1)

    def _moved(self, inputs: FrameInputs, positions: Float32) -> Float32:
        """Displacement (S, 3) of positions (S, 3)."""
        field = self._field
        if field.displacement is None:
            return np.zeros_like(positions)
        assert inputs.landmarks is not None
        bounds = (field.bounds_min, field.bounds_max)
        baked = displacement.bake_displacement(
            field.displacement,
            self._weights[REST],
            self._weights[FALLOFF],
            inputs.landmarks.reshape(1, -1, 3),
            *bounds,
        )
        return displacement.read_displacement(baked, positions, *bounds)

    def _read(self, grid: GridSpec, positions: Float32, moved: Float32) -> Float32:
        field = self._field
        by = moved if grid.read_at == "displaced" else None
        at = grids.unit_coordinates(positions, field.bounds_min, field.bounds_max, displacement=by)
        return self._encode(grid, at)

    def _shade(
        self, inputs: FrameInputs, origin: Float32, directions: Float32, state: CompositeState
    ) -> Float32:
        """Premultiplied colour of every ray, (N, 3)."""
        field = self._field
        if field.colour_at == "sample":
            return state.channels
        opacity = state.opacity[:, None]
        geometry = state.channels[:, : field.geometry_width]
        parts = [geometry / (opacity + np.float32(RAY_FEATURE_EPSILON))]
        if field.surface:
            depth = state.channels[:, -1:] / np.maximum(opacity, np.float32(RAY_LEAST_OPACITY))
            at = origin + depth * directions
            moved = self._moved(inputs, at)
            parts += [self._read(grid, at, moved) for grid in field.surface]
        return self._colour(inputs, directions, np.concatenate(parts, axis=1)) * opacity

    def _colour(self, inputs: FrameInputs, directions: Float32, features: Float32) -> Float32:
        seen = harmonics.spherical_harmonics(directions, self._field.directions)
        rows = np.concatenate([seen, features], axis=1)
        return networks.sigmoid(self.network(inputs, self._field.colour, rows))

    def torso_pixels(self, inputs: FrameInputs, head: Float32, threshold: float) -> Float32:
        """Red, green, blue and alpha (size², 4) of the torso under a head (size², 4)."""
        rgba = np.zeros_like(head)
        torso, size = self._torso, inputs.camera.size
        if torso is None:
            return rgba
        pixels = masked_pixels(self._weights[TORSO_MASK], torso.mask_resolution, size)
        pixels = pixels[~(np.float32(1.0) - head[pixels, 3] < threshold)]
        at = torso_positions(torso, size, pixels)
        encoded = frequency.frequency_encode(at, torso.octaves, base=torso.frequency)
        place, seen = encoded, head[pixels]
        if torso.head_code:
            seen = networks.head_code(self._weights, torso, seen)
            place = np.concatenate([encoded, seen], axis=1)
        offset = networks.bounded_offset(torso, self.network(inputs, torso.deform, place))
        moved = moved_positions(torso, at, offset)
        rows = np.concatenate([self._encode(torso.grid, moved), encoded, seen], axis=1)
        rgba[pixels] = networks.sigmoid(self.network(inputs, torso.colour, rows))
        return rgba

    def _encode(self, grid: GridSpec, at: Float32) -> Float32:
        return grids.encode(grid, self._weights[table_name(grid)], at)

    def network(self, inputs: FrameInputs, network: MlpSpec, rows: Float32) -> Float32:
        """A network's outputs (N, outputs) for inputs (N, inputs)."""
        bias = inputs.biases[bias_name(network.name)].reshape(-1)
        return networks.evaluate(self._weights, network, rows, bias)
