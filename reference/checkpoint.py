"""Networks on disk: a folder with ``config.json`` and ``weights.safetensors``, nothing pickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from ..contract.codec import CodecError, canonical, from_plain, to_plain
from ..contract.engine_directory import replace_folder
from ..contract.errors import BadCheckpoint

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "weights.safetensors"

Network = TypeVar("Network", bound=nn.Module)
"""A module built from one configuration: it has ``config`` and its class ``config_type``."""


def save_network(folder: str | Path, network: nn.Module, half: bool = False) -> None:
    """Write a network, replacing what an earlier call wrote there only once all is written.

    Args:
        folder: new, empty, or written by this function before.
        half: store learned parameters as float16. Buffers (statistics, landmark positions) keep
            their type: they are small, and rounding them would move the face.

    Raises:
        BadOutput: the folder cannot be written or holds something else.
    """
    learned = {name for name, _ in network.named_parameters()}
    tensors = {}
    for name, tensor in network.state_dict().items():
        shrink = half and name in learned and tensor.dtype == torch.float32
        tensors[name] = (tensor.half() if shrink else tensor).detach().cpu().contiguous().clone()
    described = {"network": type(network).__name__, "config": to_plain(network.config)}
    with replace_folder(Path(folder), CONFIG_FILE, (WEIGHTS_FILE,)) as fresh:
        (fresh / CONFIG_FILE).write_bytes(canonical(described))
        # Not `save_file`: it leaves the file readable to its owner alone.
        (fresh / WEIGHTS_FILE).write_bytes(save(tensors))


def load_network(folder: str | Path, kind: type[Network], **options: Any) -> Network:
    """Read a network, in evaluation mode.

    Args:
        folder: what `save_network` wrote.
        kind: the network's class.
        options: further arguments of its constructor.

    Raises:
        BadCheckpoint: there is none, it is damaged, or it does not fit ``kind``.
    """
    folder = Path(folder)
    config = _read_config(folder / CONFIG_FILE, kind)
    try:
        network = kind(config, **options)
    except ValueError as error:
        raise BadCheckpoint(
            str(folder / CONFIG_FILE),
            expected="a configuration that fits together",
            found=str(error),
            remedy="train the network again",
        ) from None
    load_tensors(network, read_tensors(folder / WEIGHTS_FILE), str(folder / WEIGHTS_FILE))
    return network.eval()


def load_tensors(network: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Copy tensors into a network; floating-point ones are converted to the network's type.

    Raises:
        BadCheckpoint: names or shapes differ; the message lists every one of them.
    """
    check_names_and_shapes(network, tensors, where)
    wanted = network.state_dict()
    network.load_state_dict({name: t.to(wanted[name].dtype) for name, t in tensors.items()})


def check_names_and_shapes(network: nn.Module, tensors: Mapping[str, Tensor], where: str) -> None:
    """Refuse tensors that are not a network's own, as `load_tensors` does.

    Args:
        network: one on PyTorch's device ``meta``, which takes no memory, will do.

    Raises:
        BadCheckpoint: names or shapes differ; the message lists every one of them.
    """
    wanted = network.state_dict()
    missing = sorted(set(wanted) - set(tensors))
    unexpected = sorted(set(tensors) - set(wanted))
    said = [f"missing {', '.join(missing)}"] if missing else []
    said += [f"unexpected {', '.join(unexpected)}"] if unexpected else []
    for name in sorted(set(wanted) & set(tensors)):
        want, have = wanted[name], tensors[name]
        if want.shape != have.shape:
            said.append(f"{name} is {tuple(have.shape)} instead of {tuple(want.shape)}")
        elif want.dtype != have.dtype and not (want.is_floating_point() and _is_float(have)):
            said.append(f"{name} is {have.dtype} instead of {want.dtype}")
    if said:
        raise BadCheckpoint(
            where,
            expected=f"the {len(wanted)} tensors of {type(network).__name__}",
            found="; ".join(said),
            remedy="use the checkpoint with the configuration it was trained with",
        )


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file.

    Raises:
        BadCheckpoint: there is none, or it is damaged.
    """
    if not path.is_file():
        raise _missing(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise BadCheckpoint(
            str(path),
            expected="a safetensors file",
            found=str(error),
            remedy="the file is damaged: copy it again",
        ) from None


def read_json(path: Path) -> Any:
    """A JSON file's plain value.

    Raises:
        BadCheckpoint: there is none, or it is not JSON.
    """
    if not path.is_file():
        raise _missing(path)
    try:
        return json.loads(path.read_text("utf-8"))
    except (ValueError, OSError) as error:
        raise BadCheckpoint(
            str(path),
            expected="JSON",
            found=str(error),
            remedy="the file is damaged: copy it again",
        ) from None


def read_dataclass(path: Path, kind: type[Any], plain: Any) -> Any:
    """``plain``, which stood in ``path``, as a dataclass; raises `BadCheckpoint` otherwise."""
    try:
        return from_plain(kind, plain)
    except CodecError as error:
        raise BadCheckpoint(
            str(path),
            expected=f"a {kind.__name__}",
            found=str(error),
            remedy="use a checkpoint of this version",
        ) from None


def _read_config(path: Path, kind: type[Any]) -> Any:
    plain = read_json(path)
    found = plain.get("network") if isinstance(plain, dict) else plain
    if found != kind.__name__:
        raise BadCheckpoint(
            str(path),
            expected=f"the network {kind.__name__}",
            found=repr(found),
            remedy="name the folder of the right network",
        )
    return read_dataclass(path, kind.config_type, plain.get("config"))


def _missing(path: Path) -> BadCheckpoint:
    return BadCheckpoint(
        str(path),
        expected="a file of a checkpoint",
        found="nothing there",
        remedy="make one with: emogene-train demo -o CHECKPOINTS",
    )


def _is_float(tensor: Tensor) -> bool:
    return tensor.is_floating_point()
