"""``libcuda.so.1`` on the machine of ``fake_cuda``: the real bindings call C functions of this one.

Once it is loaded, everything in the process that asks for ``libcuda.so.1`` is given this one. So
only processes that live for it may call `load`.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .fake_cuda import Machine
from .fake_driver import CudaError, _State

SOURCE = Path(__file__).with_suffix(".cpp")

_OUTPUTS: dict[str, tuple[int, Any]] = {
    "cuDriverGetVersion": (0, ctypes.c_int),
    "cuDeviceGetCount": (0, ctypes.c_int),
    "cuDeviceGet": (0, ctypes.c_int),
    "cuDeviceGetAttribute": (0, ctypes.c_int),
    "cuDeviceTotalMem": (0, ctypes.c_size_t),
    "cuDevicePrimaryCtxRetain": (0, ctypes.c_void_p),
    "cuCtxPopCurrent": (0, ctypes.c_void_p),
    "cuMemAlloc": (0, ctypes.c_uint64),
    "cuStreamCreate": (0, ctypes.c_void_p),
    "cuEventCreate": (0, ctypes.c_void_p),
    "cuEventElapsedTime": (0, ctypes.c_float),
    "cuStreamEndCapture": (1, ctypes.c_void_p),
    "cuGraphInstantiate": (0, ctypes.c_void_p),
    "cuModuleLoadData": (0, ctypes.c_void_p),
    "cuModuleGetFunction": (0, ctypes.c_void_p),
    "cuOccupancyMaxActiveBlocksPerMultiprocessor": (0, ctypes.c_int),
}
"""Which parameter of a function is where its answer goes, and what that is."""


UNKNOWN = 98765
"""A handle that is answered with a status of the same number, which no binding knows."""

_kept: list[Any] = []
"""What C calls."""


def load(machine: Machine, folder: Path) -> _State:
    """Compile the library into ``folder``, and let everything in this process find it."""
    compiler = os.environ.get("CXX") or shutil.which("g++")
    assert compiler is not None, "there is no C++ compiler"
    library = folder / "libcuda.so.1"
    command = [compiler, "-std=c++17", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", str(SOURCE)]
    if not library.exists():
        subprocess.run([*command, "-o", str(library)], check=True)
    state = _State(machine)
    loaded = ctypes.CDLL(str(library))
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(ctypes.c_uint64))

    def answer(name: bytes, arguments: Any) -> int:
        try:
            return _answer(machine, state, name.decode(), arguments)
        except CudaError as error:
            return error.status

    _kept.append(kind(answer))
    loaded.answer_by(_kept[-1])
    return state


def _answer(machine: Machine, state: _State, name: str, arguments: Any) -> int:
    machine.log.append(name)
    at, kind = _OUTPUTS.get(name, (None, None))
    function: Callable[..., Any] = _OWN.get(name) or getattr(state, name)
    count = function.__code__.co_argcount - 1  # all but the model itself
    given = [arguments[i] for i in range(count + (at is not None))]
    if UNKNOWN in given:
        return UNKNOWN
    if name == "cuDeviceGetName":  # what is behind the name stays as it was
        text = b"Model GPU\0"
        ctypes.memmove(arguments[0], text, len(text))
        return 0
    if at is not None:
        del given[at]
    if name == "cuModuleLoadData":
        given = [_image(given[0])]
    if name == "cuModuleGetFunction":
        given[1] = ctypes.string_at(given[1])
    result = function(machine, *given) if name in _OWN else function(*given)
    if kind is not None and at is not None:
        kind.from_address(arguments[at]).value = result
    return 0


_OWN: dict[str, Callable[..., Any]] = {
    "cuDeviceGetCount": lambda machine: machine.gpus,
}


def _image(address: int) -> bytes:
    """A module's bytes, whose length an ELF file tells and a text ends with a zero byte."""
    if ctypes.string_at(address, 4) != b"\x7fELF":
        return ctypes.string_at(address)
    head = ctypes.string_at(address, 64)
    ends = [64]
    for start, count_at in ((32, 54), (40, 58)):  # of segments, then of sections
        first = int.from_bytes(head[start : start + 8], "little")
        size = int.from_bytes(head[count_at : count_at + 2], "little")
        count = int.from_bytes(head[count_at + 2 : count_at + 4], "little")
        ends.append(first + size * count)
    return ctypes.string_at(address, max(ends))
