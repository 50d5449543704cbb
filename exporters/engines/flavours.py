"""Building with TensorRT and TensorRT-RTX: what `runtime.backends.flavours` leaves to be told.

Nothing here loads a library but `load`, which only a worker process calls. What their API offers
and then refuses, so that nobody tries again: TensorRT-RTX has no hardware compatibility level,
fails with ``VERSION_COMPATIBLE``, fails with ``REFIT`` and ``STRIP_PLAN`` where there is no driver,
and asks for a GPU as soon as it is given a timing cache; TensorRT 11 has neither precision flags
nor calibrators.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any, Literal

from ...contract.errors import BadOption, Unavailable
from ...runtime.backends import driver
from ...runtime.backends import flavours as table
from ...runtime.backends.flavours import FLAVOURS, Flavour

EngineTarget = Literal["tensorrt", "tensorrt-rtx"]

AHEAD_OF_TIME: EngineTarget = "tensorrt-rtx"
"""Builds for chosen architectures on any machine; the other builds for the GPU at hand."""

OLDEST: dict[str, tuple[int, int]] = {"tensorrt-rtx": (1, 0), "tensorrt": (10, 12)}
"""First version of each with the API we build with."""

FLAGS: tuple[str, ...] = ("strongly_typed", "no_tf32")
"""How every engine is built, and part of its cache key: the ONNX file alone decides on precision;
TF32, on by default, would round the factors of fp32 products to 10 bits."""


def flavour_of(target: str) -> Flavour:
    """The entry of ``target`` (`BadOption` if no engines are built for it)."""
    if target not in FLAVOURS:
        raise BadOption("--target", expected=f"one of {', '.join(FLAVOURS)}", found=target)
    return FLAVOURS[target]


def require(target: str) -> Flavour:
    """The flavour, if engines for it can be built here.

    Raises:
        BadOption: no engines are built for this target.
        Unavailable: the library is missing or too old, or it needs a GPU and there is none.
    """
    flavour = flavour_of(target)
    if table.module_name(flavour) is None:
        raise Unavailable(
            _building(target),
            expected=f"the Python module {' or '.join(flavour.modules)}",
            found="not installed",
            remedy=flavour.install,
        )
    # The GPU comes before the version: asking for that may load the library.
    if target != AHEAD_OF_TIME:
        gpu_architecture()
    version, oldest = tool_version(target), OLDEST[target]
    if _numbers(version) < oldest:
        raise Unavailable(
            _building(target),
            expected=f"version {'.'.join(map(str, oldest))} or later",
            found=version,
            remedy=f"{flavour.install} --upgrade",
        )
    return flavour


def tool_version(target: str) -> str:
    """Exact version of the library, without loading it into this process; it must be installed.

    Raises:
        Unavailable: it is installed and cannot be loaded.
    """
    flavour = flavour_of(target)
    version, _ = table.package_version(flavour)
    if version:
        return version
    name = table.module_name(flavour)
    code = f"import {name} as m; print(m.__version__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise Unavailable(
            _building(target),
            expected=f"a module {name} that can be imported",
            found=last,
            remedy=f"{flavour.install} --force-reinstall",
        )
    return done.stdout.strip()


def tool(target: str) -> str:
    """Name and exact version, as `contract.engines.EngineSpec.tool` has it."""
    return f"{target} {tool_version(target)}"


def load(target: str) -> Any:
    """Import the library. Only for worker processes: it may take the process down.

    Raises:
        ImportError: it is missing, or one of its own libraries is.
    """
    # Not the runtime's `load`, which wants a GPU first.
    flavour = flavour_of(target)
    return importlib.import_module(table.module_name(flavour) or flavour.modules[0])


def gpu_architecture() -> str:
    """Compute capability of the first GPU, such as ``"sm_90"``.

    Raises:
        Unavailable: there is no NVIDIA driver or no GPU.
    """
    found = driver.find_driver()
    if not found.gpus:
        raise Unavailable(
            _building("tensorrt"),
            expected="an NVIDIA GPU, which TensorRT builds for and measures on",
            found=found.problem,
            remedy="build on the machine that will run them, or use --target tensorrt-rtx, "
            "which needs no GPU to build",
        )
    return found.gpus[0].architecture


def _building(target: str) -> str:
    return f"building {target} engines"


def _numbers(version: str) -> tuple[int, int]:
    first, second, *_ = (*version.split("."), "0")
    return int(first), int(second) if second.isdecimal() else 0
