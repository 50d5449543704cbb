"""Opening a GPU by the library that is installed."""

from __future__ import annotations

import importlib.util
import sys

from ...contract.errors import BadOption
from .protocol import Gpu

AUTO, CUDA_PYTHON, PYCUDA = "auto", "cuda-python", "pycuda"
APIS = (AUTO, CUDA_PYTHON, PYCUDA)
"""``auto``: NVIDIA's own, or PyCUDA where only that is installed."""


def open_gpu(api: str = AUTO, index: int = 0) -> Gpu:
    """A GPU's primary context.

    Args:
        api: one of `APIS`.
        index: which GPU.

    Raises:
        BadOption: there is no such library.
        MissingExtra: it is not installed.
        Failure: the driver refuses; ask `runtime.backends.driver.find_driver` first.
    """
    if api not in APIS:
        raise BadOption("GPU library", expected=f"one of {', '.join(APIS)}", found=repr(api))
    if api == AUTO:
        lacking = not installed("cuda.bindings.driver") and installed("pycuda.driver")
        api = PYCUDA if lacking else CUDA_PYTHON
    if api == PYCUDA:
        from .py_cuda import PyCudaGpu

        return PyCudaGpu(index)
    from .cuda_python import CudaPythonGpu

    return CudaPythonGpu(index)


def installed(module: str) -> bool:
    """Whether a module can be imported, which it is not."""
    if module in sys.modules:
        return sys.modules[module] is not None
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
