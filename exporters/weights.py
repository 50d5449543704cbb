"""What an avatar holds beside its networks: the tensors of ``weights.safetensors``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save
from torch import nn

from ..contract.errors import BadCheckpoint
from ..contract.weights import table_name, weight_problems, weight_specs
from ..reference.avatar import ReferenceAvatar

Arrays = dict[str, NDArray[np.generic]]


def weights_bytes(avatar: ReferenceAvatar) -> bytes:
    """The safetensors file: everything `contract.weights` asks for, and the fields' networks.

    The networks' tensors (``<network>.<i>.weight``, ``.bias``) are for renderers that evaluate a
    whole frame in one kernel and open no ONNX file. Grid tables are stored as float16 where that
    loses nothing (they come from a float16 checkpoint), else as float32.

    Raises:
        BadCheckpoint: a tensor is missing or has another type or shape than the contract asks for.
    """
    tensors = avatar_tensors(avatar)
    head, torso, card = avatar.head.spec, avatar.torso.spec, avatar.card
    for grid in (*head.grids, *head.surface, torso.grid):
        tensors[table_name(grid)] = _halved(tensors[table_name(grid)])
    specs = weight_specs(head, torso, card.motion, card.camera)
    found = {name: (str(t.dtype), t.shape) for name, t in tensors.items()}
    if problems := weight_problems(specs, found):
        raise BadCheckpoint(
            "the avatar's tensors",
            expected="those of contract/weights.py",
            found="; ".join(problems),
            remedy="train the field again with this version",
        )
    return save({name: np.ascontiguousarray(t) for name, t in sorted(tensors.items())})


def avatar_tensors(avatar: ReferenceAvatar) -> Arrays:
    """All of them by name, as they stand in the reference.

    Raises:
        BadCheckpoint: head and torso use one name for two tensors.
    """
    parts = (_field_tensors(avatar.head), _field_tensors(avatar.torso), _own_tensors(avatar))
    joined: Arrays = {}
    for part in parts:
        if clash := sorted(set(joined) & set(part)):
            raise BadCheckpoint(
                "the avatar's tensors",
                expected="names that differ between head, torso and avatar",
                found=f"{', '.join(clash)} twice",
                remedy="name the torso's grid and networks otherwise, such as torso_colour",
            )
        joined |= part
    return joined


def _field_tensors(field: nn.Module) -> Arrays:
    """A field's tensors; its condition encoder lives in an ONNX file."""
    return {
        name: tensor.detach().cpu().numpy()
        for name, tensor in field.state_dict().items()
        if not name.startswith("condition.")
    }


def _own_tensors(avatar: ReferenceAvatar) -> Arrays:
    return {name: np.asarray(tensor) for name, tensor in avatar.tensors.items()}


def _halved(table: NDArray[np.generic]) -> NDArray[np.generic]:
    half = table.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), table) else table
