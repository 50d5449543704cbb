"""Reading a cubin as the driver does: its architecture, its kernels and their parameters."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_MACHINE = 190  # EM_CUDA
_KERNEL_PARAMETER = 0x17  # EIATTR_KPARAM_INFO


@dataclass(frozen=True)
class Parameter:
    """Where an argument lies in a launch's parameters, and how many bytes it has."""

    offset: int
    size: int


def read_cubin(image: bytes) -> tuple[str, dict[str, tuple[Parameter, ...]]]:
    """``"sm_90"`` and the parameters of every kernel by its name.

    Raises:
        ValueError: it is no whole cubin.
    """
    try:
        return _read(image)
    except (struct.error, IndexError) as error:
        raise ValueError(f"truncated: {error}") from None


def _read(image: bytes) -> tuple[str, dict[str, tuple[Parameter, ...]]]:
    if image[:4] != b"\x7fELF" or struct.unpack_from("<H", image, 18)[0] != _MACHINE:
        raise ValueError("no cubin")
    (at,) = struct.unpack_from("<Q", image, 40)
    (flags,) = struct.unpack_from("<I", image, 48)
    size, count, names = struct.unpack_from("<HHH", image, 58)
    sections = [struct.unpack_from("<IIQQQQ", image, at + i * size) for i in range(count)]
    strings = sections[names][4]
    kernels = {}
    for name_at, _, _, _, start, length in sections:
        end = image.index(b"\0", strings + name_at)
        name = image[strings + name_at : end].decode()
        if name.startswith(".nv.info."):
            kernels[name.removeprefix(".nv.info.")] = _parameters(image[start : start + length])
    return f"sm_{flags >> 8 & 0xFF}", kernels


def _parameters(info: bytes) -> tuple[Parameter, ...]:
    """Of one kernel, in order."""
    found, at = {}, 0
    while at < len(info):
        form, attribute, value = struct.unpack_from("<BBH", info, at)
        at += 4
        if form != 4:  # its value stands in those four bytes
            continue
        if attribute == _KERNEL_PARAMETER:
            _, ordinal, offset, packed = struct.unpack_from("<IHHI", info, at)
            found[ordinal] = Parameter(offset, packed >> 18)
        at += value
    return tuple(found[i] for i in range(len(found)))
