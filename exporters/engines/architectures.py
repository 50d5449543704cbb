"""Which GPUs an engine is built for: compute capabilities such as ``sm_86``."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...contract.engines import Precision
from ...contract.errors import BadOption
from ...runtime.backends.flavours import RTX

RTX_ARCHITECTURES: tuple[int, ...] = tuple(int(a.removeprefix("sm_")) for a in RTX.architectures)
"""What TensorRT-RTX can build for, on any machine."""

DEFAULT_RTX_ARCHITECTURES: tuple[str, ...] = ("sm_86", "sm_89", "sm_120")
"""Ampere, Ada and Blackwell of workstations and desktops; all of them take every precision."""

KERNEL_ARCHITECTURES: tuple[int, ...] = (80, 86, 87, 89, 90, 100, 103, 110, 120, 121)
"""What our CUDA kernels are compiled for: the GPUs whose tensor cores take the shapes we use."""

DATA_CENTRE: dict[int, str] = {90: "Hopper", 100: "Blackwell", 103: "Blackwell"}
"""Data-centre generations that only TensorRT proper serves."""

TURING = 75

OPTION = "--sm"

_SPELLING = re.compile(r"(?:sm_?)?(\d{1,2})\.?(\d)", re.IGNORECASE)


def parse_architectures(text: str) -> tuple[str, ...]:
    """``"86,8.9,sm_120"`` → ``("sm_86", "sm_89", "sm_120")``, sorted, without repetitions.

    Raises:
        BadOption: an entry is no compute capability that anything here is built for.
    """
    entries = [part.strip() for part in text.split(",")]
    found = set()
    for entry in entries:
        match = _SPELLING.fullmatch(entry)
        if not match:
            raise _refuse(repr(entry), "write them as in 86,89,120")
        found.add(int("".join(match.groups())))
    known = sorted({*RTX_ARCHITECTURES, *KERNEL_ARCHITECTURES})
    for number in sorted(found - set(known)):
        raise _refuse(f"sm_{number}", "leave it out", known)
    return tuple(f"sm_{number}" for number in sorted(found))


def rtx_architectures(chosen: Iterable[str]) -> tuple[str, ...]:
    """Those that TensorRT-RTX builds for."""
    return tuple(name for name in chosen if int(name[3:]) in RTX_ARCHITECTURES)


def kernel_architectures(chosen: Iterable[str]) -> tuple[str, ...]:
    """Those that our CUDA kernels are compiled for."""
    return tuple(name for name in chosen if int(name[3:]) in KERNEL_ARCHITECTURES)


def check_architectures(
    architectures: Iterable[str], precision: Precision | None = None
) -> tuple[int, ...]:
    """The numbers of ``architectures``, if TensorRT-RTX builds for them all.

    Args:
        precision: of the network; None leaves out what depends on it.

    Raises:
        BadOption: one cannot be built for, none is given, or one does not bear ``precision``.
    """
    numbers = []
    for name in architectures:
        digits = name.removeprefix("sm_")
        number = int(digits) if digits.isdecimal() else -1
        if number in DATA_CENTRE:
            raise _refuse(
                f"{name} ({DATA_CENTRE[number]} of the data centre)",
                "build it on that machine with TensorRT proper: --target tensorrt",
            )
        if number not in RTX_ARCHITECTURES:
            raise _refuse(name, "leave it out")
        numbers.append(number)
    if not numbers:
        raise _refuse("none", "leave the option out for the usual ones")
    if precision is not None and TURING in numbers and precision != "fp16":
        raise BadOption(
            OPTION,
            expected=f"GPUs that multiply matrices in {precision}",
            found=f"sm_{TURING}, for which TensorRT-RTX only does so in fp16",
            remedy=f"leave {TURING} out, or build with --precision fp16",
        )
    return tuple(numbers)


def _refuse(found: str, remedy: str, known: Iterable[int] = RTX_ARCHITECTURES) -> BadOption:
    listed = ", ".join(map(str, known))
    return BadOption(
        OPTION, expected=f"compute capabilities out of {listed}", found=found, remedy=remedy
    )
