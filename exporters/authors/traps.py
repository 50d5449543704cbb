"""What is worth knowing about published checkpoints, found by looking at them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from ...contract.emotions import EMOTIONS, emotion_index
from ...contract.landmarks import FLAT
from ...reference.audio_to_motion import AudioToMotionConfig
from .background import BACKGROUNDS
from .config import Settings
from .constants import other_constants
from .models import MOTIONS, PublishedField


def model_notes(config: AudioToMotionConfig) -> Iterator[str]:
    """Of an audio-to-motion model."""
    heard = "with pitch" if config.pitch else "without pitch"
    yield f"{config.motion} outputs ({MOTIONS[config.motion]}), {heard}"
    if config.motion == FLAT:
        yield (
            "the published inference is written for 64 outputs and would refuse these 204; they "
            "are taken for landmark displacements, as the published training makes them"
        )
    if config.flow is None:
        yield "no prior flow: latents are drawn from a plain normal"


def emotion_notes(embedding: Tensor) -> Iterator[str]:
    """Of a landmark deformation model."""
    yield f"emotions in the order of their names: {', '.join(EMOTIONS)}"
    yield (
        "the published script passes --lm_deform_delta 0, which turns emotion off; here it is on, "
        "and --intensity 0 turns it off"
    )
    yield (f"row {emotion_index('neutral')}, neutral, is never trained: neutral bypasses the model")
    lengths = embedding.norm(dim=1)
    for name, length in zip(EMOTIONS, lengths.tolist(), strict=True):
        if length == 0:
            yield f"the embedding of {name} is zero: it was not trained"
    if torch.unique(embedding, dim=0).shape[0] < len(EMOTIONS):
        yield "two emotions have the same embedding: the model cannot tell them apart"


def field_notes(
    field: PublishedField, tensors: Mapping[str, Tensor], constant_noise: bool
) -> Iterator[str]:
    """Of a head, with its torso or alone."""
    torso = field.torso
    enlarged = "with super-resolution" if torso.super_resolution else "without super-resolution"
    aware = "the torso sees the head" if torso.head_aware else "the torso does not see the head"
    if field.alone:
        aware = "a head without torso, before the background"
    yield f"{enlarged}; {aware}; eye_blink_dim {field.head.blink}"
    if torso.head_aware and not torso.super_resolution and not field.alone:
        yield (
            "the published inference hides the head from this torso in every second frame, by "
            "chance; here it always sees it"
        )
    if field.head.blink and not field.told_of_eyes:
        yield "the published inference tells this field that eyes are 0 open; so it is told here"
    strengths = [t.abs() for name, t in tensors.items() if name.endswith(".noise_strength")]
    if torso.super_resolution:
        strongest = max((float(s) for s in strengths), default=0.0)
        yield (
            "super-resolution adds random noise in the published inference (strength up to "
            f"{strongest:.3g}); here it adds "
            + ("the constant noise of the checkpoint" if constant_noise else "none")
        )
    if field.background not in BACKGROUNDS:
        yield (
            f"infer_bg_img_fname is {field.background!r}; the background is that of the data set"
        )
    other = other_constants(field, tensors)
    if other:
        yield f"{', '.join(other)} are not those the published code makes; here they are its own"
    if not field.alone and not bool((tensors["density_grid_torso"] > 0).any()):
        yield "density_grid_torso is empty: the torso will not be seen; was it trained?"
    if not bool(tensors["density_bitfield"].any()):
        yield "density_bitfield is empty: the head will not be seen; was it trained?"


def head_notes(
    torso: Mapping[str, Tensor],
    head: Mapping[str, Tensor],
    settings: Settings,
    field: PublishedField,
) -> Iterator[str]:
    """Of a head's own checkpoint beside the torso's copy of it."""
    blink = settings.get("eye_blink_dim", field.head.blink)
    if settings.get("add_eye_blink_cond", False) and blink != field.head.blink:
        yield (
            f"eye_blink_dim is {blink} here and {field.head.blink} in the torso's config.yaml; the "
            "torso's checkpoint and config.yaml count"
        )
    shared = [name for name in head if name in torso and not name.startswith("density_")]
    other = [
        name
        for name in shared
        if head[name].shape != torso[name].shape or not torch.equal(head[name], torso[name])
    ]
    if other:
        yield (
            f"{len(other)} of {len(shared)} tensors differ from their copy in the torso's "
            f"checkpoint, such as {other[0]}; the torso's copy is used, as in the published "
            "inference"
        )
    else:
        yield "the torso's checkpoint holds the same head"
