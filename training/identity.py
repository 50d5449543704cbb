"""What makes a run this run: its settings and its data. Another's state is never continued."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_DIGITS = 4  # of the sums: the same data made on another machine differs in the seventh


def run_identity(config: DataclassInstance, **data: Any) -> dict[str, Any]:
    """Every setting but the loop's budget, and ``data``, what it learns from, under its name."""
    settings = {key: value for key, value in asdict(config).items() if key != "loop"}
    return settings | data


def outline(arrays: Iterable[NDArray[Any]]) -> list[float]:
    """Enough of ``arrays`` to notice that they are others: how many, their entries, two sums."""
    count, entries, total, squares = 0, 0, 0.0, 0.0
    for array in arrays:
        exact = array.astype(np.float64)
        count, entries = count + 1, entries + exact.size
        total, squares = total + exact.sum(), squares + np.square(exact).sum()
    return [count, entries, *(float(f"{value:.{_DIGITS}g}") for value in (total, squares))]
