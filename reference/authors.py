"""The published models' dimensions, and where their tensors go in ours.

The audio-to-motion and the deformation model keep the published names and load as they are. The
head's are renamed here (the torso's in `authors_torso`), and the columns of first layers that meet
the condition move into the condition encoder.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..contract.field import FieldSpec, GridSpec, MarchSpec, MlpSpec, ReadAt
from ..contract.landmarks import FLAT
from ..contract.stages import AMBIENT, COLOUR, DENSITY
from .audio_to_motion import AudioToMotionConfig
from .condition import AttentionConditionConfig
from .head_field import HeadFieldConfig

POSITION_GRID = "position"
AMBIENT_GRID = "ambient_grid"

LEVELS, LEVEL_FEATURES, COARSEST = 16, 2, 16
"""Of every published grid."""

DIRECTION_DEGREE = 4

ENTRY_BOX = ((-1.0, -0.5, -1.0), (1.0, 0.5, 1.0))
"""Rays enter this part of a field whose grids and occupancy fill ±1."""

IGNORED = (
    "aabb_train",
    "aabb_infer",
    "density_grid",
    "step_counter",
    "position_embedder.offsets",
    "ambient_embedder.offsets",
    "lambda_ambient",
)
"""Tensors of a published head that only training, or nothing, reads."""

_CONDITION = ("cond_prenet.", "cond_att_net.", "blink_embedding.", "blink_encoder.")
_GRIDS = {
    "position_embedder.embeddings": f"{POSITION_GRID}.table",
    "ambient_embedder.embeddings": f"{AMBIENT_GRID}.table",
}
_NETWORKS = {"ambient_net": AMBIENT, "sigma_net": DENSITY, "color_net": COLOUR}
_LAYER = re.compile(r"(ambient_net|sigma_net|color_net)\.net\.(\d+)\.weight")


@dataclass(frozen=True)
class PublishedDimensions:
    """What a published ``config.yaml`` may change of a head; the defaults are as published.

    Attributes:
        window: frames of the condition (``smo_win_size``).
        code: width of the landmark code (``cond_out_dim``).
        blink: features the eye opening is added to (``eye_blink_dim``); 0 without it.
        individual: width of the appearance code (``individual_embedding_dim``).
        ambient: coordinates of the ambient grid (``ambient_coord_dim``).
        ambient_hidden, density_hidden, colour_hidden: widths of the hidden layers.
        geometry: ``geo_feat_dim``.
        finest, log2_size: of the grids (``desired_resolution``, ``log2_hashmap_size``).
        occupancy: cells along an axis (``grid_size``).
        min_near, max_samples: of the march (``min_near``, ``max_steps``).
    """

    window: int = 5
    code: int = 64
    blink: int = 8
    individual: int = 4
    ambient: int = 3
    ambient_hidden: tuple[int, ...] = (128, 128)
    density_hidden: tuple[int, ...] = (128, 128)
    colour_hidden: tuple[int, ...] = (128,)
    geometry: int = 128
    finest: int = 2048
    log2_size: int = 16
    occupancy: int = 128
    min_near: float = 0.05
    max_samples: int = 16


def authors_audio_to_motion(
    motion: int = FLAT,
    mouth_amplitude: bool = True,
    eye_amplitude: bool = False,
    *,
    features: int = 1024,
    pitch: bool = True,
    flow: bool = True,
) -> AudioToMotionConfig:
    """Their VAE: 204 landmark displacements, or 64 / 144 face-model coefficients.

    Args:
        features: width of a speech feature; 1024 is HuBERT-large's.
        pitch: False is their ``VAEModel``, which hears no pitch and is half as wide inside.
        flow: whether its prior has a flow.
    """
    plain = AudioToMotionConfig()
    return AudioToMotionConfig(
        features=features,
        condition=128 if pitch else 64,
        motion=motion,
        flow=plain.flow if flow else None,
        mouth_amplitude=pitch and mouth_amplitude,
        eye_amplitude=pitch and eye_amplitude,
        pitch=pitch,
        folding="direct" if motion == FLAT else "basis",
    )


def authors_head(
    window: int = 5, blink: int = 8, dimensions: PublishedDimensions | None = None
) -> HeadFieldConfig:
    """Their head field (RAD-NeRF's with an ambient coordinate).

    Args:
        window: frames of the condition; 3 with super-resolution.
        blink: features the eye opening is added to; differs between published configurations.
        dimensions: in place of both.
    """
    size = dimensions or PublishedDimensions(window=window, blink=blink)
    position = published_grid(POSITION_GRID, 3, size.finest, size.log2_size)
    ambient = published_grid(AMBIENT_GRID, size.ambient, size.finest, size.log2_size, "ambient")
    shown = DIRECTION_DEGREE**2 + size.geometry
    field = FieldSpec(
        bounds_min=(-1.0, -1.0, -1.0),
        bounds_max=(1.0, 1.0, 1.0),
        grids=(position, ambient),
        ambient=MlpSpec(AMBIENT, position.width, size.ambient_hidden, size.ambient, bias=False),
        density=MlpSpec(
            DENSITY,
            position.width + ambient.width,
            size.density_hidden,
            1 + size.geometry,
            bias=False,
        ),
        colour=MlpSpec(COLOUR, shown, size.colour_hidden, 3, bias=False),
        march=MarchSpec(
            # Their step is clamped from below by this, and dt_gamma never reaches beyond it.
            step=2 * math.sqrt(3) / size.occupancy,
            phase=0.0,
            min_near=size.min_near,
            max_samples=size.max_samples,
            occupancy_resolution=size.occupancy,
            box=ENTRY_BOX,
        ),
        directions=DIRECTION_DEGREE,
        colour_at="sample",
    )
    condition = AttentionConditionConfig(size.window, size.code, size.blink, size.individual)
    return HeadFieldConfig(field, condition)


def published_grid(
    name: str, dimensions: int, finest: int, log2_size: int, read_at: ReadAt = "position"
) -> GridSpec:
    """A tiled grid as published: 16 levels of two features from 16 cells on.

    The published kernels work out a level's scale in float32, ``exp2f(level * S) * 16 - 1``, which
    is up to 1e-4 cells beside the exact one. Tables were trained at theirs.
    """
    grid = GridSpec.tiled(
        name,
        dimensions=dimensions,
        levels=LEVELS,
        base=COARSEST,
        finest=finest,
        log2_size=log2_size,
        features=LEVEL_FEATURES,
        read_at=read_at,
        keep_all_axes=False,
    )
    growth = np.float32(math.log2(finest / COARSEST) / (LEVELS - 1))
    cells = np.exp2(np.arange(LEVELS, dtype=np.float32) * growth) * np.float32(COARSEST)
    scales = (cells - np.float32(1.0)).tolist()
    levels = tuple(replace(v, scale=s) for v, s in zip(grid.levels, scales, strict=True))
    return replace(grid, levels=levels)


def head_from_authors(
    tensors: Mapping[str, Tensor], dimensions: PublishedDimensions | None = None
) -> dict[str, Tensor]:
    """A published head's tensors under our names.

    What belongs to its torso or super-resolution is left out; unknown names are kept, so that
    loading complains about them.

    Args:
        tensors: the checkpoint's model, without the prefix ``model.``.
        dimensions: those it was made with; None means as published.
    """
    size = dimensions or PublishedDimensions()
    inputs = {
        "ambient_net": LEVELS * LEVEL_FEATURES,
        "color_net": DIRECTION_DEGREE**2 + size.geometry,
    }
    made: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        layer = _LAYER.fullmatch(name)
        if name in IGNORED or _of_another_part(name):
            continue
        if name.startswith(_CONDITION):
            made[f"condition.{name}"] = tensor
        elif layer:
            network, number = layer.groups()
            kept = inputs.get(network) if number == "0" else None
            made[f"{_NETWORKS[network]}.{number}.weight"] = tensor[:, :kept].clone()
            if kept is not None:
                columns = "individual_columns" if network == "color_net" else f"columns.{AMBIENT}"
                made[f"condition.{columns}"] = tensor[:, kept:].clone()
        elif name == "individual_embeddings":
            made["condition.individual_embeddings"] = tensor[:1].clone()
        elif name == "density_bitfield":
            made["occupancy"] = occupancy_from_morton(tensor, size.occupancy)
        else:
            made[_GRIDS.get(name, name)] = tensor
    if not size.individual:
        made["condition.individual_embeddings"] = torch.zeros(1, 0)
    return made


def occupancy_from_morton(bits: Tensor, resolution: int) -> Tensor:
    """Occupancy bits in Morton order (G³/8,) → x fastest, then y, then z."""
    axis = torch.arange(resolution, dtype=torch.int64)
    spread = torch.zeros_like(axis)
    for bit in range(resolution.bit_length()):
        spread |= ((axis >> bit) & 1) << (3 * bit)
    morton = spread[:, None, None] * 4 + spread[None, :, None] * 2 + spread[None, None, :]
    morton = morton.reshape(-1)
    set_ = (bits[morton // 8].to(torch.int64) >> (morton % 8)) & 1
    powers = torch.tensor([1, 2, 4, 8, 16, 32, 64, 128])
    return (set_.reshape(-1, 8) * powers).sum(1).to(torch.uint8)


def _of_another_part(name: str) -> bool:
    return name.startswith(("torso_", "head_color_weights_encoder.", "sr_net.")) or (
        name == "density_grid_torso"
    )
