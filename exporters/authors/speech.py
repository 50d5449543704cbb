"""HuBERT as transformers stores it → our speech encoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...contract.errors import BadCheckpoint, MissingExtra
from ...reference.checkpoint import check_names_and_shapes, load_tensors, read_tensors
from ...reference.speech_encoder import (
    CONV_KERNELS,
    CONV_STRIDES,
    SpeechEncoder,
    SpeechEncoderConfig,
)
from . import PUBLISHED_HUBERT
from .state import tensors_of_file
from .words import in_words

WIDEST = 16_384
"""Of any layer; those of the large one have 4096."""

WEIGHTS = ("model.safetensors", "pytorch_model.bin")

_OLD_GAIN, _OLD_DIRECTION = ".weight_g", ".weight_v"
_NEW = ".parametrizations.weight.original"


def load_speech_encoder(source: str, features: int) -> SpeechEncoder:
    """The speech encoder an audio-to-motion model was trained with.

    Args:
        source: a folder with config.json and the weights, or a name on the Hugging Face hub, which
            is then taken from its local cache or fetched.
        features: width of a feature that the audio-to-motion model takes.

    Raises:
        BadCheckpoint: it cannot be read, is built otherwise, or has another width.
        MissingExtra: transformers is not installed.
    """
    folder = encoder_folder(source)
    config = _config(folder / "config.json")
    if config.hidden != features:
        raise BadCheckpoint(
            str(folder),
            expected=f"a HuBERT with features of width {features}, as --a2m takes them",
            found=f"width {config.hidden}",
            remedy=f"name its own by --hubert; the published one is {PUBLISHED_HUBERT}",
        )
    path = next((folder / n for n in WEIGHTS if (folder / n).is_file()), None)
    if path is None:
        raise BadCheckpoint(
            str(folder),
            expected=f"the weights of a HuBERT: {' or '.join(WEIGHTS)}",
            found="neither",
            remedy="copy them too, or fetch the folder again",
        )
    tensors = read_tensors(path) if path.suffix == ".safetensors" else tensors_of_file(path)
    with torch.device("meta"):  # settings alone must not fill the memory
        shape = SpeechEncoder(config)
    named = _named(tensors, shape)
    check_names_and_shapes(shape, named, str(path))
    encoder = SpeechEncoder(config)
    load_tensors(encoder, named, str(path))
    broken = [name for name, tensor in named.items() if not bool(tensor.isfinite().all())]
    if broken:
        raise BadCheckpoint(
            str(path),
            expected="the weights of a HuBERT",
            found=f"numbers that are not finite in {', '.join(broken[:3])}",
            remedy="the file is damaged: copy it again",
        )
    return encoder.eval()


def encoder_folder(source: str) -> Path:
    """The folder of a speech encoder that is named by it, or on the Hugging Face hub.

    Raises:
        BadCheckpoint: there is no such folder, and nothing of that name on the hub.
        MissingExtra: the hub's client is not installed.
    """
    folder = Path(source)
    return folder if folder.is_dir() else _fetched(source)


def _fetched(name: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise MissingExtra("huggingface_hub", "export", "fetching the speech encoder") from None
    try:
        return Path(snapshot_download(name, allow_patterns=["config.json", *WEIGHTS]))
    except Exception as error:  # the hub's client raises its own kinds and the network's
        raise BadCheckpoint(
            name,
            expected="a folder with a HuBERT, or a model of the Hugging Face hub",
            found=f"{type(error).__name__}: {' '.join(str(error).split())}"[:200],
            remedy="fetch it on a machine with access and name its folder by --hubert",
        ) from None


def _config(path: Path) -> SpeechEncoderConfig:
    try:
        plain: dict[str, Any] = json.loads(path.read_text("utf-8"))
        config = SpeechEncoderConfig(
            hidden=int(plain["hidden_size"]),
            layers=int(plain["num_hidden_layers"]),
            heads=int(plain["num_attention_heads"]),
            feed_forward=int(plain["intermediate_size"]),
            conv=tuple(int(n) for n in plain["conv_dim"]),
            position_kernel=int(plain["num_conv_pos_embeddings"]),
            position_groups=int(plain["num_conv_pos_embedding_groups"]),
        )
    except Exception as error:  # a value may be of any kind and any size
        raise _refusal(path, in_words(error)) from None
    built = {
        "model_type": "hubert",
        "feat_extract_norm": "layer",
        "do_stable_layer_norm": True,
        "conv_bias": True,
        "conv_kernel": list(CONV_KERNELS),
        "conv_stride": list(CONV_STRIDES),
    }
    other = [
        f"{n} {plain.get(n)!r} instead of {v!r}" for n, v in built.items() if plain.get(n) != v
    ]
    if other:
        raise _refusal(path, "; ".join(other))
    sizes = (config.hidden, config.feed_forward, *config.conv)
    heads, groups = config.heads, config.position_groups
    fits = 1 <= config.layers <= 64 and len(config.conv) == len(CONV_KERNELS)
    fits = fits and all(1 <= n <= WIDEST for n in sizes) and 1 <= config.position_kernel <= 1024
    fits = fits and heads > 0 and groups > 0
    if not fits or config.hidden % heads or config.hidden % groups:
        raise _refusal(path, f"layers that do not fit together: {config}")
    return config


def _named(tensors: dict[str, Tensor], encoder: SpeechEncoder) -> dict[str, Tensor]:
    """Their names as transformers spells them today, without what recognises words."""
    wanted = encoder.state_dict()
    made = {}
    for name, tensor in tensors.items():
        name = name.removeprefix("hubert.")
        for old, number in ((_OLD_GAIN, "0"), (_OLD_DIRECTION, "1")):
            if name.endswith(old):
                name = name.removesuffix(old) + _NEW + number
        name = f"hubert.{name}"
        if name.startswith("hubert.lm_head.") or name.endswith("masked_spec_embed"):
            continue
        if name in wanted and tensor.is_floating_point():
            tensor = tensor.float()
        made[name] = tensor
    return made


def _refusal(path: Path, found: str) -> BadCheckpoint:
    return BadCheckpoint(
        str(path),
        expected="the config.json of a HuBERT with layer norm first, as the large ones have",
        found=found,
        remedy=f"name the folder of {PUBLISHED_HUBERT} by --hubert",
    )
