"""Ranges of settings, declared where the setting stands: ``frames: Annotated[int, AT_LEAST_1]``."""

from __future__ import annotations

import dataclasses
import math
import typing
from dataclasses import dataclass
from typing import Any

from ..contract.errors import BadOption


@dataclass(frozen=True)
class Range:
    """Finite numbers from `low` to `high`, both included unless `open_low`."""

    low: float
    high: float = float("inf")
    open_low: bool = False

    def holds(self, number: float) -> bool:
        """Whether the number is inside; NaN and infinity never are."""
        above = number > self.low if self.open_low else number >= self.low
        return above and number <= self.high and math.isfinite(number)

    def __str__(self) -> str:
        if self.high < float("inf"):
            return f"a number from {self.low:g} to {self.high:g}"
        if self.open_low:
            return f"a number above {self.low:g}"
        return f"a number of at least {self.low:g}"


POSITIVE = Range(0, open_low=True)
NOT_NEGATIVE = Range(0)
AT_LEAST_1 = Range(1)
SHARE = Range(0, 1)
DECIBELS = Range(-100, 100)


def check_ranges(config: Any, place: str = "") -> None:
    """Check every annotated number of a dataclass, and of those inside it.

    Raises:
        BadOption: one is outside its range; the message starts with its path below `place`.
    """
    hints = typing.get_type_hints(type(config), include_extras=True)
    for field in dataclasses.fields(config):
        where = f"{place}.{field.name}" if place else field.name
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            check_ranges(value, where)
        for limits in getattr(hints[field.name], "__metadata__", ()):
            if isinstance(limits, Range):
                _check(value, limits, where)


def _check(value: Any, limits: Range, where: str) -> None:
    if isinstance(value, tuple):
        for index, item in enumerate(value):
            _check(item, limits, f"{where}[{index}]")
    elif value is not None and not limits.holds(value):
        raise BadOption(where, expected=str(limits), found=repr(value))
