"""The tensors of a published checkpoint: the newest step, either layout, either spelling."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ...contract.errors import BadCheckpoint
from .torch_file import not_a_checkpoint, read_torch_file, unsound

MODEL = "model"
"""Name of the network within a training task."""

_STEP = re.compile(r"model_ckpt_steps_(\d{1,12})\.ckpt")
MOST_NAMED = 12
"""Tensors that are named in one message."""

_COMPILED = "_orig_mod."
"""What `torch.compile` puts before names."""

_GAIN, _DIRECTION = ".parametrizations.weight.original0", ".parametrizations.weight.original1"


def newest_checkpoint(folder: Path) -> Path:
    """The checkpoint of the highest step in a folder; a file is taken as it is.

    Raises:
        BadCheckpoint: there is none.
    """
    if folder.is_file():
        return folder
    steps = {}
    if folder.is_dir():
        steps = {int(m[1]): p for p in folder.iterdir() if (m := _STEP.fullmatch(p.name))}
    if not steps:
        raise BadCheckpoint(
            str(folder),
            expected="a folder with model_ckpt_steps_<N>.ckpt",
            found="none" if folder.is_dir() else "no folder",
            remedy="name the folder the model was trained in, or the .ckpt file itself",
        )
    return steps[max(steps)]


def tensors_of_file(path: Path) -> dict[str, Tensor]:
    """A file that is nothing but tensors by name.

    Raises:
        BadCheckpoint: it is not, is damaged, or holds what could run.
    """
    loaded = read_torch_file(path)
    if not isinstance(loaded, Mapping) or not all(isinstance(t, Tensor) for t in loaded.values()):
        raise not_a_checkpoint(path, "something other than tensors by name")
    return _sound({str(name): tensor for name, tensor in loaded.items()}, path)


def load_model(path: Path) -> dict[str, Tensor]:
    """The network's tensors by their published names, old weight-norm spelling.

    Raises:
        BadCheckpoint: it is no such checkpoint, is damaged, or holds what could run.
    """
    return model_tensors(read_torch_file(path), path)


def model_tensors(checkpoint: Any, where: Path) -> dict[str, Tensor]:
    """``{"state_dict": {"model": {...}}}`` or ``{"state_dict": {"model.x": ...}}`` → tensors.

    Raises:
        BadCheckpoint: it is neither.
    """
    state = checkpoint.get("state_dict") if isinstance(checkpoint, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
        keys = ", ".join(map(str, checkpoint))[:80] if isinstance(checkpoint, Mapping) else "none"
        raise not_a_checkpoint(where, f"the keys {keys}")
    # The published rule: any dotted name means that networks are not nested.
    if any("." in name for name in state):
        prefix = f"{MODEL}."
        found = {n[len(prefix) :]: t for n, t in state.items() if n.startswith(prefix)}
    else:
        nested = state.get(MODEL)
        found = dict(nested) if isinstance(nested, Mapping) else {}
    tensors = {str(n).replace(_COMPILED, ""): t for n, t in found.items() if isinstance(t, Tensor)}
    if not tensors:
        raise not_a_checkpoint(where, f"the networks {', '.join(sorted(state))[:80] or 'none'}")
    return _old_spelling(_sound(tensors, where))


def with_weight_norm(tensors: Mapping[str, Tensor], wanted: Mapping[str, Any]) -> dict[str, Tensor]:
    """Split a plain ``x.weight`` where ``x.weight_g`` and ``x.weight_v`` are wanted.

    Someone who removed the weight norm before saving kept the product; length and direction of
    each row are then those of the product itself.
    """
    made = dict(tensors)
    for name in wanted:
        plain = name.removesuffix("_g")
        if name.endswith(".weight_g") and name not in made and plain in made:
            if made[plain].ndim < 2 or not made[plain].is_floating_point():
                continue  # no product: it is refused with all else that does not fit
            weight = made.pop(plain)
            made[f"{plain}_v"] = weight
            made[name] = weight.flatten(1).norm(dim=1).view(-1, *[1] * (weight.ndim - 1))
    return made


def _sound(tensors: dict[str, Tensor], where: Path) -> dict[str, Tensor]:
    said = list(unsound(tensors))
    if said:
        raise not_a_checkpoint(where, "; ".join(said[:MOST_NAMED]))
    return tensors


def _old_spelling(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    made = {}
    for name, tensor in tensors.items():
        if name.endswith(_GAIN):
            name = name.removesuffix(_GAIN) + ".weight_g"
        elif name.endswith(_DIRECTION):
            name = name.removesuffix(_DIRECTION) + ".weight_v"
        made[name] = tensor
    return made
