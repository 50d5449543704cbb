"""Other published models than the usual ones, and how far their exported networks are."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emogene.contract import stages as names
from emogene.exporters.authors.assemble import ImportOptions, import_avatar
from emogene.exporters.authors.shapes import audio_to_motion_shapes
from emogene.exporters.onnx_file import onnx_bytes
from emogene.exporters.stages import LOADERS, stage_signatures
from emogene.reference.authors import authors_audio_to_motion

from .checkpoints import PUBLISHED, SMALL, Folders, Size, random_model, torso_model, write_run
from .conftest import sources_of
from .stage_distances import stage_distances

WIDE = dataclasses.replace(SMALL, settings=PUBLISHED, hubert={**SMALL.hubert, "hidden_size": 1024})
"""Networks and grids as wide as published; small are the film, its pictures, the face model's mesh
and the speech encoder, on which no width of the others depends."""

POSE = {"with_sr": False, "smo_win_size": 5}
TORSO = (names.TORSO_CONDITION, names.TORSO_DEFORM, names.TORSO_COLOUR)
HEARD = (names.AUDIO_TO_MOTION,)


@dataclass(frozen=True)
class StageVariant:
    """A published model of another kind.

    Attributes:
        stages: those that differ from the usual model's.
        motion, pitch, flow: of audio-to-motion.
        settings: of the torso, beside the usual ones.
        constant_noise: super-resolution adds the noise of its checkpoint.
    """

    stages: tuple[str, ...]
    motion: int = 64
    pitch: bool = True
    flow: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)
    constant_noise: bool = False


VARIANTS: dict[str, StageVariant] = {
    "144 outputs": StageVariant(HEARD, 144),
    "204 outputs": StageVariant(HEARD, 204),
    "64 outputs, without pitch": StageVariant(HEARD, pitch=False),
    "144 outputs, without pitch": StageVariant(HEARD, 144, pitch=False),
    "204 outputs, without pitch": StageVariant(HEARD, 204, pitch=False),
    "204 outputs, without pitch and flow": StageVariant(HEARD, 204, pitch=False, flow=False),
    "torso by pose, blind to the head": StageVariant(
        (names.CONDITION, *TORSO), settings={**POSE, "torso_head_aware": False}
    ),
    "torso by pose, seeing the head": StageVariant(
        (*TORSO, names.TORSO_HEAD), settings={**POSE, "torso_head_aware": True}
    ),
    "super-resolution with constant noise": StageVariant(
        (names.SUPER_RESOLUTION,), constant_noise=True
    ),
}
"""By what is said of them."""


def variant_distances(
    variant: StageVariant, folders: Folders, size: Size, root: Path
) -> dict[str, float]:
    """Relative L2 of the stages of a variant from NumPy in float64.

    Args:
        folders: of the usual model; what differs is written below ``root``.
    """
    settings = {**size.settings, **variant.settings}
    if variant.stages == HEARD:
        config = authors_audio_to_motion(
            variant.motion,
            features=size.hubert["hidden_size"],
            pitch=variant.pitch,
            flow=variant.flow,
        )
        write_run(root / "run", random_model(audio_to_motion_shapes(config)), {})
        folders = dataclasses.replace(folders, a2m=root / "run")
    else:
        write_run(root / "run", torso_model(settings, size.picture), settings)
        folders = dataclasses.replace(folders, torso=root / "run", head=root / "run")
    options = ImportOptions(constant_noise=variant.constant_noise)
    avatar = import_avatar(sources_of(folders), options)
    signatures = stage_signatures(avatar)
    for stage in variant.stages:
        made = onnx_bytes(stage, LOADERS[stage](avatar).eval(), signatures[stage])
        (root / f"{stage}.onnx").write_bytes(made)
    noise = variant.constant_noise
    return stage_distances(folders, root, settings, constant_noise=noise, only=variant.stages)
