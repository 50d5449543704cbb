"""Can pictures be rendered on a GPU here? Told without opening it."""

from __future__ import annotations

from dataclasses import dataclass

from ...kernels.gpu import nvrtc
from ...kernels.gpu.cuda_python import MODULE
from ...kernels.gpu.opening import CUDA_PYTHON, PYCUDA, installed
from ..backends.driver import DRIVER_INSTALL, Driver

LEAST = 80
"""Compute capability of the oldest GPU whose tensor cores take the shapes our kernels use."""

_INSTALL = f'pip install "emogene[{nvrtc.EXTRA}]"'


@dataclass(frozen=True)
class GpuPath:
    """What was found out.

    Attributes:
        works: everything that is needed is there.
        found: what is there, or the first thing that is missing, in words.
        remedy: what brings it; empty if it works.
        wanted: there is a GPU, so that going without it is a fallback.
        api: the driver library, one of `kernels.gpu.opening.APIS`.
        architecture: of the first GPU; empty without one.
    """

    works: bool
    found: str
    remedy: str = ""
    wanted: bool = False
    api: str = ""
    architecture: str = ""


NO_GPU = GpuPath(False, "no GPU was looked for")


def find_gpu_path(driver: Driver, cubins: frozenset[str] = frozenset()) -> GpuPath:
    """Look for a GPU that is new enough, a library to reach it, and code for it.

    Args:
        driver: what `backends.driver.find_driver` gave.
        cubins: architectures that an engine directory brings kernels for.
    """
    if not driver.gpus:
        return GpuPath(False, driver.problem, DRIVER_INSTALL)
    gpu = driver.gpus[0]
    here = gpu.architecture
    if int(here.removeprefix("sm_")) < LEAST:
        found = f"{gpu.name} is {here}, kernels need sm_{LEAST} or newer"
        return GpuPath(False, found, "render on the CPU", False, "", here)
    api = CUDA_PYTHON if installed(MODULE) else PYCUDA if installed("pycuda.driver") else ""
    if not api:
        found = f"{gpu.name} is there, {CUDA_PYTHON} is not installed"
        return GpuPath(False, found, _INSTALL, True, "", here)
    if here in cubins:
        return GpuPath(True, f"{gpu.name} by {api}, cubins for {here}", "", True, api, here)
    if why := nvrtc.missing():
        found = f"{gpu.name} is there, no cubins for {here} are, and NVRTC is {why}"
        return GpuPath(False, found, _INSTALL, True, api, here)
    compiler = f"kernels compiled by NVRTC {nvrtc.version()}"
    return GpuPath(True, f"{gpu.name} by {api}, {compiler}", "", True, api, here)
