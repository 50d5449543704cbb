"""Reading a cubin or PTX as the driver does: architecture, kernels and their parameters."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

CUDA_13 = 65
"""A cubin's ``EI_OSABI`` from CUDA 13 on; it was 51 before, and the architecture lay elsewhere."""

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
    number = flags >> 8 if image[7] == CUDA_13 else flags
    return f"sm_{number & 0xFF}", kernels


def read_ptx(text: str) -> tuple[str, dict[str, tuple[Parameter, ...]]]:
    """The same of PTX: ``"sm_90"`` is the oldest GPU that it is for.

    Raises:
        ValueError: it is no PTX.
    """
    aimed = re.search(r"^\.target (sm_\d+)", text, re.MULTILINE)
    if not text.lstrip().startswith(("//", ".version")) or aimed is None:
        raise ValueError("no PTX")
    kernels = {}
    for name, given in re.findall(r"\.visible \.entry (\w+)\(([^)]*)\)", text):
        found, at = [], 0
        for align, bits, count in re.findall(
            r"\.param (?:\.align (\d+) )?\.[a-z](\d+)[^,\[]*(?:\[(\d+)\])?", given
        ):
            size = int(bits) // 8 * int(count or 1)
            at += -at % int(align or size)
            found.append(Parameter(at, size))
            at += size
        kernels[name] = tuple(found)
    return aimed[1], kernels


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
