"""Arrays in the GPU's memory that other libraries read and write without a copy.

They speak the CUDA array interface (version 3: PyTorch, CuPy, Numba, PyCUDA) and DLPack (PyTorch,
CuPy, JAX, TensorFlow). `view` takes what speaks either.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...contract.errors import BadOption, SessionMisuse
from . import dlpack
from .protocol import Gpu

INTERFACE = "__cuda_array_interface__"


class DeviceArray:
    """A C-contiguous array on a GPU.

    Attributes:
        shape, dtype: as NumPy's.
        address: of its first element.
        stream: what was last enqueued for it is on this stream; 0 is the default one.

    Made by `allocate` (then `close` frees it, as does its end) or by `view` (then the memory is
    another's, and is kept alive).
    """

    def __init__(
        self,
        gpu: Gpu,
        address: int,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        stream: int,
        owner: object = None,
    ) -> None:
        self._gpu, self._owner = gpu, owner
        self.address, self.shape, self.dtype, self.stream = address, shape, dtype, stream
        # What owns nothing is freed here.
        self._free = weakref.finalize(self, gpu.free, address) if owner is None else None
        self._closed = False

    @property
    def nbytes(self) -> int:
        """Bytes it holds."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Version 3; a consumer waits for `stream` by itself."""
        self._opened()
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.address, False),
            "strides": None,
            # 0 is not allowed here: 1 stands for the default stream.
            "stream": self.stream or 1,
            "version": 3,
        }

    def __dlpack_device__(self) -> tuple[int, int]:
        """DLPack's kind of device, and which."""
        return (dlpack.CUDA, 0)

    def __dlpack__(self, *, stream: int | None = None, **rest: Any) -> Any:
        """A capsule; the consumer's ``stream`` waits for what is enqueued here.

        Raises:
            BadOption: a copy or another device is asked for.
        """
        self._opened()
        if rest.get("copy") or rest.get("dl_device") not in (None, self.__dlpack_device__()):
            raise BadOption("DLPack", expected="the array as it lies", found=str(rest))
        if stream != -1:  # -1: the consumer looks after the order himself
            self._before(stream if stream and stream > 2 else 0)
        return dlpack.capsule(self, self.address, self.shape, self.dtype, dlpack.CUDA)

    def upload(self, array: NDArray[Any], stream: int | None = None) -> None:
        """Enqueue a copy from a C-contiguous array of this shape and dtype.

        Raises:
            BadOption: it is another.
        """
        self._check(array)
        self._gpu.upload(self.address, array, self.stream if stream is None else stream)

    def numpy(self) -> NDArray[Any]:
        """A copy on the host; waits for it."""
        self._opened()
        made = np.empty(self.shape, self.dtype)
        if made.nbytes:
            self._gpu.download(made, self.address, self.stream)
        self._gpu.synchronise(self.stream)
        return made

    def close(self) -> None:
        """Free what `allocate` made; twice is fine."""
        self._closed = True
        if self._free is not None:
            self._free()
        self._owner = None

    def _opened(self) -> None:
        if self._closed:
            raise SessionMisuse("array of the GPU", expected="an open one", found="a closed one")

    def _before(self, stream: int) -> None:
        """Let ``stream`` wait for this array's own."""
        if stream == self.stream:
            return
        gpu, event = self._gpu, self._gpu.create_event()
        gpu.record(event, self.stream)
        gpu.wait(stream, event)
        gpu.destroy_event(event)

    def _check(self, array: NDArray[Any]) -> None:
        self._opened()
        if array.shape != self.shape or array.dtype != self.dtype or not array.flags.c_contiguous:
            raise BadOption(
                "array",
                expected=f"a C-contiguous {self.dtype} array {self.shape}",
                found=f"{array.dtype} {array.shape}, strides {array.strides}",
            )


def allocate(
    gpu: Gpu, shape: tuple[int, ...], dtype: Any, stream: int, data: NDArray[Any] | None = None
) -> DeviceArray:
    """A fresh array, filled with ``data`` or with whatever lies there.

    Raises:
        Unavailable: the GPU has no room.
    """
    kind = np.dtype(dtype)
    size = max(int(np.prod(shape, dtype=np.int64)) * kind.itemsize, 1)
    made = DeviceArray(gpu, gpu.allocate(size), shape, kind, stream)
    if data is not None and data.nbytes:
        made.upload(data)
    return made


def view(gpu: Gpu, name: str, given: Any, shape: tuple[int, ...], dtype: Any) -> DeviceArray:
    """Another library's array, as it lies.

    Args:
        name: for messages.
        given: speaks the CUDA array interface or DLPack.
        shape, dtype: what it must have.

    Raises:
        BadOption: it is no array of a GPU, or of another shape, dtype or layout.
    """
    kind = np.dtype(dtype)
    interface = getattr(given, INTERFACE, None)
    if interface is not None:
        found_shape, found_kind = tuple(interface["shape"]), np.dtype(interface["typestr"])
        strides, address = interface.get("strides"), int(interface["data"][0])
        stream, owner = int(interface.get("stream") or 0), given
    elif hasattr(given, "__dlpack__"):
        device = tuple(given.__dlpack_device__())
        if device[0] != dlpack.CUDA:
            raise BadOption(name, expected="an array of a GPU", found=f"DLPack device {device}")
        taken = dlpack.take(given.__dlpack__(stream=1))
        found_shape, found_kind, strides = taken.shape, taken.dtype, taken.strides
        address, stream, owner = taken.address, 0, taken
    else:
        raise BadOption(
            name,
            expected=f"an array of a GPU, with {INTERFACE} or __dlpack__",
            found=type(given).__name__,
        )
    dense = strides is None or tuple(strides) == _packed_strides(shape, kind)
    if (found_shape, found_kind) != (shape, kind) or not dense:
        raise BadOption(
            name,
            expected=f"a C-contiguous {kind} array {shape}",
            found=f"{found_kind} {found_shape}, strides {strides}",
        )
    return DeviceArray(gpu, address, shape, kind, 0 if stream in (1, 2) else stream, owner)


def _packed_strides(shape: tuple[int, ...], kind: np.dtype[Any]) -> tuple[int, ...]:
    """Strides of a C-contiguous array, bytes."""
    strides, step = [], kind.itemsize
    for length in reversed(shape):
        strides.append(step)
        step *= length
    return tuple(reversed(strides))
