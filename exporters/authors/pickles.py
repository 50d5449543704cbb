"""The pickled ``.npy`` data set of the published code, read without running anything in it.

A pickle is a program. This one may call nothing but the few numpy functions that rebuild arrays,
and in their place it is given stand-ins that only keep what they are told; arrays are made
afterwards, from bytes whose number has been checked.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...contract.errors import BadCheckpoint
from .words import in_words

LARGEST = 8 << 30
"""Bytes a data set may have."""

DEEPEST = 8
"""Containers within containers; the published data set has three."""

MOST_VALUES = 20_000_000
"""Values visited in all; a film of an hour has two million."""

_SPELLINGS = frozenset("?bBhHiIlLqQefdSU")
"""Kinds of numbers and strings an array may hold, as `numpy.dtype.char` spells them."""


def load_pickled_dictionary(path: Path) -> dict[str, Any]:
    """A dictionary stored with ``numpy.save``: arrays, numbers, strings, lists, dictionaries.

    Raises:
        BadCheckpoint: it is no such file, too large, or asks for anything that could run.
    """
    try:
        if path.exists() and not path.is_file():
            # Of a pipe, opening alone could last for ever.
            raise _refusal(path, "no regular file")
        if path.stat().st_size > LARGEST:
            raise _refusal(path, f"{path.stat().st_size} bytes, more than {LARGEST}")
        with path.open("rb") as file:
            _check_header(path, file)
            value = _Plain(path).of(_Unpickler(path, file).load())
    except BadCheckpoint:
        raise
    except OSError as error:
        raise _refusal(path, error.strerror or str(error)) from None
    except Exception as error:  # a damaged pickle raises whatever it likes
        raise _refusal(path, in_words(error)) from None
    if not isinstance(value, dict):
        raise _refusal(path, type(value).__name__)
    return value


def _check_header(path: Path, file: BinaryIO) -> None:
    version = np.lib.format.read_magic(file)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    shape, _, dtype = read(file) if read else ((), None, None)
    if dtype != np.dtype(object) or shape != ():
        raise _refusal(path, f"an array of {dtype} {shape}")


class PickledDtype:
    """What a pickle says of a dtype: its spelling and its byte order."""

    def __init__(self, spelled: Any, *rest: Any) -> None:
        self.spelled, self.order = str(spelled), "|"

    def __setstate__(self, state: Any) -> None:
        self.order = str(state[1])

    @property
    def is_object(self) -> bool:
        return self.spelled.startswith("O")

    def real(self) -> np.dtype[Any]:
        """The dtype itself, if it is one of plain numbers or strings."""
        made = np.dtype(self.spelled)
        if made.char not in _SPELLINGS:
            raise pickle.UnpicklingError(f"an array of {self.spelled!r}")
        return made.newbyteorder(self.order) if self.order in "<>" else made


class PickledArray:
    """What a pickle says of an array."""

    def __setstate__(self, state: Any) -> None:
        _, self.shape, self.dtype, self.fortran, self.content = state

    def real(self) -> NDArray[Any] | list[Any]:
        """The array; the list of its elements where they are Python objects."""
        shape = tuple(int(n) for n in self.shape)
        if not isinstance(self.dtype, PickledDtype) or min(shape, default=0) < 0:
            raise pickle.UnpicklingError("an array without a type or of no shape")
        count = int(np.prod(shape, dtype=object)) if shape else 1
        if self.dtype.is_object:
            if not isinstance(self.content, list) or len(self.content) != count:
                raise pickle.UnpicklingError("an array whose elements are not there")
            return self.content
        dtype = self.dtype.real()
        if not isinstance(self.content, bytes) or len(self.content) != count * dtype.itemsize:
            raise pickle.UnpicklingError("an array whose bytes do not fill its shape")
        array = np.frombuffer(self.content, dtype).reshape(
            shape, order="F" if self.fortran else "C"
        )
        return np.ascontiguousarray(array.astype(dtype.newbyteorder("=")))


class PickledScalar:
    """A numpy number."""

    def __init__(self, dtype: Any, content: Any = b"") -> None:
        self.dtype, self.content = dtype, content

    def real(self) -> Any:
        dtype = self.dtype.real()
        if not isinstance(self.content, bytes) or len(self.content) != dtype.itemsize:
            raise pickle.UnpicklingError("a number whose bytes are not there")
        return np.frombuffer(self.content, dtype)[0].item()


def _reconstruct(kind: Any, shape: Any, spelled: Any) -> PickledArray:
    return PickledArray()


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """How protocol 2 writes bytes."""
    if encoding != "latin1" or not isinstance(text, str):
        raise pickle.UnpicklingError(f"bytes encoded as {encoding!r}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """How protocol 2 writes no bytes at all."""
    return b""


SCALAR_NAMES = tuple(f"numpy.{core}.multiarray.scalar" for core in ("core", "_core"))
"""What rebuilds a numpy number, by its old and its new place."""

_STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): PickledArray,
    ("numpy", "dtype"): PickledDtype,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
    **{
        (f"numpy.{core}.multiarray", name): stand_in
        for core in ("core", "_core")
        for name, stand_in in (("_reconstruct", _reconstruct), ("scalar", PickledScalar))
    },
}


class _Unpickler(pickle._Unpickler):  # type: ignore[misc, name-defined]
    """The reader in Python: the one in C makes room for as many objects as a file says it names,
    which twenty bytes can make 34 GB."""

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)  # type: ignore[attr-defined]

    def __init__(self, path: Path, file: BinaryIO) -> None:
        super().__init__(file)
        self._path = path

    def load_build(self) -> None:
        """Let stand-ins alone keep a state: else one could change our own functions."""
        if type(self.stack[-2]) not in (PickledArray, PickledDtype):
            raise pickle.UnpicklingError("a state of something that has none")
        super().load_build()

    dispatch[pickle.BUILD[0]] = load_build

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _STAND_INS:
            return _STAND_INS[module, name]
        raise BadCheckpoint(
            str(self._path),
            expected="arrays, numbers, strings, lists and dictionaries",
            found=f"a call of {module}.{name}",
            remedy="such a file could run any program: do not open it, and make the data set again "
            "with the published binarizer",
        )

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("a reference to something outside the file")


class _Plain:
    """Turns what stood in the pickle into arrays and plain values; each object once."""

    def __init__(self, path: Path) -> None:
        self._path, self._made, self._visited = path, dict[int, Any](), 0

    def of(self, value: Any, depth: int = 0) -> Any:
        self._visited += 1
        if depth > DEEPEST or self._visited > MOST_VALUES:
            raise pickle.UnpicklingError("containers nested too deeply, or too many values")
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if id(value) not in self._made:
            # Kept with its object, so that no other gets its number.
            self._made[id(value)] = (value, self._made_of(value, depth + 1))
        return self._made[id(value)][1]

    def _made_of(self, value: Any, depth: int) -> Any:
        if isinstance(value, PickledArray):
            real = value.real()
            if isinstance(real, np.ndarray):
                return real
            elements = [self.of(v, depth) for v in real]
            return elements[0] if value.shape == () else elements
        if isinstance(value, PickledScalar):
            return value.real()
        if isinstance(value, (list, tuple)):
            return [self.of(v, depth) for v in value]
        if isinstance(value, dict):
            return {str(self.of(k, depth)): self.of(v, depth) for k, v in value.items()}
        raise pickle.UnpicklingError(f"a {type(value).__name__}")


def _refusal(path: Path, found: str) -> BadCheckpoint:
    return BadCheckpoint(
        str(path),
        expected="the trainval_dataset.npy that the published binarizer writes",
        found=found,
        remedy="copy it again, or make it again with the published binarizer",
    )
