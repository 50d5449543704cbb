"""Volume rendering: ``C(r) = ∫ σ c T dt``, ``T(t) = exp(-∫ σ)`` as sums over samples (Eq. 6–7).

Slow and readable: the oracle that kernels and exported stages are compared with. Training uses the
same compositing on samples that a faster traversal found.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..contract.camera import Intrinsics
from ..contract.field import RAY_LEAST_OPACITY, MarchSpec
from .head_field import FrameCondition, HeadField

RAYS_AT_ONCE = 8192


class Rays(NamedTuple):
    """Rays in head space: ``origins`` (R, 3) and unit ``directions`` (R, 3)."""

    origins: Tensor
    directions: Tensor


class PackedSamples(NamedTuple):
    """Samples of many rays, ray after ray, from near to far.

    Attributes:
        positions: (N, 3) head space.
        distances: (N,) from the ray's origin.
        rays: (N,) int64 index of each sample's ray.
        offsets: (R + 1,) int64; ray r owns the samples ``offsets[r]:offsets[r + 1]``.
    """

    positions: Tensor
    distances: Tensor
    rays: Tensor
    offsets: Tensor


class Composited(NamedTuple):
    """A ray's share of everything: ``values`` (R, C), ``opacity`` (R,), sample ``weights`` (N,)."""

    values: Tensor
    opacity: Tensor
    weights: Tensor


class Shaded(NamedTuple):
    """Rays with their looks.

    Attributes:
        values: (R, 3) colour premultiplied by the opacity.
        opacity: (R,).
        weights: (N,) of every sample in its ray's sum.
        depth: (R,) mean distance at which the ray ends; 0 where it meets nothing.
    """

    values: Tensor
    opacity: Tensor
    weights: Tensor
    depth: Tensor


def camera_rays(camera: Intrinsics, pose: Tensor) -> Rays:
    """Rays through all pixel centres, row after row.

    Args:
        camera: intrinsics at the size to be rendered.
        pose: (3, 4) camera-from-head.

    Returns:
        size² rays, head space.
    """
    centres = torch.arange(camera.size, dtype=pose.dtype) + 0.5
    v, u = torch.meshgrid(centres, centres, indexing="ij")
    x = (u - camera.cx) / camera.focal
    y = (v - camera.cy) / camera.focal
    seen = torch.stack((x, y, torch.ones_like(x)), dim=2).reshape(-1, 3)
    seen = seen / seen.norm(dim=1, keepdim=True)
    rotation, translation = pose[:, :3], pose[:, 3]
    # X_head = Rᵀ (X_camera - t); as rows, multiplying by R from the right.
    origin = -translation @ rotation
    return Rays(origin.expand(len(seen), 3), seen @ rotation)


def entry_and_exit(rays: Rays, low: Tensor, high: Tensor, min_near: float) -> tuple[Tensor, Tensor]:
    """Distances (R,) at which rays enter and leave the box; entry > exit means a miss."""
    origins, directions = rays
    parallel = directions == 0
    divisor = torch.where(parallel, 1.0, directions)
    a, b = (low - origins) / divisor, (high - origins) / divisor
    # A ray parallel to a slab is inside it for good, or misses.
    between = (origins >= low) & (origins <= high)
    infinite = torch.full_like(a, torch.inf)
    enter = torch.where(parallel, torch.where(between, -infinite, infinite), torch.minimum(a, b))
    leave = torch.where(parallel, torch.where(between, infinite, -infinite), torch.maximum(a, b))
    return enter.amax(dim=1).clamp(min=min_near), leave.amin(dim=1)


def occupied(bits: Tensor, x: Tensor, low: Tensor, high: Tensor, resolution: int) -> Tensor:
    """Whether the occupancy cells of positions (N, 3) are set, (N,) bool."""
    cells = ((x - low) / (high - low) * resolution).to(torch.int64).clamp(0, resolution - 1)
    index = (cells[:, 2] * resolution + cells[:, 1]) * resolution + cells[:, 0]
    return (bits[index // 8].to(torch.int64) >> (index % 8)) & 1 == 1


def march(
    rays: Rays, occupancy: Tensor, low: Tensor, high: Tensor, spec: MarchSpec
) -> PackedSamples:
    """Samples of `MarchSpec` on every ray: all lattice points in the box, then the occupied ones.

    Args:
        occupancy: (G³/8,) uint8 bits.
        low, high: (3,) the field's bounds.
    """
    count = len(rays.origins)
    box = (low, high)
    if spec.box is not None:
        box = (low.new_tensor(spec.box[0]), high.new_tensor(spec.box[1]))
    near, far = entry_and_exit(rays, *box, spec.min_near)
    longest = float((far - near).nan_to_num(0).clamp(min=0).max()) if count else 0.0
    steps = torch.arange(int(longest / spec.step) + 2)
    t = near[:, None] + (spec.phase + steps) * spec.step
    x = rays.origins[:, None] + t[:, :, None] * rays.directions[:, None]
    set_ = occupied(occupancy, x.reshape(-1, 3), low, high, spec.occupancy_resolution)
    kept = (t < far[:, None]) & set_.reshape(t.shape)
    kept &= kept.cumsum(dim=1) <= spec.max_samples
    offsets = torch.cat((torch.zeros(1, dtype=torch.int64), kept.sum(1).cumsum(0)))
    return PackedSamples(x[kept], t[kept], kept.nonzero()[:, 0], offsets)


def composite(density: Tensor, values: Tensor, samples: PackedSamples, step: float) -> Composited:
    """Eq. 6–7: ``w_i = T_i (1 - e^{-σ_i δ})`` with ``T_i = exp(-Σ_{j<i} σ_j δ)``.

    Differentiable in density and values.

    Args:
        density: (N,) σ.
        values: (N, C) what is composited: colours, or geometry features.
        step: δ, the distance one sample stands for.
    """
    rays = len(samples.offsets) - 1
    weights = sample_weights(density, samples, step)
    totals = values.new_zeros(rays, values.shape[1])
    totals = totals.index_add(0, samples.rays, weights[:, None] * values)
    opacity = weights.new_zeros(rays).index_add(0, samples.rays, weights)
    return Composited(totals, opacity, weights)


def sample_weights(density: Tensor, samples: PackedSamples, step: float) -> Tensor:
    """Weight w (N,) of every sample in its ray's sum."""
    rays = len(samples.offsets) - 1
    slots = torch.arange(len(density)) - samples.offsets[samples.rays]
    longest = int(slots.max()) + 1 if len(slots) else 0
    # One row a ray, so that a running sum stays inside its ray.
    depth = density.new_zeros(rays, longest)
    depth = depth.index_put((samples.rays, slots), density * step)
    # Shifted, not subtracted: behind an opaque sample a difference would cancel.
    before = torch.nn.functional.pad(depth[:, :-1].cumsum(dim=1), (1, 0))
    weights = torch.exp(-before) * -torch.expm1(-depth)
    return weights[samples.rays, slots]


def shade(
    head: HeadField,
    rays: Rays,
    samples: PackedSamples,
    condition: FrameCondition,
    frames: Tensor | None = None,
) -> Shaded:
    """Evaluate the field at packed samples and composite them.

    Differentiable, also through the depth at which the surface grids are read.

    Args:
        frames: (R,) int64 frame of every ray; None means frame 0.
    """
    at = None if frames is None else frames[samples.rays]
    features = head.sample_features(samples.positions, condition, at)
    density, geometry = head.sample_density(features, condition, at)
    values, step = geometry, head.spec.march.step
    if head.spec.colour_at == "sample":
        values = head.sample_colour(rays.directions[samples.rays], geometry, condition, at)
    values = torch.cat((values, samples.distances[:, None]), dim=1)
    summed = composite(density, values, samples, step)
    opacity, weights = summed.opacity, summed.weights
    depth = mean_depth(summed.values[:, -1], opacity)
    colour = summed.values[:, :-1]
    if head.spec.colour_at == "ray":
        surface = None
        if head.spec.surface:
            ends = rays.origins + depth[:, None] * rays.directions
            surface = head.surface_features(ends, condition, frames)
        colour = head.ray_colour(rays.directions, colour, opacity, condition, frames, surface)
    return Shaded(colour, opacity, weights, depth)


def mean_depth(distances: Tensor, opacity: Tensor) -> Tensor:
    """Where a ray ends (R,), from its samples' distances composited and its opacity, (R,) each."""
    return distances / opacity.clamp(min=RAY_LEAST_OPACITY)


def render_rays(head: HeadField, rays: Rays, condition: FrameCondition) -> tuple[Tensor, Tensor]:
    """Colour premultiplied by opacity (R, 3), and opacity (R,), of one frame's rays."""
    colours, opacities = [], []
    for i in range(0, len(rays.origins), RAYS_AT_ONCE):
        part = Rays(*(value[i : i + RAYS_AT_ONCE] for value in rays))
        samples = march(part, head.occupancy, head.low, head.high, head.spec.march)
        done = shade(head, part, samples, condition)
        colours.append(done.values)
        opacities.append(done.opacity)
    return torch.cat(colours), torch.cat(opacities)
