"""What a machine has for running engine directories, one check each. Nothing here raises.

Each check says what was found and, where something does not work, the exact command that mends it.
"""

from __future__ import annotations

import importlib
import platform
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..contract.errors import EmoGeneError
from ..kernels import instructions, native
from ..kernels.gpu import cuda_python
from .backends.compatibility import library_obstacle
from .backends.driver import DRIVER_INSTALL, Driver
from .backends.flavours import FLAVOURS, Flavour, load, module_name, package_version
from .backends.providers import CPU, PROVIDERS, installed_providers
from .render.gpu_path import find_gpu_path

Status = Literal["works", "does not work", "not needed"]

WORKS: Status = "works"
BROKEN: Status = "does not work"
NOT_NEEDED: Status = "not needed"

MINIMUM_FREE = 1 << 30
"""Free bytes below which building and rendering are likely to fail."""

_CPU_FEATURES = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_bf16")
_SMI_SECONDS = 10.0


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes:
        name: what was looked at.
        status: ``"works"``; ``"does not work"``, and something wants it; or ``"not needed"``: it
            is not there, and everything runs without it.
        found: what is here.
        remedy: the command that mends it, or would bring it; empty if it works.
    """

    name: str
    status: Status
    found: str
    remedy: str = ""


def check_kernels() -> Check:
    """The compiled kernels: there, and of our ABI."""
    try:
        native.library()
        used, there = instructions.chosen(), ", ".join(instructions.available())
    except EmoGeneError as error:
        return Check("kernels", BROKEN, f"{error.thing}: {error.found}", error.remedy)
    return Check("kernels", WORKS, f"ABI {native.ABI}; runs {used} of {there}")


def check_processor() -> Check:
    """Instruction sets of the processor that matter to kernels and ONNX Runtime."""
    have = _cpu_flags()
    listed = [name for name in _CPU_FEATURES if name in have]
    machine = platform.machine()
    if machine == "x86_64" and have and "sse4_2" not in have:
        remedy = "run on an x86-64 processor made after 2009 (x86-64-v2)"
        return Check("processor", BROKEN, f"{machine} without SSE 4.2", remedy)
    found = f"{machine}: {', '.join(listed)}" if listed else machine
    return Check("processor", WORKS, found)


def check_onnx_runtime(driver: Driver) -> Check:
    """ONNX Runtime, its version and its providers."""
    cpu = PROVIDERS[CPU]
    try:
        version = str(importlib.import_module("onnxruntime").__version__)
        providers = installed_providers()
    except (ImportError, OSError) as error:
        return Check("ONNX Runtime", BROKEN, _first_line(error), cpu.install)
    known = {provider.name: provider for provider in PROVIDERS.values()}
    usable = [n for n in providers if n in known and (driver.gpus or not known[n].gpu)]
    if cpu.name not in usable:
        return Check("ONNX Runtime", BROKEN, f"{version} without {cpu.name}", cpu.install)
    return Check("ONNX Runtime", WORKS, f"{version}: {', '.join(usable)}")


def check_pyav() -> Check:
    """PyAV, which reads compressed audio and writes video."""
    remedy = "pip install --force-reinstall av"
    try:
        av = importlib.import_module("av")
        encoder = av.codec.Codec("h264", "w").name
    except (ImportError, OSError, ValueError) as error:
        return Check("PyAV", BROKEN, _first_line(error), remedy)
    return Check("PyAV", WORKS, f"{av.__version__}, encodes H.264 with {encoder}")


def check_disk(folder: Path) -> Check:
    """Free space where ``folder`` lies or would lie."""
    here = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    free = shutil.disk_usage(here).free
    found = f"{free / 1e9:.1f} GB free at {here}"
    if free < MINIMUM_FREE:
        return Check("disk", BROKEN, found, f"free {MINIMUM_FREE / 1e9:.1f} GB there")
    return Check("disk", WORKS, found)


def check_gpu(driver: Driver) -> Check:
    """Driver and GPUs, as ``libcuda`` and ``nvidia-smi`` tell."""
    told = _nvidia_smi()
    if driver.gpus:
        gpus = ", ".join(
            f"{g.name} ({g.architecture}, {g.memory / 1e9:.0f} GB)" for g in driver.gpus
        )
        version = driver.version or told or "of unknown version"
        return Check("GPU", WORKS, f"{gpus}; driver {version}")
    if told or driver.version:
        # There is hardware, and something between it and us is broken.
        found = f"driver {driver.version or told}, but {driver.problem}"
        return Check("GPU", BROKEN, found, DRIVER_INSTALL)
    return Check("GPU", NOT_NEEDED, driver.problem, DRIVER_INSTALL)


def check_cuda(driver: Driver) -> Check:
    """``cuda.bindings``, through which engines and kernels reach a GPU."""
    install = 'pip install "emogene[cuda]"'
    if not driver.gpus:
        return Check("CUDA", NOT_NEEDED, "no GPU to use it with", "")
    newest = f"driver runs CUDA {driver.cuda[0]}.{driver.cuda[1]}"
    try:
        importlib.import_module(cuda_python.MODULE)
    except (ImportError, OSError) as error:
        status = BROKEN if _any_library() else NOT_NEEDED
        return Check("CUDA", status, f"{newest}; cuda.bindings: {_first_line(error)}", install)
    return Check("CUDA", WORKS, f"{newest}; cuda.bindings is installed")


def check_rendering(driver: Driver) -> Check:
    """Whether pictures can be rendered on the GPU."""
    path = find_gpu_path(driver)
    status = WORKS if path.works else BROKEN if path.wanted else NOT_NEEDED
    return Check("rendering on a GPU", status, path.found, path.remedy)


def check_library(flavour: Flavour, driver: Driver) -> Check:
    """TensorRT or TensorRT-RTX as a runtime. It is imported only where there is a GPU."""
    obstacle = library_obstacle(flavour, driver)
    if obstacle is None:
        return Check(flavour.thing, WORKS, str(load(flavour).__version__))
    if module_name(flavour) is None:
        return Check(flavour.thing, NOT_NEEDED, obstacle.found, obstacle.remedy)
    version = package_version(flavour)[0]
    if not driver.gpus:
        found = f"{version or 'installed'}, without a GPU to run engines on"
        return Check(flavour.thing, NOT_NEEDED, found, obstacle.remedy)
    found = f"{version}: {obstacle.found}".removeprefix(": ")
    return Check(flavour.thing, BROKEN, found, obstacle.remedy)


def machine_checks(driver: Driver, folder: Path) -> tuple[Check, ...]:
    """All of them, what everything needs first.

    Args:
        folder: where files will be written.
    """
    checks: list[Callable[[], Check]] = [
        check_kernels,
        check_processor,
        lambda: check_onnx_runtime(driver),
        check_pyav,
        lambda: check_disk(folder),
        lambda: check_gpu(driver),
        lambda: check_cuda(driver),
        lambda: check_rendering(driver),
    ]
    libraries = tuple(check_library(flavour, driver) for flavour in FLAVOURS.values())
    return (*(check() for check in checks), *libraries)


def _any_library() -> bool:
    return any(module_name(flavour) is not None for flavour in FLAVOURS.values())


def _cpu_flags() -> frozenset[str]:
    """Instruction sets as Linux names them; empty where it does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.partition(":")[2].split())


def _nvidia_smi() -> str:
    """Driver version as ``nvidia-smi`` tells it; empty if it is not there or fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    command = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SMI_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.split("\n")[0].strip() if done.returncode == 0 else ""


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__
