"""The published folders of one person → an avatar of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...contract.hearing import PUBLISHED_HEARING
from ...contract.landmarks import FLAT
from ...contract.motion import IdleSpec
from ...contract.weights import BACKGROUND, POSES
from ...reference.audio_to_motion import AudioToMotion, AudioToMotionConfig
from ...reference.authors import IGNORED as HEAD_UNREAD
from ...reference.authors import authors_head, head_from_authors
from ...reference.authors_torso import IGNORED as TORSO_UNREAD
from ...reference.authors_torso import (
    authors_torso,
    super_resolution_from_authors,
    torso_from_authors,
    unseen_torso,
)
from ...reference.avatar import AvatarCard, ReferenceAvatar
from ...reference.checkpoint import load_tensors
from ...reference.deformation import DeformationConfig, LandmarkDeformation
from ...reference.head_field import HeadField
from ...reference.super_resolution import SuperResolution, SuperResolutionConfig
from ...reference.torso_field import TorsoField
from . import PUBLISHED_HUBERT
from .background import background
from .config import load_settings
from .dataset import Dataset, load_dataset, poses, smoothed
from .face_model import FaceModel, load_face_model
from .keys import check_tensors
from .models import PublishedField, audio_to_motion_config, field_dimensions
from .motion import DISPLACEMENT, motion_spec, motion_tensors
from .shapes import audio_to_motion_shapes, field_shapes
from .speech import load_speech_encoder
from .state import load_model, newest_checkpoint, with_weight_norm
from .traps import emotion_notes, field_notes, head_notes, model_notes

Said = Callable[[str], None]
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Sources:
    """Where everything of one person lies.

    Attributes:
        audio_to_motion, deformation: folders of training runs, or checkpoints themselves.
        torso: likewise; it holds the head, too. None is a head without a torso.
        head: likewise. With a torso it is what the torso's copy of the head is compared with.
        dataset: ``trainval_dataset.npy``.
        face_model: the folder of the Basel face model.
        hubert: folder of the speech encoder, or its name on the Hugging Face hub.
    """

    audio_to_motion: Path
    deformation: Path
    torso: Path | None
    dataset: Path
    face_model: Path
    head: Path | None = None
    hubert: str = PUBLISHED_HUBERT

    @property
    def field(self) -> Path:
        """Where the head is read from: the torso's checkpoint, or its own."""
        found = self.torso or self.head
        if found is None:
            raise ValueError("neither torso nor head")
        return found


@dataclass(frozen=True)
class ImportOptions:
    """How the published inference was called.

    Attributes:
        name: what the avatar will be called.
        blink: whether eyes blink every four seconds (``--blink_mode period``).
        lle_share: share of the projection on the training data (``--lle_percent``).
        constant_noise: super-resolution adds the constant noise of its checkpoint, else none.
    """

    name: str = "imported"
    blink: bool = False
    lle_share: float = 0.2
    constant_noise: bool = False


def import_avatar(
    sources: Sources, options: ImportOptions = ImportOptions(), said: Said = lambda line: None
) -> ReferenceAvatar:
    """Read published checkpoints, check everything about them, and make an avatar of them.

    Args:
        said: told, line by line, what is worth knowing about these checkpoints.

    Raises:
        BadCheckpoint: something is missing, damaged, or does not fit the rest.
        MissingExtra: a library that reads one of them is not installed.
    """
    said(f"data set {sources.dataset}")
    dataset = load_dataset(sources.dataset)
    face = load_face_model(sources.face_model)
    audio_to_motion = _audio_to_motion(sources.audio_to_motion, face, dataset, said)
    deformation = _deformation(sources.deformation, face, said)
    field, head, torso, enlarging = _field(sources, dataset, options.constant_noise, said)
    speech = load_speech_encoder(sources.hubert, audio_to_motion.config.features)
    tensors = motion_tensors(dataset, face)
    tensors[POSES] = poses(
        smoothed(dataset.cameras[: field.frames or None], field.smoothing),
        field.torso.camera_scale,
        field.torso.camera_offset,
    )
    tensors[BACKGROUND] = background(field.background, dataset.background)
    card = AvatarCard(
        options.name,
        dataset.camera,
        motion_spec(field, dataset, options.blink, options.lle_share),
        IdleSpec(),
        PUBLISHED_HEARING,
    )
    return ReferenceAvatar(
        card=card,
        speech=speech,
        audio_to_motion=audio_to_motion,
        deformation=deformation,
        head=head,
        torso=torso,
        tensors=tensors,
        licence=LICENCE,
        super_resolution=enlarging,
    )


def _audio_to_motion(source: Path, face: FaceModel, dataset: Dataset, said: Said) -> AudioToMotion:
    path = newest_checkpoint(source)
    tensors = load_model(path)
    config = audio_to_motion_config(tensors, str(path))
    wanted = audio_to_motion_shapes(config)
    tensors = with_weight_norm(tensors, wanted)
    check_tensors(tensors, wanted, str(path))
    for note in model_notes(config):
        said(f"{path}: {note}")
    made = {name: t for name, t in tensors.items() if config.pitch or name != "blink_embed.weight"}
    config, folding = _folding(config, face, dataset)
    return _loaded(AudioToMotion(config), made | folding, path)


def _folding(
    config: AudioToMotionConfig, face: FaceModel, dataset: Dataset
) -> tuple[AudioToMotionConfig, dict[str, Tensor]]:
    """How the decoder's numbers become landmarks in head space: mean + displacement / 10."""
    mean = face.mean
    if config.motion == FLAT:
        scale = torch.full((FLAT,), 1 / DISPLACEMENT)
        folding = {"folding.mean": _float(mean), "folding.scale": scale}
        return replace(config, folding="scaled"), folding
    basis = face.expression
    if config.motion > face.expression.shape[1]:
        basis = np.concatenate([face.identity, face.expression], axis=1)
    else:
        # The person's identity is that of the first frame throughout.
        mean = mean + face.identity @ dataset.identity[0]
    return config, {"folding.mean": _float(mean), "folding.basis": _float(basis)}


def _deformation(source: Path, face: FaceModel, said: Said) -> LandmarkDeformation:
    path = newest_checkpoint(source)
    tensors = load_model(path)
    network = LandmarkDeformation(DeformationConfig(standardised=True))
    own = ("mean", "scale", "delta_scale")
    wanted = {n: tuple(t.shape) for n, t in network.state_dict().items() if n not in own}
    check_tensors(tensors, wanted, str(path))
    for note in emotion_notes(tensors["emotion_embedding.weight"]):
        said(f"{path}: {note}")
    tenth = torch.full((FLAT,), 1 / DISPLACEMENT)
    scaled = {"mean": _float(face.mean), "scale": tenth, "delta_scale": tenth.clone()}
    return _loaded(network, tensors | scaled, path)


def _field(
    sources: Sources, dataset: Dataset, constant_noise: bool, said: Said
) -> tuple[PublishedField, HeadField, TorsoField, SuperResolution | None]:
    settings = load_settings(sources.field)
    field = field_dimensions(settings, dataset.camera.size, alone=sources.torso is None)
    field = replace(field, torso=replace(field.torso, depth=dataset.depth))
    path = newest_checkpoint(sources.field)
    tensors = load_model(path)
    wanted = field_shapes(field)
    unread = [*HEAD_UNREAD, *TORSO_UNREAD]
    if not constant_noise:
        unread += [name for name in wanted if name.endswith(".noise_const")]
    check_tensors(tensors, wanted, str(path), unread=unread)
    for note in field_notes(field, tensors, constant_noise):
        said(f"{path}: {note}")
    if sources.head is not None and sources.torso is not None:
        head_path = newest_checkpoint(sources.head)
        for note in head_notes(tensors, load_model(head_path), load_settings(sources.head), field):
            said(f"{head_path}: {note}")
    head = _loaded(
        HeadField(authors_head(dimensions=field.head)), head_from_authors(tensors, field.head), path
    )
    if field.alone:
        torso = unseen_torso()
    else:
        torso = _loaded(
            TorsoField(authors_torso(field.torso)), torso_from_authors(tensors, field.torso), path
        )
    enlarging = None
    if field.torso.super_resolution:
        folded = super_resolution_from_authors(tensors, constant_noise=constant_noise)
        side = field.torso.size if constant_noise else 0
        enlarging = _loaded(SuperResolution(SuperResolutionConfig(noise=side)), folded, path)
    return field, head, torso, enlarging


def _loaded(network: Network, tensors: Mapping[str, Tensor], path: Path) -> Network:
    load_tensors(network, tensors, str(path))
    return network.eval()


def _float(array: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))


LICENCE = """# Licence notes

Imported from checkpoints that somebody trained; what may be done with this avatar is theirs to say,
and it is theirs to have the consent of the person whose face and manner it shows.

Of the Basel face model (University of Basel, licensed for non-commercial research to those who
registered) it holds the rows of 68 landmarks: their mean and how they move with expression. Whoever
passes the avatar on passes these numbers on.

The published training code is under the MIT licence, its super-resolution derives from NVIDIA's
StyleGAN2 code, which is under a licence of its own, and the speech encoder is HuBERT, whose
publisher names the Apache licence 2.0.
"""
