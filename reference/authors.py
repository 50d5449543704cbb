"""The published models' dimensions, and where their tensors go in ours.

The audio-to-motion and the deformation model keep the published names and load as they are. The
head's are renamed here, and the columns of first layers that meet the condition move into the
condition encoder. The published torso has a head encoder and another frequency base that
`TorsoSpec` does not describe yet.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

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

OCCUPANCY_RESOLUTION = 128

POSITION_FEATURES = 32
DIRECTION_DEGREE = 4
GEOMETRY = 128

IGNORED = (
    "aabb_train",
    "aabb_infer",
    "density_grid",
    "step_counter",
    "position_embedder.offsets",
    "ambient_embedder.offsets",
)
"""Tensors of a published head that only training, or nothing, reads."""

_RENAMED = {
    "position_embedder.embeddings": f"{POSITION_GRID}.table",
    "ambient_embedder.embeddings": f"{AMBIENT_GRID}.table",
    "ambient_net.net.1.weight": f"{AMBIENT}.1.weight",
    "ambient_net.net.2.weight": f"{AMBIENT}.2.weight",
    "sigma_net.net.0.weight": f"{DENSITY}.0.weight",
    "sigma_net.net.1.weight": f"{DENSITY}.1.weight",
    "sigma_net.net.2.weight": f"{DENSITY}.2.weight",
    "color_net.net.1.weight": f"{COLOUR}.1.weight",
}

_CONDITION = ("cond_prenet.", "cond_att_net.", "blink_embedding.", "blink_encoder.")


def authors_audio_to_motion(
    motion: int = FLAT, mouth_amplitude: bool = True, eye_amplitude: bool = False
) -> AudioToMotionConfig:
    """Their VAE on HuBERT-large: 204 landmarks directly, or 64 / 144 face-model coefficients."""
    return AudioToMotionConfig(
        motion=motion,
        mouth_amplitude=mouth_amplitude,
        eye_amplitude=eye_amplitude,
        folding="direct" if motion == FLAT else "basis",
    )


def authors_head(window: int = 5, blink: int = 8) -> HeadFieldConfig:
    """Their head field (RAD-NeRF's with a 3-D ambient coordinate).

    Args:
        window: frames of the condition; 3 with super-resolution.
        blink: features the eye opening is added to; differs between published configurations.
    """
    position = _tiled(POSITION_GRID)
    ambient = _tiled(AMBIENT_GRID, read_at="ambient")
    shown = DIRECTION_DEGREE**2 + GEOMETRY
    field = FieldSpec(
        bounds_min=(-1.0, -1.0, -1.0),
        bounds_max=(1.0, 1.0, 1.0),
        grids=(position, ambient),
        ambient=MlpSpec(AMBIENT, position.width, (128, 128), 3, bias=False),
        density=MlpSpec(
            DENSITY, position.width + ambient.width, (128, 128), 1 + GEOMETRY, bias=False
        ),
        colour=MlpSpec(COLOUR, shown, (128,), 3, bias=False),
        march=MarchSpec(
            step=2 * math.sqrt(3) / 128,
            phase=0.0,
            min_near=0.05,
            max_samples=16,
            occupancy_resolution=OCCUPANCY_RESOLUTION,
        ),
        directions=DIRECTION_DEGREE,
        colour_at="sample",
    )
    return HeadFieldConfig(field, AttentionConditionConfig(window=window, blink=blink))


def head_from_authors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A published head's tensors under our names.

    What belongs to its torso or super-resolution is left out; unknown names are kept, so that
    loading complains about them.

    Args:
        tensors: the checkpoint's model, without the prefix ``model.``.
    """
    made: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name in IGNORED or _of_another_part(name):
            continue
        if name.startswith(_CONDITION):
            made[f"condition.{name}"] = tensor
        elif name == "ambient_net.net.0.weight":
            inputs = POSITION_FEATURES
            made[f"{AMBIENT}.0.weight"] = tensor[:, :inputs].clone()
            made[f"condition.columns.{AMBIENT}"] = tensor[:, inputs:].clone()
        elif name == "color_net.net.0.weight":
            inputs = DIRECTION_DEGREE**2 + GEOMETRY
            made[f"{COLOUR}.0.weight"] = tensor[:, :inputs].clone()
            made["condition.individual_columns"] = tensor[:, inputs:].clone()
        elif name == "individual_embeddings":
            made["condition.individual_embeddings"] = tensor[:1].clone()
        elif name == "density_bitfield":
            made["occupancy"] = occupancy_from_morton(tensor, OCCUPANCY_RESOLUTION)
        else:
            made[_RENAMED.get(name, name)] = tensor
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


def _tiled(name: str, read_at: ReadAt = "position") -> GridSpec:
    return GridSpec.tiled(
        name,
        levels=16,
        base=16,
        finest=2048,
        log2_size=16,
        read_at=read_at,
        keep_all_axes=False,
    )
