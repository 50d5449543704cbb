"""Where trainings leave their networks, and how the next stage reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..reference.audio_to_motion import AudioToMotion
from ..reference.checkpoint import load_network
from ..reference.deformation import LandmarkDeformation
from ..reference.head_field import HeadField
from ..reference.speech_encoder import SpeechEncoder
from ..reference.sync_expert import SyncExpert
from ..reference.torso_field import TorsoField

NETWORK = "network"
"""Folder of the trained module inside a stage's folder (`reference.checkpoint`)."""

KINDS: dict[str, type[Any]] = {
    "hubert": SpeechEncoder,
    "sync": SyncExpert,
    "vae": AudioToMotion,
    "deformation": LandmarkDeformation,
    "head": HeadField,
    "torso": TorsoField,
}
"""Stage → the class of its network."""


def load_stage(folder: Path, stage: str) -> Any:
    """The network that `stage` left below `folder`, in evaluation mode.

    Raises:
        BadCheckpoint: the stage has not finished there, or its file is damaged.
    """
    return load_network(Path(folder) / stage / NETWORK, KINDS[stage])
