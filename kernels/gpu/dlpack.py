"""DLPack's capsules: one C structure that array libraries hand to each other.

Layout and ownership as its specification (``DLManagedTensor``, version 0) has them: the producer
sets a deleter, the consumer renames the capsule and calls the deleter when it is done.
"""

from __future__ import annotations

import ctypes
import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...contract.errors import BadOption

CPU, CUDA = 1, 2
"""Kinds of devices."""

_NAME, _USED = b"dltensor", b"used_dltensor"
_KINDS = {"i": 0, "u": 1, "f": 2, "b": 6}


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_kind", ctypes.c_int32),
        ("device", ctypes.c_int32),
        ("dimensions", ctypes.c_int32),
        ("kind", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("offset", ctypes.c_uint64),
    )


class _Managed(ctypes.Structure):
    pass


_Deleter = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Managed))
_Managed._fields_ = (("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", _Deleter))

_python = ctypes.pythonapi
_Destructor = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_new = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, _Destructor)(
    ("PyCapsule_New", _python)
)
_is = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_IsValid", _python)
)
_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", _python)
)
_rename = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_SetName", _python)
)

_handed_out: dict[int, tuple[object, ...]] = {}
"""What consumers still read: by the address of its structure, everything that must live so long."""


def _let_go(managed: Any) -> None:
    _handed_out.pop(ctypes.addressof(managed.contents), None)


def _discard_untaken(capsule: int) -> None:
    # A capsule that nobody took still has its first name.
    if _is(capsule, _NAME):
        _handed_out.pop(_pointer(capsule, _NAME), None)


_delete, _discard = _Deleter(_let_go), _Destructor(_discard_untaken)


def capsule(
    owner: object, address: int, shape: tuple[int, ...], dtype: np.dtype[Any], device_kind: int
) -> Any:
    """A capsule of a C-contiguous array; ``owner`` lives as long as somebody reads it."""
    lengths = (ctypes.c_int64 * len(shape))(*shape)
    managed = _Managed()
    tensor = managed.tensor
    tensor.data, tensor.device_kind, tensor.device = address, device_kind, 0
    tensor.dimensions, tensor.lanes = len(shape), 1
    tensor.kind, tensor.bits = _KINDS[dtype.kind], 8 * dtype.itemsize
    tensor.shape = ctypes.cast(lengths, ctypes.POINTER(ctypes.c_int64))
    managed.deleter = _delete
    at = ctypes.addressof(managed)
    _handed_out[at] = (owner, managed, lengths)
    return _new(at, _NAME, _discard)


@dataclass(frozen=True, eq=False)
class Taken:
    """Another library's array; its memory lives as long as this.

    Attributes:
        address: of its first element.
        shape, dtype: as NumPy's.
        strides: bytes; None is C-contiguous.
        device_kind: `CPU` or `CUDA`.
    """

    address: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    strides: tuple[int, ...] | None
    device_kind: int


def take(made: Any) -> Taken:
    """Become the owner of a capsule.

    Raises:
        BadOption: it was taken before, is of a newer kind, or holds numbers that NumPy has not.
    """
    if not _is(id(made), _NAME):
        raise BadOption("DLPack", expected="a capsule that nobody took", found=repr(made))
    managed = _Managed.from_address(_pointer(id(made), _NAME))
    tensor = managed.tensor
    letters = {number: letter for letter, number in _KINDS.items()}
    if tensor.kind not in letters or tensor.lanes != 1:
        found = f"kind {tensor.kind}, {tensor.bits} bits, {tensor.lanes} lanes"
        raise BadOption("DLPack", expected="whole or floating numbers", found=found)
    dtype = np.dtype(f"{letters[tensor.kind]}{tensor.bits // 8}")
    shape = tuple(tensor.shape[i] for i in range(tensor.dimensions))
    strides = None
    if tensor.strides:
        strides = tuple(tensor.strides[i] * dtype.itemsize for i in range(tensor.dimensions))
    address = (tensor.data or 0) + tensor.offset
    taken = Taken(address, shape, dtype, strides, tensor.device_kind)
    _rename(made, _USED)
    if managed.deleter:
        weakref.finalize(taken, managed.deleter, ctypes.pointer(managed))
    return taken
