"""The state of a stopped run: one safetensors file that holds all it takes to go on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ..contract.errors import BadCheckpoint
from ..reference.checkpoint import load_tensors
from .files import save_tensors

_SHOWN = 4  # differences between two configurations that a message lists


def save_state(
    path: Path,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    identity: Mapping[str, Any],
    progress: Mapping[str, float],
) -> None:
    """Write model, optimiser, what makes the run this run, and how far it is, atomically."""
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    for index, slots in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{k}": torch.as_tensor(v) for k, v in slots.items()}
    # Numbers are written as repr does, so they are read back to the last bit.
    described = {"identity": _plain(identity), "progress": dict(progress)}
    save_tensors(path, tensors, {name: json.dumps(value) for name, value in described.items()})


def load_state(
    path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, identity: Mapping[str, Any]
) -> dict[str, float]:
    """Put model and optimiser into the stored state; returns how far the run was.

    Raises:
        BadCheckpoint: the file is damaged, or belongs to a run of another identity; the message
            names the settings that differ.
    """
    remedy = f"choose another folder, or delete {path.parent} to start afresh"
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        was, progress = (json.loads(metadata[name]) for name in ("identity", "progress"))
    except (SafetensorError, KeyError, ValueError) as error:
        raise BadCheckpoint(
            str(path), expected="the state of a stopped run", found=str(error), remedy=remedy
        ) from None
    if changed := differences(was, _plain(identity)):
        shown = "; ".join(changed[:_SHOWN]) + ("; …" if len(changed) > _SHOWN else "")
        raise BadCheckpoint(
            str(path),
            expected="a run of these settings and this data",
            found=shown,
            remedy=f"give --config {path.parent / 'config.yaml'} and its data to go on with it, or "
            + remedy,
        )
    load_tensors(model, _with_prefix(tensors, "model."), str(path))
    slots: dict[int, dict[str, Tensor]] = {}
    for name, value in _with_prefix(tensors, "optimiser.").items():
        index, key = name.split(".", 1)
        slots.setdefault(int(index), {})[key] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": slots, "param_groups": groups})
    return dict(progress)


def differences(was: Any, now: Any, place: str = "") -> list[str]:
    """Where two plain values differ, as ``learning_rate was 0.001 and is 0.002``."""
    if isinstance(was, dict) and isinstance(now, dict):
        found: list[str] = []
        for name in sorted(was.keys() | now.keys()):
            inside = f"{place}.{name}" if place else name
            found += differences(was.get(name), now.get(name), inside)
        return found
    if was == now:
        return []
    return [f"{place or 'the configuration'} was {_short(was)} and is {_short(now)}"]


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "…"


def _plain(identity: Mapping[str, Any]) -> Any:
    """As JSON brings it back: tuples become lists."""
    return json.loads(json.dumps(identity, default=str))


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
