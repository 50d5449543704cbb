"""The NVIDIA driver and its GPUs, asked through ``libcuda`` alone.

TensorRT may take the process down where there is no driver, so this is asked before any of it is
touched.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIBRARY = "libcuda.so.1"
DRIVER_INSTALL = (
    "install the NVIDIA driver (https://www.nvidia.com/drivers), or in a container start it with "
    "--gpus all"
)

_VERSION_FILE = Path("/sys/module/nvidia/version")
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*
_MEANINGS = {
    100: "it sees no GPU",
    802: "the GPUs are not initialised yet",
    803: "the driver of the kernel and libcuda are of different versions",
    804: "the GPU does not support this forward compatible libcuda",
    999: "an unknown error",
}


@dataclass(frozen=True)
class Gpu:
    """One GPU.

    Attributes:
        name: as NVIDIA calls it.
        architecture: its compute capability, such as ``"sm_86"``.
        memory: bytes.
    """

    name: str
    architecture: str
    memory: int


@dataclass(frozen=True)
class Driver:
    """What ``libcuda`` says.

    Attributes:
        gpus: those the process may use; empty where nothing works.
        cuda: newest CUDA the driver runs, such as (13, 0); (0, 0) without a driver.
        version: of the driver, such as ``"580.65.06"``; empty if the system does not say.
        problem: why there are no GPUs.
    """

    gpus: tuple[Gpu, ...] = ()
    cuda: tuple[int, int] = (0, 0)
    version: str = ""
    problem: str = ""

    @property
    def label(self) -> str:
        """What compiled code must be kept by: driver and CUDA version."""
        return f"{self.version or 'driver'}-cuda{self.cuda[0]}.{self.cuda[1]}"


def find_driver() -> Driver:
    """Ask the driver. Never raises; what is wrong is in `Driver.problem`."""
    try:
        cuda = load_library()
    except OSError:
        return Driver(problem=f"no {LIBRARY}: no NVIDIA driver is installed")
    version = _driver_version()
    if status := cuda.cuInit(0):
        meaning = _MEANINGS.get(status, "see the CUDA driver API's CUresult")
        return Driver(version=version, problem=f"cuInit returned {status}: {meaning}")
    supported, count = ctypes.c_int(), ctypes.c_int()
    cuda.cuDriverGetVersion(ctypes.byref(supported))
    newest = (supported.value // 1000, supported.value % 1000 // 10)
    if cuda.cuDeviceGetCount(ctypes.byref(count)) or count.value == 0:
        return Driver(cuda=newest, version=version, problem="the driver sees no GPU")
    gpus = tuple(_gpu(cuda, index) for index in range(count.value))
    return Driver(gpus, newest, version)


def load_library() -> Any:
    """``libcuda``; tests put a model of it here."""
    return ctypes.CDLL(LIBRARY)


def _gpu(cuda: Any, index: int) -> Gpu:
    device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    name, memory = ctypes.create_string_buffer(256), ctypes.c_size_t()
    cuda.cuDeviceGet(ctypes.byref(device), index)
    cuda.cuDeviceGetName(name, len(name), device)
    cuda.cuDeviceGetAttribute(ctypes.byref(major), _MAJOR, device)
    cuda.cuDeviceGetAttribute(ctypes.byref(minor), _MINOR, device)
    cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    return Gpu(name.value.decode(), f"sm_{major.value}{minor.value}", memory.value)


def _driver_version() -> str:
    try:
        return _VERSION_FILE.read_text().strip()
    except OSError:
        return ""
