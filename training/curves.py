"""Learning curves as pictures: losses on a logarithmic axis, held-out figures beside them.

Figures of one unit share a panel: decibels, shares of one, and errors; others get their own.
Drawn without pyplot, so nothing global changes and no window is ever opened.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .files import write_atomically
from .loop import CURVE, SCORES

PICTURE = "curve.png"
SHEET = "curves.png"
"""One stage's curves in its folder; all stages' in the folder above."""

_CLOCKS = ("step", "cpu_s", "wall_s")
_SMOOTHED_FROM = 20  # rows; fewer are drawn as they are
_INCH = (4.6, 3.2)  # width and height of a panel


@dataclass(frozen=True)
class Table:
    """Columns of a curve's CSV file."""

    steps: tuple[float, ...]
    columns: Mapping[str, tuple[float, ...]]


def read_table(path: Path) -> Table:
    """Read a CSV file that a loop may be writing; rows that are not complete are left out."""
    if not path.is_file():
        return Table((), {})
    with path.open(newline="") as file:
        header, *rows = list(csv.reader(file)) or [[]]
    numbers = [[_number(cell) for cell in row] for row in rows if len(row) == len(header)]
    columns = dict(zip(header, zip(*numbers, strict=True), strict=True)) if numbers else {}
    steps = columns.get("step", ())
    return Table(steps, {name: column for name, column in columns.items() if name not in _CLOCKS})


def draw_curve(folder: Path) -> bool:
    """Draw a stage's ``curve.csv`` and ``scores.csv`` as ``curve.png``; False if there are none."""
    tables = _tables(Path(folder))
    if not tables[0].steps:
        return False
    panels = 1 + len(_by_unit(tables[1]))
    figure = _figure(panels * _INCH[0], _INCH[1])
    _draw(figure, Path(folder).name, *tables)
    _save(figure, Path(folder) / PICTURE)
    return True


def draw_sheet(work: Path, stages: Sequence[str]) -> tuple[str, ...]:
    """Draw the curves of all `stages` below `work` as one ``curves.png``, a row each.

    Returns:
        The stages that have a curve; without any, nothing is drawn.
    """
    found = {stage: _tables(Path(work) / stage) for stage in stages}
    found = {stage: tables for stage, tables in found.items() if tables[0].steps}
    if found:
        widest = max(1 + len(_by_unit(scores)) for _, scores in found.values())
        figure = _figure(widest * _INCH[0], len(found) * _INCH[1])
        rows = figure.subfigures(len(found), 1, squeeze=False)[:, 0]
        for row, (stage, tables) in zip(rows, found.items(), strict=True):
            _draw(row, stage, *tables, panels=widest)
        _save(figure, Path(work) / SHEET)
    return tuple(found)


def _tables(folder: Path) -> tuple[Table, Table]:
    return read_table(folder / CURVE), read_table(folder / SCORES)


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:  # cut short while it was written
        return math.nan


def _by_unit(scores: Table) -> dict[str, list[str]]:
    """Figures that can share an axis: unit → names."""
    groups: dict[str, list[str]] = {}
    for name, column in scores.columns.items():
        finite = [abs(value) for value in column if math.isfinite(value)]
        largest = max(finite, default=0.0)
        if name == "db" or name.endswith("_db"):
            unit = "dB"
        elif largest < 0.02:
            unit = "error"
        elif largest <= 2.0:
            unit = "share"
        else:
            unit = name
        groups.setdefault(unit, []).append(name)
    return groups


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _draw(figure: Any, title: str, curve: Table, scores: Table, panels: int = 0) -> None:
    """One row of panels: the losses, then a panel for every unit of the scores."""
    groups = _by_unit(scores)
    axes = figure.subplots(1, max(panels, 1 + len(groups)), squeeze=False)[0]
    for axis in axes[1 + len(groups) :]:
        axis.set_visible(False)
    figure.suptitle(title, fontsize=11, fontweight="bold")
    for number, (name, column) in enumerate(curve.columns.items()):
        _line(axes[0], curve.steps, column, name, f"C{number % 10}", positive=True)
    _finish(axes[0], "training loss", logarithmic=bool(curve.columns))
    for axis, (unit, names) in zip(axes[1:], groups.items(), strict=False):
        for number, name in enumerate(names):
            _line(axis, scores.steps, scores.columns[name], name, f"C{number % 10}", marker=".")
        logarithmic = unit == "error" and all(v > 0 for n in names for v in scores.columns[n])
        _finish(axis, f"held out, {unit}", logarithmic=logarithmic)


def _line(
    axis: Any,
    steps: Sequence[float],
    column: Sequence[float],
    name: str,
    colour: str,
    *,
    positive: bool = False,
    marker: str = "",
) -> None:
    # A logarithmic axis has no place for what is not positive, such as an estimate of a KL.
    values = [math.nan if positive and value <= 0 else value for value in column]
    last = f"{name} {column[-1]:.4g}"
    if len(values) < _SMOOTHED_FROM:
        axis.plot(steps, values, color=colour, label=last, marker=marker or ".")
        return
    axis.plot(steps, values, color=colour, alpha=0.3, linewidth=0.8)
    axis.plot(steps, _smoothed(values), color=colour, label=last)


def _smoothed(values: Sequence[float], share: float = 0.08) -> list[float]:
    """Running mean over the last `share` of all rows; gaps are stepped over."""
    width = max(2, round(share * len(values)))
    means = []
    for end in range(1, len(values) + 1):
        window = [v for v in values[max(0, end - width) : end] if math.isfinite(v)]
        means.append(sum(window) / len(window) if window else math.nan)
    return means


def _finish(axis: Any, title: str, *, logarithmic: bool) -> None:
    if logarithmic:
        axis.set_yscale("log")
    axis.set_title(title, fontsize=9)
    axis.set_xlabel("step", fontsize=8)
    axis.tick_params(which="both", labelsize=7)
    axis.grid(True, which="both", alpha=0.25, linewidth=0.5)
    if axis.get_legend_handles_labels()[1]:
        axis.legend(fontsize=7)


def _save(figure: Any, path: Path) -> None:
    # In memory first, so that a reader of the file never sees half a picture.
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110)
    write_atomically(path, data.getvalue())
