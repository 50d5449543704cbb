"""Array types of the kernels and the checks that stand before every call into C."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..contract.errors import BadOption

Float32: TypeAlias = NDArray[np.float32]
Int32: TypeAlias = NDArray[np.int32]
UInt8: TypeAlias = NDArray[np.uint8]
Bool: TypeAlias = NDArray[np.bool_]
Vector: TypeAlias = tuple[float, float, float]

Shape: TypeAlias = tuple[int | None, ...]
"""Lengths an array must have; None stands for any."""

F32, I32, U8, BOOL = "float32", "int32", "uint8", "bool"


def address(
    name: str, array: NDArray[Any], dtype: str, shape: Shape, *, write: bool = False
) -> int:
    """Where the array's first element lies, once it is known to be what C expects.

    Raises:
        BadOption: not a C-contiguous array of this dtype and shape, or not writeable.
    """
    if not isinstance(array, np.ndarray):
        raise BadOption(
            name,
            expected=f"a numpy array of {dtype}",
            found=type(array).__name__,
            remedy=f"pass numpy.asarray({name}, numpy.{dtype})",
        )
    fits = array.ndim == len(shape) and all(
        want is None or have == want for have, want in zip(array.shape, shape, strict=True)
    )
    if array.dtype.name != dtype or not fits:
        raise BadOption(
            name,
            expected=f"{dtype} {_written(shape)}",
            found=f"{array.dtype.name} {_written(array.shape)}",
        )
    if not array.flags.c_contiguous:
        raise BadOption(
            name,
            expected="a C-contiguous array",
            found=f"strides {array.strides}",
            remedy=f"pass numpy.ascontiguousarray({name})",
        )
    if write and not array.flags.writeable:
        raise BadOption(name, expected="an array that may be written", found="a read-only one")
    return int(array.ctypes.data)


def optional_address(name: str, array: NDArray[Any] | None, dtype: str, shape: Shape) -> int | None:
    """`address`, or None (NULL in C) for None."""
    return None if array is None else address(name, array, dtype, shape)


def length(name: str, array: NDArray[Any]) -> int:
    """Rows of an array; its dtype and shape are checked by `address`.

    Raises:
        BadOption: not an array, or a scalar.
    """
    if not isinstance(array, np.ndarray) or array.ndim == 0:
        raise BadOption(name, expected="an array with rows", found=type(array).__name__)
    return int(array.shape[0])


def check_indices(name: str, indices: Int32, limit: int) -> None:
    """Every index is in [0, limit): what C would not survive otherwise.

    Raises:
        BadOption: one is not.
    """
    if indices.size and (int(indices.min()) < 0 or int(indices.max()) >= limit):
        raise BadOption(
            name,
            expected=f"indices from 0 to {limit - 1}",
            found=f"{int(indices.min())} to {int(indices.max())}",
        )


def check_offsets(name: str, offsets: Int32, samples: int) -> None:
    """Offsets start at 0, never fall and end at the number of samples.

    Raises:
        BadOption: they do not.
    """
    sound = offsets[0] == 0 and offsets[-1] == samples and bool(np.all(offsets[1:] >= offsets[:-1]))
    if not sound:
        raise BadOption(
            name,
            expected=f"rising offsets from 0 to the {samples} samples",
            found=f"{int(offsets[0])} to {int(offsets[-1])}",
        )


def check_at_least(name: str, value: float, least: float) -> None:
    """`value` >= `least`; NaN is refused.

    Raises:
        BadOption: it is less.
    """
    if not value >= least:
        raise BadOption(name, expected=f"at least {least:g}", found=f"{value:g}")


def check_positive(name: str, value: float) -> None:
    """`value` > 0 and finite.

    Raises:
        BadOption: it is not.
    """
    if not 0 < value < float("inf"):
        raise BadOption(name, expected="a positive number", found=f"{value:g}")


def _written(shape: Shape) -> str:
    names = ("any" if length is None else str(length) for length in shape)
    return "(" + ", ".join(names) + ("," if len(shape) == 1 else "") + ")"
