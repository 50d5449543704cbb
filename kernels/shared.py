"""Numbers in memory that two processes have mapped, with the order of reads and writes kept.

What was written before `store` is seen by whoever loads the number it stored; what is read after
`load` is at least as new. Plain writes from Python promise neither on processors that reorder them.
"""

from __future__ import annotations

from . import native

_store = native.Kernel("emogene_shared_store", native.POINTER, native.U64)
_load = native.Kernel("emogene_shared_load", native.POINTER, result=native.U64)


def store(address: int, value: int) -> None:
    """Write ``value`` (0 … 2⁶⁴ - 1) to an ``address`` that is a multiple of 8."""
    _store(address, value)


def load(address: int) -> int:
    """The number at an ``address`` that is a multiple of 8."""
    return int(_load(address))
