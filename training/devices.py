"""Where networks are trained: the CPU, or a GPU as torch's default device.

A training makes its modules and draws its noise on torch's default device and moves what it takes
from arrays there with `on_device`; nothing else in it knows of devices.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from ..contract.errors import BadOption, Unavailable


def on_device(array: NDArray[Any]) -> Tensor:
    """The array on the default device; it shares the array's memory there where that is the CPU."""
    return torch.from_numpy(array).to(torch.get_default_device())


def default_device(name: str) -> AbstractContextManager[Any]:
    """Make `name` the default device inside.

    Nothing is entered for the CPU: torch looks at every call inside such a context.

    Raises:
        BadOption, Unavailable: as `check_device`.
    """
    device = check_device(name)
    return nullcontext() if device.type == "cpu" else device


def check_device(name: str) -> torch.device:
    """The device of that name: ``cpu``, ``cuda`` or ``cuda:1``.

    Raises:
        BadOption: there is no such kind of device.
        Unavailable: this machine, or its torch, has none.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise BadOption("--device", expected="cpu, cuda or cuda:N", found=repr(name))
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise Unavailable(
            f"--device {name}",
            expected="a GPU and a torch built for CUDA",
            found=f"torch {torch.__version__}, {torch.cuda.device_count()} GPUs",
            remedy="train with --device cpu",
        )
    return device
