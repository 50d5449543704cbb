"""TensorRT and TensorRT-RTX are one API; what differs stands in one table.

Nothing here loads a library but `load`, which only a worker process calls.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import platform
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Literal

from ...contract.errors import BadOption, Unavailable

EngineTarget = Literal["tensorrt", "tensorrt-rtx"]


@dataclass(frozen=True)
class Flavour:
    """What one of the two libraries is called and can do.

    Attributes:
        target: its name in options and manifests.
        modules: Python modules that may hold it, the preferred first.
        distributions: packages that bring them, for the version.
        oldest: first version with the API we use.
        install: the command that brings it.
        ahead_of_time: builds for chosen architectures without a GPU; else for the GPU at hand.
        unsupported: what its API offers and refuses, so that nobody tries again.
    """

    target: EngineTarget
    modules: tuple[str, ...]
    distributions: tuple[str, ...]
    oldest: tuple[int, int]
    install: str
    ahead_of_time: bool
    unsupported: tuple[str, ...]


FLAVOURS: dict[str, Flavour] = {
    flavour.target: flavour
    for flavour in (
        Flavour(
            "tensorrt-rtx",
            ("tensorrt_rtx", "tensorrt_rtx_bindings"),
            ("tensorrt_rtx_cu13_bindings", "tensorrt_rtx_cu12_bindings", "tensorrt_rtx"),
            (1, 0),
            'pip install "emogene[gpu]"',
            True,
            (
                "hardware_compatibility_level",
                "VERSION_COMPATIBLE",
                "REFIT and STRIP_PLAN without a driver",
                "the timing cache",
                "float32 and bfloat16 matrix products on sm_75",
            ),
        ),
        Flavour(
            "tensorrt",
            ("tensorrt",),
            ("tensorrt_cu13", "tensorrt_cu12", "tensorrt"),
            (10, 12),
            "pip install tensorrt",
            False,
            ("building without a GPU", "precision flags and calibrators (since 11)"),
        ),
    )
}

FLAGS: tuple[str, ...] = ("strongly_typed", "no_tf32")
"""How every engine is built, and part of its cache key: the ONNX file alone decides on precision;
TF32, on by default, would round the factors of fp32 products to 10 bits."""


def flavour_of(target: str) -> Flavour:
    """The entry of ``target`` (`BadOption` if no engines are built for it)."""
    if target not in FLAVOURS:
        raise BadOption("--target", expected=f"one of {', '.join(FLAVOURS)}", found=target)
    return FLAVOURS[target]


def module_name(flavour: Flavour) -> str | None:
    """The module that is installed; None if there is none."""
    return next((m for m in flavour.modules if importlib.util.find_spec(m) is not None), None)


def require(target: str) -> Flavour:
    """The flavour, if engines for it can be built here.

    Raises:
        BadOption: no engines are built for this target.
        Unavailable: the library is missing or too old, or it needs a GPU and there is none.
    """
    flavour = flavour_of(target)
    thing = f"building {target} engines"
    name = module_name(flavour)
    if name is None:
        raise Unavailable(
            thing,
            expected=f"the Python module {' or '.join(flavour.modules)}",
            found="not installed",
            remedy=flavour.install,
        )
    # The GPU comes before the version: asking for it loads the library, which needs the driver.
    if not flavour.ahead_of_time:
        gpu_architecture()
    version = tool_version(target)
    if _numbers(version) < flavour.oldest:
        raise Unavailable(
            thing,
            expected=f"version {'.'.join(map(str, flavour.oldest))} or later",
            found=version,
            remedy=f"{flavour.install} --upgrade",
        )
    return flavour


def tool_version(target: str) -> str:
    """Exact version of the installed library, without loading it here; it must be installed.

    Raises:
        Unavailable: it is installed and cannot be loaded.
    """
    flavour = flavour_of(target)
    for name in flavour.distributions:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    code = f"import {module_name(flavour)} as m; print(m.__version__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise Unavailable(
            f"building {target} engines",
            expected=f"a module {module_name(flavour)} that can be imported",
            found=last,
            remedy=f"{flavour.install} --force-reinstall",
        )
    return done.stdout.strip()


def tool(target: str) -> str:
    """Name and exact version, as `contract.engines.EngineSpec.tool` has it."""
    return f"{target} {tool_version(target)}"


def load(flavour: Flavour) -> Any:
    """Import the library. Only for worker processes: it may take the process down."""
    name = module_name(flavour)
    if name is None:
        raise ImportError(f"none of {', '.join(flavour.modules)}")
    return importlib.import_module(name)


def gpu_architecture() -> str:
    """Compute capability of the first GPU, such as ``"sm_90"``.

    Raises:
        Unavailable: there is no NVIDIA driver or no GPU.
    """
    name = "nvcuda.dll" if platform.system() == "Windows" else "libcuda.so.1"
    try:
        cuda = ctypes.CDLL(name)
    except OSError:
        raise _no_gpu(f"no {name}: no NVIDIA driver") from None
    status = cuda.cuInit(0)
    if status:
        raise _no_gpu(f"a driver whose cuInit returns {status}")
    device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    # Attributes 75 and 76 are the major and minor compute capability.
    statuses = (
        cuda.cuDeviceGet(ctypes.byref(device), 0),
        cuda.cuDeviceGetAttribute(ctypes.byref(major), 75, device),
        cuda.cuDeviceGetAttribute(ctypes.byref(minor), 76, device),
    )
    if any(statuses):
        raise _no_gpu("a driver without a GPU")
    return f"sm_{major.value}{minor.value}"


def _no_gpu(found: str) -> Unavailable:
    return Unavailable(
        "building tensorrt engines",
        expected="an NVIDIA GPU, which TensorRT builds for and measures on",
        found=found,
        remedy="build on the machine that will run them, or use --target tensorrt-rtx, "
        "which needs no GPU to build",
    )


def _numbers(version: str) -> tuple[int, int]:
    first, second, *_ = (*version.split("."), "0")
    return int(first), int(second) if second.isdecimal() else 0
