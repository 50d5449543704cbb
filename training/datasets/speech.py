"""What the trainings hear of a recording: HuBERT's features and pitch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...contract.errors import BadCheckpoint, MissingExtra
from ...contract.units import FEATURES_PER_FRAME, SAMPLES_PER_FRAME
from ...runtime.audio.pitch import pitch_bins
from ...runtime.speech.features import UtteranceFeatures

Float32 = NDArray[np.float32]

CLIP_FRAMES = 250
"""Frames whose audio HuBERT hears at once: ten seconds, as the networks are used."""


@dataclass(frozen=True)
class Encoder:
    """A HuBERT in PyTorch, as the runtime's features ask for it.

    Attributes:
        name: what was asked for.
        width: D of a feature.
        sha256: of its weights: what it hears changes with them.
    """

    network: Any
    name: str
    width: int
    sha256: str

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """``samples`` (1, n) → ``features`` (1, T, D)."""
        import torch

        with torch.inference_mode():
            found = self.network(torch.from_numpy(inputs["samples"]))
        return {"features": getattr(found, "last_hidden_state", found).numpy()}

    @property
    def description(self) -> dict[str, Any]:
        """What the manifest says of it."""
        return {"name": self.name, "width": self.width, "sha256": self.sha256}


def open_encoder(name: str) -> Encoder:
    """A speech encoder of ours (a folder that a training wrote), or any HuBERT of transformers.

    Args:
        name: a folder, or a name on the Hugging Face hub.

    Raises:
        BadCheckpoint: there is none of that name, or it is none.
        MissingExtra: transformers is not installed.
    """
    folder = Path(name)
    if (folder / "weights.safetensors").is_file():
        from ...reference.checkpoint import load_network
        from ...reference.speech_encoder import SpeechEncoder

        network = load_network(folder, SpeechEncoder)
        width = network.config.hidden
    else:
        network = _from_transformers(name)
        width = int(network.config.hidden_size)
    digest = hashlib.sha256()
    for tensor in network.state_dict().values():
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return Encoder(network.eval(), name, width, digest.hexdigest())


def _from_transformers(name: str) -> Any:
    try:
        from transformers import HubertModel
        from transformers.utils import logging
    except ImportError:
        raise MissingExtra("transformers", "train", "the speech encoder") from None
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        # Full precision on the processor; the pickled kind is read as plain tensors alone.
        network = HubertModel.from_pretrained(name, dtype="float32")
    except Exception as error:  # whatever the hub, the network and the files may say
        raise BadCheckpoint(
            name,
            expected="a HuBERT: a folder, or a name on the Hugging Face hub",
            found=f"{type(error).__name__}: {error}".splitlines()[0][:200],
            remedy="check the name, or download the model and name its folder",
        ) from None
    stride = int(np.prod(network.config.conv_stride))
    if stride != 320:
        raise BadCheckpoint(name, expected="a feature each 320 samples", found=f"each {stride}")
    return network


def hear(encoder: Encoder, samples: Float32, frames: int) -> tuple[Float32, NDArray[np.int32]]:
    """Features (2 · frames, D) float32 and pitch bins (2 · frames,) int32 of a recording.

    Sound that is longer than the picture is cut, silence follows sound that is shorter.

    Args:
        samples: (n,) float32 at 16 kHz.
        frames: video frames.
    """
    whole = np.zeros(frames * SAMPLES_PER_FRAME, np.float32)
    used = samples[: len(whole)]
    whole[: len(used)] = used
    count = frames * FEATURES_PER_FRAME
    heard = UtteranceFeatures(encoder, whole, count, CLIP_FRAMES).read(0, count)
    return heard, pitch_bins(whole)[:count]
