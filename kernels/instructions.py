"""Which instruction sets the fused renderer was compiled for, and which of them is used.

``EMOGENE_CPU`` names one; without it the one that is fastest on this processor is
used: the last of `available`, but for bfloat16 where float32 multiplies faster.
"""

from __future__ import annotations

import ctypes
import os

from ..contract.errors import BadOption, Unavailable
from . import native

VARIABLE = "EMOGENE_CPU"
"""Environment variable that names the instruction set to use."""

_name = native.Kernel("emogene_instructions_name", native.I32, result=ctypes.c_char_p)
_works = native.Kernel("emogene_instructions_work", native.I32, result=native.I32)
_best = native.Kernel("emogene_instructions_best", result=native.I32)


def compiled() -> tuple[str, ...]:
    """Names of all that the library holds, from the plainest to the best."""
    names: list[str] = []
    while (name := _name(len(names))) is not None:
        names.append(name.decode())
    return tuple(names)


def available() -> tuple[str, ...]:
    """Those of `compiled` that this processor and its operating system run."""
    return tuple(name for i, name in enumerate(compiled()) if _works(i))


def chosen(name: str | None = None) -> str:
    """The one to use: ``name``, else what ``EMOGENE_CPU`` says, else the fastest here.

    Raises:
        BadOption: no such instruction set.
        Unavailable: this processor does not have it.
    """
    thing = "instruction set" if name else VARIABLE
    name = name or os.environ.get(VARIABLE)
    there = available()
    if not name:
        return compiled()[int(_best())]
    if name not in compiled():
        raise BadOption(
            thing,
            expected=f"one of {', '.join(compiled())}",
            found=repr(name),
            remedy=f"unset {VARIABLE} to use the best one",
        )
    if name not in there:
        raise Unavailable(
            thing,
            expected=f"one this processor has: {', '.join(there)}",
            found=name,
            remedy=f"unset {VARIABLE} to use the best one",
        )
    return name


def number(name: str) -> int:
    """Its number in the library."""
    return compiled().index(name)
