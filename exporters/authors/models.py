"""Settings of the published models → their dimensions and every tensor they must have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from ...contract.errors import BadCheckpoint
from ...contract.landmarks import FLAT
from ...reference.audio_to_motion import AudioToMotion, AudioToMotionConfig
from ...reference.authors import (
    COARSEST,
    DIRECTION_DEGREE,
    LEVEL_FEATURES,
    LEVELS,
    PublishedDimensions,
    authors_audio_to_motion,
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
from ...reference.torso_field import HEAD_HIDDEN
from .config import Settings

Shapes = dict[str, tuple[int, ...]]

MOTIONS = {64: "expression coefficients", 144: "identity and expression", FLAT: "landmarks"}
"""Outputs of a published audio-to-motion model, by their number."""

STYLE = 16
"""Width of super-resolution's style vector."""


@dataclass(frozen=True)
class PublishedField:
    """The dimensions of one head with its torso."""

    head: PublishedDimensions
    torso: PublishedTorsoDimensions
    individuals: int


def audio_to_motion_config(tensors: Mapping[str, Tensor], where: str) -> AudioToMotionConfig:
    """The configuration an audio-to-motion checkpoint shows by its tensors.

    Its config.yaml tells little of it: the number of outputs and the width of the features are
    written in the code that trained it.

    Raises:
        BadCheckpoint: the number of outputs is none that is published.
    """
    last = tensors.get("vae.decoder.out_proj.weight")
    first = tensors.get("mel_encoder.0.weight")
    motion = 0 if last is None or not last.ndim else last.shape[0]
    if motion not in MOTIONS or first is None or first.ndim != 3:
        known = ", ".join(f"{n} ({what})" for n, what in MOTIONS.items())
        raise BadCheckpoint(
            where,
            expected=f"an audio-to-motion model with {known} outputs",
            found=f"{motion} outputs" if motion else "no vae.decoder.out_proj.weight",
            remedy="name the folder of an audio-to-motion model",
        )
    return authors_audio_to_motion(
        motion,
        mouth_amplitude="mouth_amp_embed" in tensors,
        eye_amplitude="eye_amp_embed" in tensors,
        features=first.shape[1],
        pitch="pitch_embed.weight" in tensors,
        flow=any(name.startswith("vae.prior_flow.") for name in tensors),
    )


def audio_to_motion_shapes(config: AudioToMotionConfig) -> Shapes:
    """Every tensor of an audio-to-motion model."""
    shapes = _shapes(AudioToMotion(config), leave_out="folding.")
    if not config.pitch:
        shapes["blink_embed.weight"] = (2, config.condition)
    return shapes


def field_dimensions(settings: Settings, picture: int) -> PublishedField:
    """The dimensions that a torso's settings call for.

    Args:
        picture: side of the pictures of the data set, pixels.

    Raises:
        BadCheckpoint: settings are missing, of a wrong type, or cannot be imported.
    """
    s = settings
    s.only("cond_type", "idexp_lm3d_normalized", "others are not driven by landmarks")
    s.only("nerf_keypoint_mode", "lm68", "others have more landmarks than our 68")
    s.only("grid_type", "tiledgrid", "a hashed grid has another index")
    s.only("grid_interpolation_type", "linear", "the kernels interpolate linearly")
    s.only("with_att", True, "the window is weighed by attention")
    s.only("cond_win_size", 1, "each frame of the window is encoded by itself")
    s.only("bound", 1, "a larger one has several occupancy grids")
    s.only("use_mp_pose", False, "poses come from the fitted face")
    enlarged = s.get("with_sr", False)
    cells = s.get("grid_size", 128)
    steps = s.get("max_steps", 16)
    if steps > cells:
        s.refuse(f"max_steps {steps} is more than grid_size {cells}: steps would vary in length")
    head = PublishedDimensions(
        window=s.get("smo_win_size", 5),
        code=s.get("cond_out_dim", 64) // 2 * 2,
        blink=s.get("eye_blink_dim", 8) if s.get("add_eye_blink_cond", False) else 0,
        individual=s.get("individual_embedding_dim", 4),
        ambient=s.get("ambient_coord_dim", 3),
        ambient_hidden=_hidden(s, "ambient", 128, 3),
        density_hidden=_hidden(s, "sigma", 128, 3),
        colour_hidden=_hidden(s, "color", 128, 2),
        geometry=s.get("geo_feat_dim", 128),
        finest=s.get("desired_resolution", 2048),
        log2_size=s.get("log2_hashmap_size", 16),
        occupancy=cells,
        min_near=s.get("min_near", 0.05),
        max_samples=steps,
    )
    if head.ambient not in (2, 3):
        s.refuse(f"ambient_coord_dim is {head.ambient}; grids have 2 or 3 dimensions")
    if head.window % 2 == 0:
        s.refuse(f"smo_win_size is {head.window}; a window has a frame in its middle")
    if not 3 <= head.log2_size <= 24 or not COARSEST <= head.finest <= 1 << 16:
        s.refuse(f"a grid of 2^{head.log2_size} entries up to {head.finest} cells")
    if not 1 <= cells <= 256 or not 0 <= head.blink <= head.code <= 1024 or steps < 1:
        s.refuse(f"grid_size {cells}, eye_blink_dim {head.blink} or max_steps {steps}")
    torso = PublishedTorsoDimensions(
        super_resolution=enlarged,
        head_aware=s.get("torso_head_aware", False),
        individual=s.get("torso_individual_embedding_dim", 8),
        shrink=s.get("torso_shrink", 0.8),
        mask=cells,
        size=picture // 2 if enlarged else picture,
        camera_scale=s.get("camera_scale", 4.0),
        camera_offset=s.vector("camera_offset", (0.0, 0.0, 0.0)),
    )
    individuals = s.get("individual_embedding_num", 13000)
    s.check()
    return PublishedField(head, torso, individuals)


def field_shapes(field: PublishedField) -> Shapes:
    """Every tensor of a head with its torso and, where there is one, super-resolution."""
    return {
        **_head_shapes(field.head, field.individuals),
        **_torso_shapes(field.torso, field.individuals),
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
        for i, (a, b) in zip((0, 2, 4), pairwise((4, *HEAD_HIDDEN, HEAD_CODE)), strict=True):
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


def _hidden(s: Settings, name: str, width: int, layers: int) -> tuple[int, ...]:
    count = s.get(f"num_layers_{name}", layers)
    if not 2 <= count <= 8:
        s.refuse(f"num_layers_{name} is {count}, not 2 to 8")
        count = layers
    return (s.get(f"hidden_dim_{name}", width),) * (count - 1)


def _shapes(module: nn.Module, leave_out: str) -> Shapes:
    state = module.state_dict()
    return {n: tuple(t.shape) for n, t in state.items() if not n.startswith(leave_out)}
