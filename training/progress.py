"""How far trainings are: bars on a terminal, a line a minute elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

Report = Callable[[str, float, str], None]
"""`report(stage, fraction, text)`: how far a stage is, 0…1, and its state in words; fraction 1
without words once when the stage has finished."""

RESUMED = "goes on at"
"""How the words of a stage begin that was stopped before."""

LINE_EVERY_S = 60.0
_FIRST_ESTIMATE_S = 3.0  # a shorter time tells nothing about the rest

Clock = Callable[[], float]


@contextmanager
def displayed(stream: IO[str] | None = None) -> Iterator[Report]:
    """Show what is reported inside, on standard error where no stream is given."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield lines(stream)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description:12}"), BarColumn(24), TextColumn("{task.percentage:3.0f} %"),
        TextColumn("{task.fields[left]:>12}"), TextColumn("{task.fields[text]}", markup=False),
    )  # fmt: skip
    with Progress(*columns, console=Console(file=stream)) as bars:
        shown: dict[str, tuple[int, TimeLeft]] = {}

        def report(stage: str, fraction: float, text: str) -> None:
            if stage not in shown:
                task = bars.add_task(stage, total=1.0, text="", left="")
                shown[stage] = (task, TimeLeft())
            task, clock = shown[stage]
            left = clock.spent if _finished(fraction, text) else clock.left(fraction)
            bars.update(task, completed=fraction, text=text, left=left)  # type: ignore[arg-type]

        yield report


def lines(stream: IO[str], now: Clock = time.monotonic) -> Report:
    """Plain lines: a stage begun, every minute how far it is, and how long it took."""
    clocks: dict[str, TimeLeft] = {}
    due: dict[str, float] = {}

    def report(stage: str, fraction: float, text: str) -> None:
        said = ""
        if stage not in clocks:
            clocks[stage] = TimeLeft(now)
            due[stage] = now() + LINE_EVERY_S
            said = "begun"
        left = clocks[stage].left(fraction)
        if text.startswith(RESUMED):
            said = text
        elif _finished(fraction, text):
            said = f"done in {clocks[stage].spent}"
        elif now() >= due[stage]:
            due[stage] = now() + LINE_EVERY_S
            parts = (f"{100 * fraction:.0f} %", left, text)
            said = ", ".join(part for part in parts if part)
        if said:
            print(f"{stage}: {said}", file=stream, flush=True)

    return report


class TimeLeft:
    """Estimates from the share of a budget spent since training began, or went on midway."""

    def __init__(self, now: Clock = time.monotonic) -> None:
        self._now = now
        self._began = now()
        self._from: tuple[float, float] | None = None  # when training began, and at what fraction

    @property
    def spent(self) -> str:
        """Time since the first report, in words."""
        return duration(self._now() - self._began)

    def left(self, fraction: float) -> str:
        """Time to the end, in words; nothing while there is too little to go by."""
        if self._from is None and fraction > 0:
            self._from = (self._now(), fraction)
        began, first = self._from or (self._now(), 0.0)
        spent, done = self._now() - began, fraction - first
        if spent < _FIRST_ESTIMATE_S or done <= 0:
            return ""
        return f"{duration(spent / done * (1 - fraction))} left"


def duration(seconds: float) -> str:
    """``45 s``, ``12 min`` or ``2 h 05 min``."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"


def _finished(fraction: float, text: str) -> bool:
    return fraction >= 1.0 and not text
