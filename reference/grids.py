"""What a position is turned into before a network sees it: grid features and fixed encodings.

Plain differentiable PyTorch with exactly the semantics of ``contract/field.py``.
"""

from __future__ import annotations

import math
from itertools import product

import torch
from torch import Tensor, nn

from ..contract.field import DisplacementSpec, GridLevel, GridSpec


class Grid(nn.Module):
    """A `GridSpec` with its ``table`` (entries, features), level after level.

    Features start near zero, so that an untrained grid adds nothing but noise of 1e-4.
    """

    def __init__(self, spec: GridSpec) -> None:
        super().__init__()
        self.spec = spec
        self.table = nn.Parameter(torch.empty(spec.entries, spec.features).uniform_(-1e-4, 1e-4))

    def forward(self, coordinates: Tensor) -> Tensor:
        """(N, dimensions) in [0, 1] → (N, levels * features)."""
        return encode_grid(self.spec, self.table, coordinates)


def encode_grid(spec: GridSpec, table: Tensor, coordinates: Tensor) -> Tensor:
    """Read a tiled multi-resolution grid, linearly between its entries.

    Differentiable in ``table`` and, piecewise, in ``coordinates``.

    Args:
        table: (entries, features).
        coordinates: (N, dimensions) float32; a row with any coordinate outside [0, 1] gives zeros.

    Returns:
        (N, levels * features), from the coarse level to the fine one.
    """
    sizes = [level.size for level in spec.levels]
    parts = [
        _encode_level(level, part, coordinates)
        for level, part in zip(spec.levels, table.split(sizes), strict=True)
    ]
    inside = ((coordinates >= 0) & (coordinates <= 1)).all(dim=1, keepdim=True)
    return torch.where(inside, torch.cat(parts, dim=1), 0.0)


def _encode_level(level: GridLevel, table: Tensor, coordinates: Tensor) -> Tensor:
    position = coordinates * level.scale + 0.5
    cell = position.detach().floor()
    fraction = position - cell
    # Zeros are returned for rows outside; their index still has to be a valid one.
    cell = cell.nan_to_num(0).to(torch.int64)
    features = torch.zeros(())
    for corner in product((0, 1), repeat=coordinates.shape[1]):
        weight = torch.ones(())
        index = torch.zeros((), dtype=torch.int64)
        for axis, offset in enumerate(corner):
            weight = weight * (fraction[:, axis] if offset else 1 - fraction[:, axis])
            index = index + (cell[:, axis] + offset) * level.strides[axis]
        # The kernels' index is an unsigned 32-bit number.
        row = (index & 0xFFFFFFFF) % level.size
        features = features + weight[:, None] * table[row]
    return features


def spherical_harmonics(directions: Tensor, degree: int) -> Tensor:
    """Real spherical harmonics of unit vectors, with the Condon–Shortley sign.

    Args:
        directions: (N, 3) of length 1.
        degree: 1…4.

    Returns:
        (N, degree²), band after band, each from m = -l to l.
    """
    x, y, z = directions.unbind(1)
    xx, yy, zz = x * x, y * y, z * z
    bands = [
        [torch.full_like(x, 0.28209479177387814)],
        [-0.4886025119029199 * y, 0.4886025119029199 * z, -0.4886025119029199 * x],
        [
            1.0925484305920792 * x * y,
            -1.0925484305920792 * y * z,
            0.9461746957575601 * zz - 0.31539156525252005,
            -1.0925484305920792 * x * z,
            0.5462742152960396 * (xx - yy),
        ],
        [
            0.5900435899266435 * y * (yy - 3 * xx),
            2.890611442640554 * x * y * z,
            0.4570457994644658 * y * (1 - 5 * zz),
            0.3731763325901154 * z * (5 * zz - 3),
            0.4570457994644658 * x * (1 - 5 * zz),
            1.445305721320277 * z * (xx - yy),
            0.5900435899266435 * x * (3 * yy - xx),
        ],
    ]
    if not 1 <= degree <= len(bands):
        raise ValueError(f"spherical harmonics of degree {degree}: 1 to {len(bands)} are there")
    return torch.stack([value for band in bands[:degree] for value in band], dim=1)


def encode_frequencies(x: Tensor, octaves: int, base: float = math.pi) -> Tensor:
    """``concat(x, sin(2^k base x), cos(2^k base x) for k < octaves)``.

    Args:
        x: (N, D).

    Returns:
        (N, D + 2 D octaves).
    """
    parts = [x]
    for k in range(octaves):
        angle = x * (2.0**k * base)
        parts += [angle.sin(), angle.cos()]
    return torch.cat(parts, dim=1)


class Displacement(nn.Module):
    """How far a point of the moving face is from where it lies at rest (`DisplacementSpec`).

    Buffers ``rest`` (68, 3) and ``falloff`` (68,) are data, not learned.
    """

    rest: Tensor
    falloff: Tensor

    def __init__(self, spec: DisplacementSpec, landmarks: int) -> None:
        super().__init__()
        self.spec = spec
        self.register_buffer("rest", torch.zeros(landmarks, 3))
        self.register_buffer("falloff", torch.ones(landmarks))

    def at(self, x: Tensor, landmarks: Tensor) -> Tensor:
        """The displacement itself, before it is baked.

        Args:
            x: (N, 3) head space.
            landmarks: (68, 3), or (N, 68, 3) where rows belong to different frames.

        Returns:
            (N, 3): Gaussian-weighted mean of the landmarks' movements.
        """
        landmarks = landmarks.expand(len(x), -1, -1)
        squared = (x[:, None] - landmarks).square().sum(2)
        weight = torch.exp(-squared * self.falloff)
        moved = (weight[:, :, None] * (landmarks - self.rest)).sum(1)
        return moved / (weight.sum(1, keepdim=True) + self.spec.regulariser)

    def bake(self, landmarks: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Sample it on the nodes of a frame's grid.

        Args:
            landmarks: (F, 68, 3).
            low, high: (3,) bounds; the outermost nodes lie on them.

        Returns:
            (F, Z, Y, X, 3), x fastest.
        """
        axes = [
            torch.linspace(float(low[a]), float(high[a]), n)
            for a, n in enumerate(self.spec.resolution)
        ]
        z, y, x = torch.meshgrid(axes[2], axes[1], axes[0], indexing="ij")
        nodes = torch.stack((x, y, z), dim=3)
        baked = [self.at(nodes.reshape(-1, 3), frame) for frame in landmarks]
        return torch.stack(baked).reshape(len(landmarks), *nodes.shape)


def read_nodes(nodes: Tensor, coordinates: Tensor, frames: Tensor | None = None) -> Tensor:
    """Read a baked grid trilinearly; outside it the border's value is kept.

    Args:
        nodes: (frames, Z, Y, X, C).
        coordinates: (N, 3), [0, 1] over the grid.
        frames: (N,) int64 frame of each row; None means frame 0.

    Returns:
        (N, C).
    """
    _, depth, height, width, channels = nodes.shape
    flat = nodes.reshape(-1, channels)
    counts = torch.tensor([width, height, depth])
    position = coordinates.clamp(0, 1) * (counts - 1)
    cell = position.detach().floor().to(torch.int64).minimum(counts - 2)
    fraction = position - cell
    base = 0 if frames is None else frames * (depth * height * width)
    value = torch.zeros(())
    for dx, dy, dz in product((0, 1), repeat=3):
        weight = torch.ones(())
        for axis, offset in enumerate((dx, dy, dz)):
            weight = weight * (fraction[:, axis] if offset else 1 - fraction[:, axis])
        row = (cell[:, 2] + dz) * height + cell[:, 1] + dy
        row = base + row * width + cell[:, 0] + dx
        value = value + weight[:, None] * flat[row]
    return value
