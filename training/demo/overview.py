"""What ``emogene-train demo`` shows of the whole: its plan, and at the end what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ..config import CONFIG, write_config
from ..stages import make_folder, require_space
from .plan import bytes_needed, minutes_in_all, plan
from .recipe import STAGES, DemoConfig, Workshop
from .summary import table, write_summary


def begin(folder: Path, config: DemoConfig, only: Sequence[str] = ()) -> None:
    """Store the configuration, and say what is to come and how long it takes.

    Args:
        only: the stages that will run, finished or not; none means all that have not finished.

    Raises:
        BadOutput: the folder cannot be written, or its disk has no room for the films.
    """
    workshop = Workshop(folder, config)
    done = {stage for stage in STAGES if (stage not in only if only else workshop.finished(stage))}
    if "film" not in done and not workshop.finished("film"):
        require_space(folder, bytes_needed(config))
    write_config(make_folder(folder) / CONFIG, config)
    todo = plan(config, done)
    rows = [(one.chain, one.stage, _minutes(one.minutes)) for one in todo]
    _show(("chain", "stage", "minutes of one core"), rows)
    total = minutes_in_all(todo)
    if total is not None:
        _console().print(f"about {total:.0f} minutes on two cores")


def end(folder: Path, config: DemoConfig) -> None:
    """Show and store what each stage took and reached."""
    rows = table(write_summary(folder, config))
    _show(("stage", "planned min", "measured min", "CPU min", "on held-out data"), rows)


def _minutes(minutes: float | None) -> str:
    return "–" if minutes is None else f"{minutes:.0f}"


def _show(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if rows:
        shown = Table(*heads)
        for row in rows:
            shown.add_row(*row)
        _console().print(shown)


def _console() -> Console:
    return Console(stderr=True, highlight=False)  # where progress is shown too
