"""The published torso and super-resolution, and where their tensors go in ours.

The published torso sees pixels as (row, column) and gives (alpha, red, green, blue); ours sees
(x, y) and gives colours first. Rows and columns of its first and last layers change places here, so
that nothing has to know of it later.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from ..contract.field import GridSpec, MlpSpec, TorsoSpec
from ..contract.stages import TORSO_COLOUR, TORSO_DEFORM
from .authors import published_grid
from .published_torso import PublishedTorsoConditionConfig
from .super_resolution import fold_modulation
from .torso_field import TorsoConditionConfig, TorsoField, TorsoFieldConfig

GRID = "torso_grid"

OCTAVES = 10
HEAD_CODE = 16
DEFORM_HIDDEN, COLOUR_HIDDEN = (64, 64), (32, 32)

_CONVOLUTIONS = {
    "block0.conv0": "first",
    "block0.conv1": "second",
    "block1.conv0": "enlarging",
    "block1.conv1": "last",
}
"""Of super-resolution, theirs and ours."""

_RGBA_FROM_ARGB = [1, 2, 3, 0]

IGNORED = ("torso_embedder.offsets",)
"""Tensors of a published torso that nothing reads."""


@dataclasses.dataclass(frozen=True)
class PublishedTorsoDimensions:
    """What a published ``config.yaml`` may change of a torso; the defaults are as published.

    Attributes:
        super_resolution: whether the picture is enlarged; the jaw then takes the pose's place.
        head_aware: whether the torso sees the head (``torso_head_aware``).
        individual: width of the appearance code (``torso_individual_embedding_dim``).
        shrink: factor on positions (``torso_shrink``).
        mask: cells along a side of the stored density (``grid_size``).
        size: side of the picture the fields are rendered at, pixels.
        camera_scale, camera_offset, depth: of the published camera matrices
            (`PublishedTorsoConditionConfig`).
    """

    super_resolution: bool = True
    head_aware: bool = True
    individual: int = 8
    shrink: float = 0.8
    mask: int = 128
    size: int = 256
    camera_scale: float = 4.0
    camera_offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    depth: float = 0.0


def authors_torso(size: PublishedTorsoDimensions | None = None) -> TorsoFieldConfig:
    """Their torso. Its mask is laid out at the size of the picture, where it is exact."""
    size = size or PublishedTorsoDimensions()
    grid = published_grid(GRID, 2, 2048, 16)
    # Their first coordinate is the row, ours the column.
    levels = tuple(dataclasses.replace(v, strides=v.strides[::-1]) for v in grid.levels)
    grid = dataclasses.replace(grid, levels=levels)
    position = 2 + 4 * OCTAVES
    code = HEAD_CODE if size.head_aware else 0
    torso = TorsoSpec(
        grid=grid,
        octaves=OCTAVES,
        deform=MlpSpec(TORSO_DEFORM, position + code, DEFORM_HIDDEN, 2, bias=False),
        deform_range=1.0,
        # Without a code, the contract gives the head's four numbers; their columns are zeros.
        colour=MlpSpec(
            TORSO_COLOUR, grid.width + position + (code or 4), COLOUR_HIDDEN, 4, bias=False
        ),
        mask_resolution=size.size,
        span="centres",
        shrink=size.shrink,
        frequency=1.0,
        offset="clamped",
        head_code=code,
    )
    condition = PublishedTorsoConditionConfig(
        sees="jaw" if size.super_resolution else "pose",
        individual=size.individual,
        camera_scale=size.camera_scale,
        camera_offset=size.camera_offset,
        depth=size.depth,
    )
    return TorsoFieldConfig(torso, published=condition)


def unseen_torso() -> TorsoField:
    """What stands for the torso of a head that has none: a field that covers no pixel."""
    position = 2 + 4
    spec = TorsoSpec(
        grid=GridSpec.tiled(GRID, dimensions=2, levels=1, base=2, finest=2, log2_size=4),
        octaves=1,
        deform=MlpSpec(TORSO_DEFORM, position, (1,), 2),
        deform_range=0.1,
        colour=MlpSpec(TORSO_COLOUR, 2 + position + 4, (1,), 4),
        mask_resolution=8,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # no number of it is ever seen, but they decide the directory's hash
        made = TorsoField(TorsoFieldConfig(spec, TorsoConditionConfig(1, 1)))
    made.torso_mask.zero_()
    return made.eval()


def torso_from_authors(
    tensors: Mapping[str, Tensor], size: PublishedTorsoDimensions | None = None
) -> dict[str, Tensor]:
    """A published torso's tensors under our names.

    Args:
        tensors: the checkpoint's model, without the prefix ``model.``.
        size: the dimensions it was made with; None means as published.
    """
    size = size or PublishedTorsoDimensions()
    spec = authors_torso(size).torso
    deform = tensors["torso_deform_net.net.0.weight"]
    colour = tensors["torso_canonicial_net.net.0.weight"]
    width = spec.grid.width
    made = {
        f"{GRID}.table": tensors["torso_embedder.embeddings"],
        "torso_mask": torso_mask(tensors["density_grid_torso"], size.mask, size.size),
    }
    place, columns, head = _split(deform, size)
    made[f"{TORSO_DEFORM}.0.weight"] = torch.cat((place, head), dim=1)
    made[f"condition.columns.{TORSO_DEFORM}"] = columns
    place, columns, head = _split(colour[:, width:], size)
    if not size.head_aware:
        head = head.new_zeros(len(head), 4)
    made[f"{TORSO_COLOUR}.0.weight"] = torch.cat((colour[:, :width], place, head), dim=1)
    made[f"condition.columns.{TORSO_COLOUR}"] = columns
    made[f"{TORSO_DEFORM}.1.weight"] = tensors["torso_deform_net.net.1.weight"]
    made[f"{TORSO_DEFORM}.2.weight"] = tensors["torso_deform_net.net.2.weight"].flip(0)
    made[f"{TORSO_COLOUR}.1.weight"] = tensors["torso_canonicial_net.net.1.weight"]
    last = tensors["torso_canonicial_net.net.2.weight"]
    made[f"{TORSO_COLOUR}.2.weight"] = last[_RGBA_FROM_ARGB]
    codes = tensors.get("torso_individual_codes")
    made["condition.individual"] = torch.zeros(0) if codes is None else codes[0]
    if size.head_aware:
        prefix = "head_color_weights_encoder."
        made |= {
            f"head_encoder.{name[len(prefix) :]}": tensor
            for name, tensor in tensors.items()
            if name.startswith(prefix)
        }
    return {name: tensor.clone() for name, tensor in made.items()}


def torso_mask(density: Tensor, cells: int, size: int) -> Tensor:
    """Pixels at which their bilinear reading of the stored density is above 0.

    Args:
        density: (cells²,), the column's cell varying slowly, the row's fast.
        size: side of the picture, pixels.

    Returns:
        (size²/8,) uint8, row by row, bit i % 8 of byte i // 8.
    """
    at = torch.arange(size) / max(1, size - 1) * 2 - 1
    row, column = torch.meshgrid(at, at, indexing="ij")
    read = functional.grid_sample(
        density.float().view(1, 1, cells, cells),
        torch.stack((row, column), dim=2)[None],
        align_corners=True,
    )
    bits = functional.pad((read.reshape(-1) > 0).to(torch.int64), (0, -(size**2) % 8))
    powers = torch.tensor([1, 2, 4, 8, 16, 32, 64, 128])
    return (bits.view(-1, 8) * powers).sum(1).to(torch.uint8)


def super_resolution_from_authors(
    tensors: Mapping[str, Tensor], *, constant_noise: bool = False
) -> dict[str, Tensor]:
    """A published super-resolution's tensors, folded, under our names.

    Args:
        tensors: the checkpoint's model, without the prefix ``model.``.
        constant_noise: keep its constant noise, times its strength.
    """
    made = {}
    for theirs, ours in _CONVOLUTIONS.items():
        made[f"{ours}.weight"] = _folded(tensors, theirs, True)
        made[f"{ours}.bias"] = tensors[f"sr_net.{theirs}.bias"]
        if constant_noise:
            name = f"sr_net.{theirs}.noise"
            made[f"{ours}_noise"] = tensors[f"{name}_const"] * tensors[f"{name}_strength"]
    for theirs, ours in (("block0.torgb", "small_rgb"), ("block1.torgb", "large_rgb")):
        made[f"{ours}.weight"] = _folded(tensors, theirs, False)
        made[f"{ours}.bias"] = tensors[f"sr_net.{theirs}.bias"]
    # It is applied as a transposed convolution, whose kernel has inputs first.
    made["enlarging.weight"] = made["enlarging.weight"].transpose(0, 1).contiguous()
    return made


def _folded(tensors: Mapping[str, Tensor], name: str, demodulate: bool) -> Tensor:
    affine = f"sr_net.{name}.affine"
    return fold_modulation(
        tensors[f"sr_net.{name}.weight"],
        tensors[f"{affine}.weight"],
        tensors[f"{affine}.bias"],
        demodulate=demodulate,
    )


def _split(weight: Tensor, size: PublishedTorsoDimensions) -> tuple[Tensor, Tensor, Tensor]:
    """Columns of a first layer that meet the position, the condition, and the head's code.

    The condition's come in our order: frequencies, then the appearance code.
    """
    seen = 2 + 4 * OCTAVES
    head = HEAD_CODE if size.head_aware else 0
    place, rest = weight[:, :seen], weight[:, seen : weight.shape[1] - head]
    # Every pair (row, column) of x, sines and cosines becomes (x, y).
    place = place.unflatten(1, (-1, 2)).flip(2).flatten(1)
    if size.super_resolution:
        individual, rest = rest[:, : size.individual], rest[:, size.individual :]
        rest = torch.cat((rest, individual), dim=1)
    return place, rest, weight[:, weight.shape[1] - head :]
