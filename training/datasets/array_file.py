"""Arrays that somebody else wrote, an .npz file, read as what it is: untrusted."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST_ARRAY = 1 << 28
"""Bytes of landmarks of one recording: two hours in double precision are 196 million."""

_SUFFIX = ".npy"

# What zipfile, zlib and NumPy raise at damage, encryption, unknown compression, pickles, and
# headers that ask for more memory than there is.
_DAMAGE = (
    OSError, ValueError, EOFError, KeyError, SyntaxError, TypeError, RuntimeError, MemoryError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


class UnreadableArray(Exception):
    """Its message says why an array could not be read."""


def array_names(path: Path) -> frozenset[str]:
    """The arrays of an .npz file.

    Raises:
        UnreadableArray: there is no such file, or it is none.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except _DAMAGE as error:
        raise UnreadableArray(_said(error)) from None
    return frozenset(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))


def read_array(path: Path, name: str) -> NDArray[Any]:
    """The array `name` of an .npz file; nothing is unpickled.

    Raises:
        UnreadableArray: it is not there, is damaged, or holds more than `LARGEST_ARRAY` bytes.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = archive.getinfo(name + _SUFFIX)
            if found.file_size > LARGEST_ARRAY:  # a few compressed bytes may stand for gigabytes
                raise UnreadableArray(f"{found.file_size} bytes, more than {LARGEST_ARRAY}")
            with archive.open(found) as member:
                array: NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
    except _DAMAGE as error:
        raise UnreadableArray(_said(error)) from None
    return array


def _said(error: BaseException) -> str:
    said = getattr(error, "strerror", None) or str(error)
    return said.splitlines()[0] if said else type(error).__name__
