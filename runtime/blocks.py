"""A few most recent results of a function of a block's index, so that windows may overlap."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Blocks(Generic[T]):
    """``blocks[i]`` is ``compute(i)``, computed again if it has been dropped meanwhile.

    Args:
        compute: must depend on nothing but the index.
        keep: results kept; what bounds the memory.
    """

    def __init__(self, compute: Callable[[int], T], keep: int) -> None:
        self._compute, self._keep = compute, keep
        self._kept: OrderedDict[int, T] = OrderedDict()

    def __getitem__(self, index: int) -> T:
        if index not in self._kept:
            self._kept[index] = self._compute(index)
            while len(self._kept) > self._keep:
                self._kept.popitem(last=False)
        self._kept.move_to_end(index)
        return self._kept[index]
