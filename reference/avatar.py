"""A checkpoints folder: all networks of one avatar, and what belongs to it beside networks.

hubert/  audio_to_motion/  deformation/  head/  torso/   config.json, weights.safetensors each
super_resolution/     likewise, where pictures are enlarged by a network
avatar.json           name, camera, motion steps, idle rule
avatar.safetensors    poses, background, tensors of the motion steps
LICENSE-NOTES.md      what may be done with it
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save
from torch import nn

from ..contract.camera import Intrinsics
from ..contract.codec import canonical, to_plain
from ..contract.engine_directory import replace_folder
from ..contract.errors import BadCheckpoint
from ..contract.hearing import OWN_HEARING, HearingSpec
from ..contract.landmarks import FLAT
from ..contract.motion import ClampStep, IdleSpec, LleStep, MotionSpec, NormaliseStep
from ..contract.weights import BACKGROUND, DATABASE, HIGH, LOW, MEAN, POSES, SCALE
from .audio_to_motion import AudioToMotion
from .checkpoint import load_network, read_dataclass, read_json, save_network
from .deformation import LandmarkDeformation
from .head_field import HeadField
from .speech_encoder import SpeechEncoder
from .super_resolution import SuperResolution
from .torso_field import TorsoField

CARD_FILE = "avatar.json"
TENSORS_FILE = "avatar.safetensors"
LICENCE_FILE = "LICENSE-NOTES.md"

NETWORKS = ("hubert", "audio_to_motion", "deformation", "head", "torso")
"""Folders of the networks that every avatar has."""

SUPER_RESOLUTION = "super_resolution"

FORMAT = 1
"""Revision of the folder's layout."""


@dataclass(frozen=True)
class AvatarCard:
    """What an avatar is, apart from numbers.

    Attributes:
        name: what it is called.
        camera: intrinsics at the size it was trained for.
        motion: steps between landmarks and condition.
        idle: how still stretches are found in its poses.
        hearing: how its networks were trained to hear.
    """

    name: str
    camera: Intrinsics
    motion: MotionSpec
    idle: IdleSpec
    hearing: HearingSpec = OWN_HEARING
    format: int = FORMAT


@dataclass(frozen=True)
class ReferenceAvatar:
    """Everything of one avatar, in PyTorch.

    Attributes:
        tensors: ``poses`` (N, 3, 4) float32 camera-from-head at 25 a second; ``background``
            (S, S, 3) uint8 RGB; and those of `motion_tensors`.
        licence: Markdown.
    """

    card: AvatarCard
    speech: SpeechEncoder
    audio_to_motion: AudioToMotion
    deformation: LandmarkDeformation
    head: HeadField
    torso: TorsoField
    tensors: Mapping[str, NDArray[np.generic]]
    licence: str
    super_resolution: SuperResolution | None = None

    @property
    def poses(self) -> NDArray[np.float32]:
        """(N, 3, 4) float32 camera-from-head, consecutive frames."""
        return np.asarray(self.tensors[POSES], np.float32)

    @property
    def background(self) -> NDArray[np.uint8]:
        """(S, S, 3) uint8 RGB behind the torso."""
        return np.asarray(self.tensors[BACKGROUND], np.uint8)

    def networks(self) -> dict[str, nn.Module]:
        """The networks by the name of their folder."""
        modules = (self.speech, self.audio_to_motion, self.deformation, self.head, self.torso)
        made: dict[str, nn.Module] = dict(zip(NETWORKS, modules, strict=True))
        if self.super_resolution is not None:
            made[SUPER_RESOLUTION] = self.super_resolution
        return made

    def save(self, folder: str | Path, half: bool = False) -> None:
        """Write a checkpoints folder; what stood there before is replaced only when all is written.

        Args:
            half: store learned parameters as float16.

        Raises:
            BadOutput: the folder cannot be written or holds other files.
            BadCheckpoint: the avatar is inconsistent in itself.
        """
        check(self, str(folder))
        beside = (*NETWORKS, SUPER_RESOLUTION, TENSORS_FILE, LICENCE_FILE)
        with replace_folder(Path(folder), CARD_FILE, beside) as fresh:
            for name, network in self.networks().items():
                save_network(fresh / name, network, half)
            (fresh / CARD_FILE).write_bytes(canonical(to_plain(self.card)))
            packed = {k: np.ascontiguousarray(v) for k, v in self.tensors.items()}
            (fresh / TENSORS_FILE).write_bytes(save(packed))
            (fresh / LICENCE_FILE).write_text(self.licence, "utf-8")

    @staticmethod
    def load(folder: str | Path) -> ReferenceAvatar:
        """Read a checkpoints folder; networks come in evaluation mode.

        Raises:
            BadCheckpoint: something is missing, damaged, or does not fit the rest.
            MissingExtra: transformers is not installed.
        """
        folder = Path(folder)
        avatar = ReferenceAvatar(
            card=_read_card(folder / CARD_FILE),
            speech=load_network(folder / "hubert", SpeechEncoder),
            audio_to_motion=load_network(folder / "audio_to_motion", AudioToMotion),
            deformation=load_network(folder / "deformation", LandmarkDeformation),
            head=load_network(folder / "head", HeadField),
            torso=load_network(folder / "torso", TorsoField),
            tensors=_read_arrays(folder / TENSORS_FILE),
            licence=_read_text(folder / LICENCE_FILE),
            super_resolution=load_network(folder / SUPER_RESOLUTION, SuperResolution)
            if (folder / SUPER_RESOLUTION).is_dir()
            else None,
        )
        check(avatar, str(folder))
        return avatar


def motion_tensors(motion: MotionSpec) -> tuple[str, ...]:
    """Names of the (204,) float32 tensors that an avatar's motion steps need (an `LleStep`'s
    database, which is longer, is not among them)."""
    names: tuple[str, ...] = ()
    for step in motion.steps:
        if isinstance(step, ClampStep):
            names += (LOW, HIGH)
        if isinstance(step, NormaliseStep):
            names += (MEAN, SCALE)
    return names


def check(avatar: ReferenceAvatar, where: str) -> None:
    """Refuse an avatar whose parts do not fit together.

    Raises:
        BadCheckpoint: naming everything that is wrong.
    """
    said = [
        f"{name} is {found}, not {wanted}" for name, wanted, found in _tensor_mismatches(avatar)
    ]
    width = avatar.speech.config.hidden
    if avatar.audio_to_motion.config.features != width:
        given = avatar.audio_to_motion.config.features
        said.append(f"hubert gives {width} features a vector, audio_to_motion takes {given}")
    window = avatar.head.config.condition.window
    if window != avatar.card.motion.window:
        said.append(f"motion gives windows of {avatar.card.motion.window}, head takes {window}")
    if said:
        raise BadCheckpoint(
            where,
            expected="the parts of one avatar",
            found="; ".join(said),
            remedy="do not mix folders of different avatars",
        )


def _tensor_mismatches(avatar: ReferenceAvatar) -> list[tuple[str, str, str]]:
    wanted: dict[str, tuple[str, str, tuple[int, ...]]] = {
        POSES: ("float32", "(N, 3, 4)", (-1, 3, 4)),
        BACKGROUND: ("uint8", "(S, S, 3)", (-1, -1, 3)),
    }
    for name in motion_tensors(avatar.card.motion):
        wanted[name] = ("float32", f"({FLAT},)", (FLAT,))
    if any(isinstance(step, LleStep) for step in avatar.card.motion.steps):
        wanted[DATABASE] = ("float32", f"(N, {FLAT})", (-1, FLAT))
    wrong = []
    for name, (dtype, shown, shape) in wanted.items():
        array = avatar.tensors.get(name)
        if array is None:
            wrong.append((name, f"{dtype} {shown}", "missing"))
            continue
        fits = array.ndim == len(shape) and 0 not in array.shape
        fits &= all(want in (-1, have) for want, have in zip(shape, array.shape, strict=False))
        if not fits or array.dtype != dtype:
            wrong.append((name, f"{dtype} {shown}", f"{array.dtype} {array.shape}"))
    return wrong


def _read_card(path: Path) -> AvatarCard:
    plain = read_json(path)
    found = plain.get("format") if isinstance(plain, dict) else None
    if isinstance(found, int) and found > FORMAT:
        raise BadCheckpoint(
            str(path),
            expected=f"format {FORMAT} or older",
            found=f"format {found}",
            remedy="update emogene",
        )
    card: AvatarCard = read_dataclass(path, AvatarCard, plain)
    return card


def _read_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        arrays: dict[str, NDArray[np.generic]] = load_file(path)
        return arrays
    except (SafetensorError, OSError) as error:
        raise BadCheckpoint(
            str(path), expected="a safetensors file", found=str(error), remedy="copy it again"
        ) from None


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadCheckpoint(
            str(path), expected="licence notes", found=str(error), remedy="copy it again"
        ) from None
