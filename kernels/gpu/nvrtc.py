"""NVIDIA's run-time compiler, called through its C library: CUDA C++ → cubin, or PTX.

It compiles for every architecture it knows on a machine without a GPU, a driver or a toolkit: the
wheel ``nvidia-cuda-nvrtc`` brings it whole.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...contract.cubins import KernelResources
from ...contract.errors import Failure, MissingExtra, Unavailable
from .resources import parse_resources
from .sources import Unit

EXTRA = "cuda"
"""Extra of the package that brings NVRTC and the driver's bindings."""

STANDARD_OPTIONS = (
    "-std=c++17",
    # The same rounding as on the CPU: a * b + c is fused only where it is spelled out.
    "--fmad=false",
    "--ptxas-options=-v",
)

_NAMES = ("libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so")
_COMPILATION_FAILED = 6
_ARCHITECTURE = "--gpu-architecture"
_REAL, _VIRTUAL = "sm_", "compute_"


@dataclass(frozen=True)
class Cubin:
    """Machine code for one architecture, or PTX of which the driver makes some.

    Attributes:
        image: the ELF file, or the text with a zero byte behind it, that the driver loads.
        architecture: such as ``"sm_90"``; ``"compute_90"`` of PTX.
        kernels: what each takes, by name; unknown of PTX.
    """

    image: bytes
    architecture: str
    kernels: tuple[KernelResources, ...]


def compile_cubin(unit: Unit, architecture: str, options: tuple[str, ...] = ()) -> Cubin:
    """Compile a source for one architecture.

    Args:
        architecture: such as ``"sm_90"``; ``"compute_90"`` gives PTX.
        options: of NVRTC, after `STANDARD_OPTIONS`.

    Raises:
        MissingExtra: NVRTC is not installed.
        Unavailable: this NVRTC does not know the architecture.
        Failure: the source does not compile; its first error is in the message.
    """
    nvrtc = _library()
    known, wants_ptx = architectures(), architecture.startswith(_VIRTUAL)
    if _capability(architecture) not in known:
        raise Unavailable(
            f"compiling for {architecture}",
            expected=f"an architecture out of {', '.join(map(str, known))}",
            found=f"{architecture}, which NVRTC {version()} does not know",
            remedy="install another version of nvidia-cuda-nvrtc",
        )
    program = ctypes.c_void_p()
    headers = tuple(unit.headers.items())
    _check(
        "nvrtcCreateProgram",
        nvrtc.nvrtcCreateProgram(
            ctypes.byref(program),
            unit.text.encode(),
            unit.name.encode(),
            len(headers),
            _strings([text for _, text in headers]),
            _strings([name for name, _ in headers]),
        ),
    )
    try:
        arguments = [f"{_ARCHITECTURE}={architecture}", *STANDARD_OPTIONS, *options]
        status = nvrtc.nvrtcCompileProgram(program, len(arguments), _strings(arguments))
        log = _bytes(nvrtc, "nvrtcGetProgramLogSize", "nvrtcGetProgramLog", program)
        said = log.rstrip(b"\0").decode(errors="replace")
        if status:
            raise _refused(unit, architecture, status, said)
        form = "PTX" if wants_ptx else "CUBIN"
        image = _bytes(nvrtc, f"nvrtcGet{form}Size", f"nvrtcGet{form}", program)
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return Cubin(image, architecture, parse_resources(said))


def version() -> str:
    """Of the compiler, such as ``"13.5"``.

    Raises:
        MissingExtra: NVRTC is not installed.
    """
    major, minor = ctypes.c_int(), ctypes.c_int()
    _check("nvrtcVersion", _library().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)))
    return f"{major.value}.{minor.value}"


def architectures() -> tuple[int, ...]:
    """Compute capabilities it compiles for, such as ``(75, 80, …)``.

    Raises:
        MissingExtra: NVRTC is not installed.
    """
    nvrtc, count = _library(), ctypes.c_int()
    _check("nvrtcGetNumSupportedArchs", nvrtc.nvrtcGetNumSupportedArchs(ctypes.byref(count)))
    found = (ctypes.c_int * count.value)()
    _check("nvrtcGetSupportedArchs", nvrtc.nvrtcGetSupportedArchs(found))
    return tuple(found)


def target(architecture: str) -> str:
    """What to compile for a GPU of this architecture: itself, or where NVRTC is older than the GPU
    the newest PTX below it, of which the GPU's driver makes machine code.

    Raises:
        MissingExtra: NVRTC is not installed.
    """
    capability, known = _capability(architecture), architectures()
    below = [one for one in known if one < capability]
    if capability in known or not below:
        return architecture
    return f"{_VIRTUAL}{max(below)}"


def missing() -> str:
    """Why nothing can be compiled here, in words; empty if it can."""
    try:
        _library()
    except MissingExtra as error:
        return error.found
    return ""


def candidates() -> Iterator[str]:
    """Where the library may be: in a wheel, in a toolkit, where the system looks."""
    spec = importlib.util.find_spec("nvidia")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for name in _NAMES[:2]:
            # CUDA 13 keeps all its wheels' libraries in one folder, 12 one folder for each wheel.
            yield from sorted(map(str, Path(place).glob(f"*/lib/{name}")), reverse=True)
    homes = [os.environ.get(variable) for variable in ("CUDA_HOME", "CUDA_PATH")]
    for home in (*homes, "/usr/local/cuda"):
        if home:
            yield from (f"{home}/lib64/{name}" for name in _NAMES)
    yield from _NAMES


@functools.cache
def _library() -> Any:
    for path in candidates():
        try:
            _load_builtins(Path(path))
            library = ctypes.CDLL(path)
        except OSError:
            continue
        library.nvrtcGetErrorString.restype = ctypes.c_char_p
        return library
    raise MissingExtra("nvidia.cuda_nvrtc", EXTRA, "compiling CUDA kernels")


def _load_builtins(library: Path) -> None:
    """Load what NVRTC asks the system's loader for when it compiles, from NVRTC's own folder.

    Not every wheel says where it lies: 13.0's, which PyTorch 2.11 brings, finds nothing by itself.
    """
    if library.is_absolute():
        for path in sorted(library.parent.glob("libnvrtc-builtins.so.*")):
            ctypes.CDLL(str(path))


def _capability(architecture: str) -> int:
    """90 of ``"sm_90"``, ``"sm_90a"`` and ``"compute_90"``; 0 of what is no architecture."""
    digits = architecture.removeprefix(_REAL).removeprefix(_VIRTUAL).rstrip("af")
    return int(digits) if digits.isdecimal() else 0


def _check(call: str, status: int) -> None:
    if status:
        said = _library().nvrtcGetErrorString(status).decode()
        raise Failure(call, expected="success", found=f"NVRTC error {status}: {said}")


def _strings(values: list[str]) -> Any:
    return (ctypes.c_char_p * len(values))(*(value.encode() for value in values))


def _bytes(nvrtc: Any, size_of: str, copy: str, program: ctypes.c_void_p) -> bytes:
    size = ctypes.c_size_t()
    _check(size_of, getattr(nvrtc, size_of)(program, ctypes.byref(size)))
    data = ctypes.create_string_buffer(size.value)
    _check(copy, getattr(nvrtc, copy)(program, data))
    return data.raw


def _refused(unit: Unit, architecture: str, status: int, log: str) -> Failure:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    first = next((line for line in lines if "error" in line), lines[0] if lines else "no reason")
    what = "code that compiles" if status == _COMPILATION_FAILED else "options NVRTC takes"
    return Failure(f"kernels/{unit.name} for {architecture}", expected=what, found=first)
