"""What the commands of ``emogene-export`` print, and where."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from .build import Finished, Noted
    from .exporting import Started

Fraction = Callable[[str, float], None]
"""Told what is being done and the share of it that is done, 0…1."""


PIPE_WIDTH = 120
"""Of tables that no terminal says the width of."""


def console() -> Console:
    """Standard output."""
    from rich.console import Console

    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False, width=None if known else PIPE_WIDTH)


def line(out: Console, text: str) -> None:
    """Print as it stands: ``[✓]`` is no markup, and a long line is not wrapped."""
    out.print(text, markup=False, soft_wrap=True)


def print_json(plain: Any) -> None:
    """Indented, with sorted keys."""
    print(json.dumps(plain, indent=2, sort_keys=True))


@contextmanager
def progress(out: Console) -> Iterator[tuple[Started, Finished, Noted]]:
    """Callbacks that show what is at work and print a line for each network that is done.

    On a terminal a bar shows the share of the networks that is done; elsewhere only lines appear.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as bar:
        task = bar.add_task("reading checkpoints", total=None)

        def started(what: str, done: float, count: int) -> None:
            bar.update(task, description=what, completed=done, total=count)

        yield started, lambda report: line(out, report.line()), lambda words: line(out, words)
