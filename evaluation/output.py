"""What ``emogene-eval`` prints."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .targets import verdicts

if TYPE_CHECKING:
    from rich.console import Console

Figures = Mapping[str, float | bool]

PIPE_WIDTH = 120
"""Of tables that no terminal says the width of."""


def print_plain(plain: Mapping[str, object]) -> None:
    """One JSON object, keys sorted."""
    print(json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False))


def print_figures(figures: Figures, left_out: Mapping[str, str]) -> None:
    """All figures in one table, then what was left out and why."""
    from rich.table import Table

    table = Table("figure", "value")
    for name in sorted(figures):
        table.add_row(name, shown(figures[name]))
    out = _console()
    out.print(table)
    for name, why in left_out.items():
        out.print(f"left out: {name}: {why}", markup=False, soft_wrap=True)


def print_targets(figures: Figures) -> None:
    """What the shipped avatar must reach, and whether it does."""
    from rich.table import Table

    table = Table("target", "bound", "found", "")
    for verdict in verdicts(figures):
        target = verdict.target
        reached = "[green]reached[/]" if verdict.reached else "[red]missed[/]"
        bound = f"{target.side} {target.bound:g} {target.unit}".rstrip()
        table.add_row(target.what, bound, shown(verdict.value), reached)
    _console().print(table)


def shown(value: float | bool) -> str:
    """A figure as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if math.isnan(value):
        return "–"
    return f"{value:.4g}"


def _console() -> Console:
    from rich.console import Console

    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False, width=None if known else PIPE_WIDTH)
