"""Putting the demo's networks and what belongs to them into one checkpoints folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...contract.motion import IdleSpec
from ...contract.weights import BACKGROUND, POSES
from ...reference.avatar import AvatarCard, ReferenceAvatar
from ...reference.checkpoint import read_tensors
from ...reference.demo import demo_motion
from ..fields.film import TRAINING, open_film
from ..networks import load_stage
from .footage import avatar_poses

NAME = "demo"

LICENCE = """\
# Licence notes

This avatar is nobody: its head, torso, poses and background are a procedural model, and the
speech its networks learned from is synthetic. Everything was made by EmoGene's own code
(`emogene-train demo`); its weights are under Apache-2.0 like that code.

Training speech was synthesised with espeak-ng and, where it is installed, flite. Neither program,
nor any part of it, nor any recording of a person is contained here.
"""


def assemble(work: Path, out: Path, pose_seconds: float = 60.0) -> ReferenceAvatar:
    """Write the checkpoints folder `out` from the stages' folders below `work`; returns the avatar.

    Networks are stored as float16.

    Raises:
        BadCheckpoint, BadInput: a stage has not finished.
        BadOutput: `out` cannot be written or holds other files.
    """
    work = Path(work)
    film = open_film(work / "film" / TRAINING)
    motion = read_tensors(work / "head" / "motion.safetensors")
    avatar = ReferenceAvatar(
        card=AvatarCard(NAME, film.camera, demo_motion(), IdleSpec()),
        speech=load_stage(work, "hubert"),
        audio_to_motion=load_stage(work, "vae"),
        deformation=load_stage(work, "deformation"),
        head=load_stage(work, "head"),
        torso=load_stage(work, "torso"),
        tensors={
            POSES: avatar_poses(pose_seconds),
            BACKGROUND: np.asarray(film.background),
            **{name: tensor.numpy() for name, tensor in motion.items()},
        },
        licence=LICENCE,
    )
    avatar.save(out, half=True)
    return avatar
