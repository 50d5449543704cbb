"""A result as a picture: whole frames by all renderers, and a frame's time stage by stage.

Needs matplotlib (``emogene[train]``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

COLOURS = ("#7b5ea7", "#b23a48", "#c99a2e", "#4a8f5b", "#2a6f97", "#e07a1f")
DEADLINE_MS = 40.0
"""Between two frames at 25 a second."""


def draw(result: Mapping[str, Any], output: Path) -> None:
    """Write the picture of a result of ``benchmarks.latency``."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    _draw_frames(left, result)
    _draw_stages(right, result)
    figure.savefig(output, dpi=110)
    plt.close(figure)


def _draw_frames(axes: Any, result: Mapping[str, Any]) -> None:
    rows = result["frames"]
    labels = [f"{row['renderer']}, {row['quality']}" for row in rows]
    medians = [row["time"]["median"] for row in rows]
    tails = [max(0.0, row["time"]["p99"] - row["time"]["median"]) for row in rows]
    places = range(len(rows))
    axes.barh(places, medians, xerr=[[0.0] * len(rows), tails], color="#2a6f97", ecolor="#999999")
    floors = [(i, row["floor_ms"]) for i, row in enumerate(rows) if row["floor_ms"] is not None]
    axes.scatter(
        [floor for _, floor in floors],
        [place for place, _ in floors],
        marker="|",
        s=90,
        color="#e07a1f",
        label="floor",
        zorder=3,
    )
    axes.axvline(DEADLINE_MS, color="#b23a48", linestyle=":", label="25 frames a second")
    axes.set_xscale("log")
    axes.set_xlim(left=1.0)
    axes.set_yticks(places, labels, fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("ms a picture, median; whisker: p99")
    axes.set_title(f"{rows[0]['size']} × {rows[0]['size']}, {rows[0]['threads']} threads")
    axes.legend(fontsize=7, frameon=False)


def _draw_stages(axes: Any, result: Mapping[str, Any]) -> None:
    runs = result["speech"]
    begin = [0.0] * len(runs)
    for colour, stage in zip(COLOURS, runs[0]["stages"], strict=True):
        spent = [run["stages"][stage] for run in runs]
        axes.barh(range(len(runs)), spent, left=begin, color=colour, label=stage)
        begin = [a + b for a, b in zip(begin, spent, strict=True)]
    labels = [f"{run['size']}²\n{run['quality']}\n{run['threads']} threads" for run in runs]
    axes.set_yticks(range(len(runs)), labels, fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("processor ms a frame")
    axes.set_title("speech into an mp4 file")
    axes.legend(fontsize=7, frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.14))
