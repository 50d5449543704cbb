"""The dimensions of the published models → every tensor they must have, by its published name."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from ...contract.field import HEAD_CODE_HIDDEN
from ...contract.landmarks import FLAT
from ...reference.audio_to_motion import AudioToMotion, AudioToMotionConfig
from ...reference.authors import (
    DIRECTION_DEGREE,
    LEVEL_FEATURES,
    LEVELS,
    PublishedDimensions,
    published_grid,
)
from ...reference.authors_torso import (
    COLOUR_HIDDEN,
    DEFORM_HIDDEN,
    HEAD_CODE,
    OCTAVES,
    PublishedTorsoDimensions,
)
from ...reference.published_torso import PublishedTorsoConditionConfig
from ...reference.super_resolution import SuperResolutionConfig
from .models import PublishedField

Shapes = dict[str, tuple[int, ...]]

STYLE = 16
"""Width of super-resolution's style vector."""


def audio_to_motion_shapes(config: AudioToMotionConfig) -> Shapes:
    """Every tensor of an audio-to-motion model."""
    shapes = _shapes(AudioToMotion(config), leave_out="folding.")
    if not config.pitch:
        shapes["blink_embed.weight"] = (2, config.condition)
    return shapes


def field_shapes(field: PublishedField) -> Shapes:
    """Every tensor of a head and, where they are, its torso and super-resolution."""
    return {
        **_head_shapes(field.head, field.individuals),
        **({} if field.alone else _torso_shapes(field.torso, field.individuals)),
        **(_super_resolution_shapes(field.torso.size) if field.torso.super_resolution else {}),
    }


def _head_shapes(head: PublishedDimensions, individuals: int) -> Shapes:
    cells = head.occupancy**3
    grids = LEVELS * LEVEL_FEATURES
    shapes: Shapes = {
        "aabb_train": (6,),
        "aabb_infer": (6,),
        "density_grid": (1, cells),
        "density_bitfield": (cells // 8,),
        "step_counter": (16, 2),
    }
    if head.individual:
        shapes["individual_embeddings"] = (individuals, head.individual)
    for i, (inputs, outputs) in zip((0, 2, 4, 6), pairwise((FLAT, 32, 32, 64, 64)), strict=True):
        shapes |= _layer(f"cond_prenet.encoder_conv.{i}", outputs, inputs, 3)
    shapes |= _layer("cond_prenet.encoder_fc1.0", 64, 64)
    shapes |= _layer("cond_prenet.encoder_fc1.2", head.code, 64)
    if head.blink:
        half = head.code // 2
        shapes["blink_embedding.weight"] = (1, half)
        shapes |= _layer("blink_encoder.0", half, half) | _layer(
            "blink_encoder.1", head.blink, half
        )
    widths = pairwise((head.code, 16, 8, 4, 2, 1))
    for i, (inputs, outputs) in zip((0, 2, 4, 6, 8), widths, strict=True):
        shapes |= _layer(f"cond_att_net.attentionConvNet.{i}", outputs, inputs, 3)
    shapes |= _layer("cond_att_net.attentionNet.0", head.window, head.window)
    for name, dimensions in (("position", 3), ("ambient", head.ambient)):
        grid = published_grid(name, dimensions, head.finest, head.log2_size)
        shapes[f"{name}_embedder.embeddings"] = (grid.entries, LEVEL_FEATURES)
        shapes[f"{name}_embedder.offsets"] = (LEVELS + 1,)
    shown = DIRECTION_DEGREE**2 + head.geometry + head.individual
    for name, chain in (
        ("ambient_net", (grids + head.code, *head.ambient_hidden, head.ambient)),
        ("sigma_net", (2 * grids, *head.density_hidden, 1 + head.geometry)),
        ("color_net", (shown, *head.colour_hidden, 3)),
    ):
        shapes |= _mlp(name, chain)
    return shapes


def _torso_shapes(torso: PublishedTorsoDimensions, individuals: int) -> Shapes:
    sees = PublishedTorsoConditionConfig(
        sees="jaw" if torso.super_resolution else "pose", individual=torso.individual
    )
    shapes: Shapes = {
        "density_grid_torso": (torso.mask**2,),
        "torso_embedder.offsets": (LEVELS + 1,),
    }
    grid = published_grid("torso", 2, 2048, 16)
    shapes["torso_embedder.embeddings"] = (grid.entries, LEVEL_FEATURES)
    if torso.individual:
        shapes["torso_individual_codes"] = (individuals, torso.individual)
    inputs = 2 + 4 * OCTAVES + sees.code
    if torso.head_aware:
        inputs += HEAD_CODE
        for i, (a, b) in zip((0, 2, 4), pairwise((4, *HEAD_CODE_HIDDEN, HEAD_CODE)), strict=True):
            shapes |= _layer(f"head_color_weights_encoder.{i}", b, a)
    shapes |= _mlp("torso_deform_net", (inputs, *DEFORM_HIDDEN, 2))
    shapes |= _mlp("torso_canonicial_net", (grid.width + inputs, *COLOUR_HIDDEN, 4))
    return shapes


def _super_resolution_shapes(size: int) -> Shapes:
    width = SuperResolutionConfig()
    shapes: Shapes = {"sr_net.resample_filter": (4, 4)}
    for block, inputs, outputs, side in (
        ("block0", 3, width.small, size),
        ("block1", width.small, width.large, 2 * size),
    ):
        name = f"sr_net.{block}"
        shapes[f"{name}.resample_filter"] = (4, 4)
        for layer, seen in (("conv0", inputs), ("conv1", outputs)):
            shapes |= _modulated(f"{name}.{layer}", outputs, seen, 3)
            shapes[f"{name}.{layer}.noise_strength"] = ()
            shapes[f"{name}.{layer}.noise_const"] = (side, side)
            shapes[f"{name}.{layer}.resample_filter"] = (4, 4)
        shapes |= _modulated(f"{name}.torgb", 3, outputs, 1)
    return shapes


def _modulated(name: str, outputs: int, inputs: int, kernel: int) -> Shapes:
    return {
        f"{name}.weight": (outputs, inputs, kernel, kernel),
        f"{name}.bias": (outputs,),
        f"{name}.affine.weight": (inputs, STYLE),
        f"{name}.affine.bias": (inputs,),
    }


def _layer(name: str, outputs: int, inputs: int, *kernel: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs, *kernel), f"{name}.bias": (outputs,)}


def _mlp(name: str, widths: tuple[int, ...]) -> Shapes:
    return {f"{name}.net.{i}.weight": (b, a) for i, (a, b) in enumerate(pairwise(widths))}


def _shapes(module: nn.Module, leave_out: str) -> Shapes:
    state = module.state_dict()
    return {n: tuple(t.shape) for n, t in state.items() if not n.startswith(leave_out)}
