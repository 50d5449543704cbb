"""TensorRT and TensorRT-RTX are one API at run time; what differs stands in one table."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from ...contract.engines import Target


@dataclass(frozen=True)
class Flavour:
    """What one of the two libraries is called and can do when engines are run.

    Attributes:
        target: its name in options and manifests.
        modules: Python modules that may hold it, the preferred first.
        distributions: packages that bring them with the CUDA they need, the preferred first;
            0 leaves it open.
        majors: major versions whose API is known.
        install: the command that brings it.
        architectures: compute capabilities it serves; empty: all that the installed version knows.
        jit: finishes engines on the GPU, so what it compiled is worth keeping; it also captures
            CUDA graphs itself.
    """

    target: Target
    modules: tuple[str, ...]
    distributions: tuple[tuple[str, int], ...]
    majors: tuple[int, ...]
    install: str
    architectures: tuple[str, ...]
    jit: bool

    @property
    def thing(self) -> str:
        """What messages call it."""
        return "TensorRT-RTX" if self.jit else "TensorRT"


RTX = Flavour(
    "tensorrt-rtx",
    ("tensorrt_rtx", "tensorrt_rtx_bindings"),
    (
        ("tensorrt_rtx_cu13_bindings", 13),
        ("tensorrt_rtx_cu12_bindings", 12),
        ("tensorrt_rtx", 0),
    ),
    (1,),
    'pip install "emogene[gpu]"',
    ("sm_75", "sm_80", "sm_86", "sm_89", "sm_120", "sm_121"),
    True,
)
PROPER = Flavour(
    "tensorrt",
    ("tensorrt",),
    (("tensorrt_cu13", 13), ("tensorrt_cu12", 12), ("tensorrt", 0)),
    (10, 11),
    'pip install tensorrt "emogene[gpu]"',
    (),
    False,
)
FLAVOURS: dict[str, Flavour] = {flavour.target: flavour for flavour in (PROPER, RTX)}
"""By target, the preferred first: TensorRT proper compiles ahead for the GPU at hand."""


def module_name(flavour: Flavour) -> str | None:
    """The module that is installed, found without importing it; None if there is none."""
    for name in flavour.modules:
        if importlib.util.find_spec(name) is not None:
            return name
    return None


def package_version(flavour: Flavour) -> tuple[str, int]:
    """Version of the installed package and the CUDA major it needs, without importing it.

    ``("", 0)`` if no package manager knows of it.
    """
    for name, cuda in flavour.distributions:
        try:
            return metadata.version(name), cuda
        except metadata.PackageNotFoundError:
            continue
    return "", 0


def load(flavour: Flavour) -> Any:
    """Import the library. Only after `driver.find_driver` found a GPU.

    Raises:
        ImportError: it is missing, or one of its own libraries is.
    """
    name = module_name(flavour)
    if name is None:
        raise ImportError(f"no module {' or '.join(flavour.modules)}")
    return importlib.import_module(name)
