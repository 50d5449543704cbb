"""Loading the compiled kernels and calling them.

Their C ABI is described in ``cpp/emogene_kernels.h``; the structures here mirror its.
"""

from __future__ import annotations

import ctypes
import functools
import os
from importlib import resources
from typing import Any

from ..contract.errors import BadOption, KernelLibraryMissing
from .arrays import Vector
from .threads import ThreadPool

ABI = 4
"""``EMOGENE_KERNELS_ABI`` of the header this module was written for."""

LIBRARY_VARIABLE = "EMOGENE_KERNELS_LIBRARY"
"""Environment variable that names another library file than the installed one."""

_REMEDY = (
    "install the package again with a C++ compiler at hand (pip install .), or build it with "
    "cmake -S . -B build/dev && cmake --build build/dev and set "
    f"{LIBRARY_VARIABLE}=build/dev/libemogene_kernels.so"
)

POINTER = ctypes.c_void_p
I32, I64, F32 = ctypes.c_int32, ctypes.c_int64, ctypes.c_float
U64 = ctypes.c_uint64


@functools.cache
def library() -> ctypes.CDLL:
    """The compiled kernels, loaded once.

    Raises:
        KernelLibraryMissing: there is no such file, it cannot be loaded, or its ABI is another.
    """
    installed = resources.files(__package__) / "lib" / "libemogene_kernels.so"
    path = os.environ.get(LIBRARY_VARIABLE) or str(installed)
    if not os.path.isfile(path):
        raise KernelLibraryMissing(
            path, expected="the compiled kernels", found="no such file", remedy=_REMEDY
        )
    try:
        loaded = ctypes.CDLL(path)
        version = int(loaded.emogene_kernels_abi())
    except (OSError, AttributeError) as error:
        raise KernelLibraryMissing(
            path, expected="the compiled kernels", found=str(error), remedy=_REMEDY
        ) from error
    if version != ABI:
        raise KernelLibraryMissing(
            path, expected=f"kernels with ABI {ABI}", found=f"ABI {version}", remedy=_REMEDY
        )
    return loaded


class Kernel:
    """One function of the library; the library is loaded at the first call.

    Args:
        name: its name in C.
        arguments: ctypes of its arguments, without the pool that many have as their last.
        result: ctype of what it returns.
    """

    def __init__(self, name: str, *arguments: Any, result: Any = None) -> None:
        self._name, self._arguments, self._result = name, arguments, result

    @functools.cached_property
    def _function(self) -> Any:
        # Not through the library's attribute, which all users of the name would share.
        kind = ctypes.CFUNCTYPE(self._result, *self._arguments)
        return kind((self._name, library()))

    @functools.cached_property
    def _function_with_pool(self) -> Any:
        kind = ctypes.CFUNCTYPE(self._result, *self._arguments, POINTER)
        return kind((self._name, library()))

    def __call__(self, *arguments: Any) -> Any:
        """Calls a function that takes no pool."""
        return self._function(*arguments)

    def on(self, pool: ThreadPool | None, *arguments: Any) -> Any:
        """Calls a function whose last argument is the pool."""
        if pool is None:
            return self._function_with_pool(*arguments, None)
        create = functools.partial(_create_pool, pool.threads)
        with pool.leased(create, _destroy_pool) as handle:
            return self._function_with_pool(*arguments, handle)


_pool_create = Kernel("emogene_pool_create", I32, result=POINTER)
_pool_destroy = Kernel("emogene_pool_destroy", POINTER)


def _create_pool(threads: int) -> int:
    handle = _pool_create(threads)
    if not handle:
        raise BadOption("threads", expected="as many as the system gives", found=str(threads))
    return int(handle)


def _destroy_pool(handle: int) -> None:
    _pool_destroy(handle)


class Camera(ctypes.Structure):
    """``emogene_camera``."""

    _fields_ = (("size", I32), ("focal", F32), ("cx", F32), ("cy", F32))


class Box(ctypes.Structure):
    """``emogene_box``."""

    _fields_ = (("low", F32 * 3), ("high", F32 * 3))

    @classmethod
    def of(cls, bounds_min: Vector, bounds_max: Vector) -> Box:
        """A box with positive sides.

        Raises:
            BadOption: a side is not positive.
        """
        if not all(high > low for low, high in zip(bounds_min, bounds_max, strict=True)):
            raise BadOption(
                "bounds",
                expected="a minimum below the maximum on every axis",
                found=f"{tuple(bounds_min)} to {tuple(bounds_max)}",
            )
        return cls((F32 * 3)(*bounds_min), (F32 * 3)(*bounds_max))
