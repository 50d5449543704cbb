"""Tensors that say they lie on another device, and operations that refuse to mix them with others.

PyTorch on a machine without a GPU has no second device to forget tensors on. These tensors call
themselves ``meta``, hold numbers all the same, and compute on the CPU.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

ELSEWHERE = "meta"
_CARRIERS = ("aten::_to_copy", "aten::copy_", "aten::_local_scalar_dense")
"""Operations that bring numbers from one device to another."""


class Elsewhere(torch.Tensor):
    """A tensor over there; ``here`` are its numbers."""

    here: torch.Tensor

    @staticmethod
    def __new__(cls, here: torch.Tensor) -> Elsewhere:
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            here.size(),
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            device=ELSEWHERE,
        )
        made.here = here
        return made

    @classmethod
    def __torch_dispatch__(
        cls, function: Any, types: Any, arguments: Any = (), named: Any = None
    ) -> Any:
        return _compute(function, arguments, named or {})


class _Operations(TorchDispatchMode):
    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Any = (), named: Any = None
    ) -> Any:
        return _compute(function, arguments, named or {})


class _Constants(TorchFunctionMode):
    """Lists become tensors out of the dispatcher's sight: by ``torch.tensor``, and as indices."""

    def __torch_function__(
        self, function: Any, types: Any, arguments: Any = (), named: Any = None
    ) -> Any:
        named = named or {}
        if function is torch.tensor and _is_elsewhere(named.get("device")):
            return Elsewhere(function(*arguments, **{**named, "device": "cpu"}))
        if function is torch.Tensor.__getitem__ and isinstance(arguments[0], Elsewhere):
            listed, places = arguments
            places = places if isinstance(places, tuple) else (places,)
            there = (Elsewhere(torch.tensor(p)) if isinstance(p, list) else p for p in places)
            return function(listed, tuple(there))
        return function(*arguments, **named)


@contextlib.contextmanager
def elsewhere() -> Iterator[str]:
    """Inside, there is a device of this name."""
    overwrite = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with _Constants(), _Operations():
            yield ELSEWHERE
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(overwrite)


def _is_elsewhere(device: Any) -> bool:
    return device is not None and torch.device(device).type == ELSEWHERE


def _compute(function: Any, arguments: Any, named: dict[str, Any]) -> Any:
    name = function._schema.name
    given = [x for x in tree_leaves((arguments, named)) if isinstance(x, torch.Tensor)]
    there = [x for x in given if isinstance(x, Elsewhere)]
    if there and name not in _CARRIERS:
        for x in given:
            if not isinstance(x, Elsewhere) and x.dim() > 0:
                raise RuntimeError(f"{name} of tensors on two devices, one {tuple(x.shape)}")
    device = named.get("device")
    made_there = bool(there) if device is None else _is_elsewhere(device)
    if name == "aten::copy_":
        made_there = isinstance(arguments[0], Elsewhere)
    at_home = {key: torch.device("cpu") if key == "device" else x for key, x in named.items()}
    made = function(*tree_map(_numbers, arguments), **tree_map(_numbers, at_home))
    if name.endswith("_") and not name.endswith("__"):  # in place; __and__ is not
        return arguments[0]
    return tree_map(_moved if made_there else _numbers, made)


def _numbers(x: Any) -> Any:
    return x.here if isinstance(x, Elsewhere) else x


def _moved(x: Any) -> Any:
    plain = isinstance(x, torch.Tensor) and not isinstance(x, Elsewhere)
    return Elsewhere(x) if plain else x
