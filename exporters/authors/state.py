"""The tensors of a published checkpoint: the newest step, either layout, either spelling."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...contract.errors import BadCheckpoint
from .pickles import SCALAR_NAMES, PickledDtype, PickledScalar

LARGEST = 16 << 30
"""Bytes a checkpoint may have, packed or unpacked."""

MODEL = "model"
"""Name of the network within a training task."""

_STEP = re.compile(r"model_ckpt_steps_(\d{1,12})\.ckpt")
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
"""How files of torch.save begin, those of today and those of its first years."""

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
    _check_size(path)
    loaded = _load(path)
    if not isinstance(loaded, Mapping) or not all(isinstance(t, Tensor) for t in loaded.values()):
        raise _refusal(str(path), "something other than tensors by name")
    return {str(name): tensor for name, tensor in loaded.items()}


def load_model(path: Path) -> dict[str, Tensor]:
    """The network's tensors by their published names, old weight-norm spelling.

    Raises:
        BadCheckpoint: it is no such checkpoint, is damaged, or holds what could run.
    """
    _check_size(path)
    return model_tensors(_load(path), str(path))


def model_tensors(checkpoint: Any, where: str) -> dict[str, Tensor]:
    """``{"state_dict": {"model": {...}}}`` or ``{"state_dict": {"model.x": ...}}`` → tensors.

    Raises:
        BadCheckpoint: it is neither.
    """
    state = checkpoint.get("state_dict") if isinstance(checkpoint, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
        keys = ", ".join(map(str, checkpoint))[:80] if isinstance(checkpoint, Mapping) else "none"
        raise _refusal(where, f"the keys {keys}")
    # The published rule: any dotted name means that networks are not nested.
    if any("." in name for name in state):
        prefix = f"{MODEL}."
        found = {n[len(prefix) :]: t for n, t in state.items() if n.startswith(prefix)}
    else:
        nested = state.get(MODEL)
        found = dict(nested) if isinstance(nested, Mapping) else {}
    tensors = {n.replace(_COMPILED, ""): t for n, t in found.items() if isinstance(t, Tensor)}
    if not tensors:
        raise _refusal(where, f"the networks {', '.join(sorted(state))[:80] or 'none'}")
    return _old_spelling(tensors)


def with_weight_norm(tensors: Mapping[str, Tensor], wanted: Mapping[str, Any]) -> dict[str, Tensor]:
    """Split a plain ``x.weight`` where ``x.weight_g`` and ``x.weight_v`` are wanted.

    Someone who removed the weight norm before saving kept the product; length and direction of
    each row are then those of the product itself.
    """
    made = dict(tensors)
    for name in wanted:
        plain = name.removesuffix("_g")
        if name.endswith(".weight_g") and name not in made and plain in made:
            weight = made.pop(plain)
            made[f"{plain}_v"] = weight
            made[name] = weight.flatten(1).norm(dim=1).view(-1, *[1] * (weight.ndim - 1))
    return made


def _old_spelling(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    made = {}
    for name, tensor in tensors.items():
        if name.endswith(_GAIN):
            name = name.removesuffix(_GAIN) + ".weight_g"
        elif name.endswith(_DIRECTION):
            name = name.removesuffix(_DIRECTION) + ".weight_v"
        made[name] = tensor
    return made


def _check_size(path: Path) -> None:
    try:
        size = path.stat().st_size
        with path.open("rb") as opened:
            begins = opened.read(4)
        if not begins.startswith((_ZIP, _PICKLE)):
            raise _refusal(str(path), f"a file that begins with {begins!r}")
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as file:
                size = max(size, sum(entry.file_size for entry in file.infolist()))
    except (OSError, zipfile.BadZipFile) as error:
        raise _refusal(str(path), str(error)) from None
    if size > LARGEST:
        raise _refusal(str(path), f"{size} bytes, more than {LARGEST}")


def _load(path: Path) -> Any:
    try:
        with torch.serialization.safe_globals(_numbers()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        called = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"a call of {called[1]}" if called else "something other than tensors"
        raise BadCheckpoint(
            str(path),
            expected="tensors, numbers and their names",
            found=what,
            remedy="such a file could run any program: do not open it; save the state_dict of the "
            "model alone if you trust where it comes from",
        ) from None
    except Exception as error:  # a damaged file raises whatever it likes
        raise _refusal(str(path), f"{type(error).__name__}: {error}"[:200]) from None


def _numbers() -> list[Any]:
    """Stand-ins for what rebuilds a numpy number, such as a best validation loss."""
    return [(PickledDtype, "numpy.dtype"), *((PickledScalar, name) for name in SCALAR_NAMES)]


def _refusal(where: str, found: str) -> BadCheckpoint:
    return BadCheckpoint(
        where,
        expected="a checkpoint of the published training code: state_dict with the network model",
        found=found,
        remedy="copy it again, or name another step",
    )
