"""What making the demo took and brought: a table a stage, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..files import write_atomically, write_json
from ..stages import REPORT, read_time
from .plan import plan
from .recipe import STAGES, DemoConfig

SUMMARY_JSON, SUMMARY_MD = "summary.json", "summary.md"

HEADLINES: Mapping[str, Mapping[str, str]] = {
    "hubert": {
        "held_out": "phones, held-out sentences",
        "held_out_voice": "phones, held-out voices",
        "held_out_noise_20db": "phones, 20 dB noise",
        "held_out_voice_live": "phones, held-out voices live",
    },
    "sync": {
        "held_out.exact": "offsets found",
        "held_out_voice.exact": "offsets found, held-out voices",
    },
    "vae": {
        "held_out_t0.0.mouth_error_ratio": "mouth error of a mean face's",
        "held_out_t0.0.opening_correlation": "mouth-opening correlation",
        "held_out_voice_t0.2.closure_rate": "lips closed on p, b, m",
        "drift.mouth_px": "pixels moved by live hearing",
    },
    "deformation": {"mse": "squared error", "mse_identity": "left neutral"},
    "film": {},
    "head": {"head_db": "head dB", "mouth_db": "mouth dB", "samples": "samples a ray"},
    "torso": {"db": "torso dB"},
}
"""Stage → path in its report → what the table calls it."""


def summarise(work: Path, config: DemoConfig) -> dict[str, Any]:
    """Planned and measured minutes and all figures of every stage that has a folder."""
    planned = {one.stage: one.minutes for one in plan(config)}
    stages = {}
    for stage in STAGES:
        folder = Path(work) / stage
        if folder.is_dir():
            spent = read_time(folder)
            stages[stage] = {
                "planned_min": planned[stage],
                "wall_min": round(spent["wall_s"] / 60, 4),
                "cpu_min": round(spent["cpu_s"] / 60, 4),
                "report": _report(folder / REPORT),
            }
    return {"stages": stages}


def table(summary: Mapping[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """Rows of a summary: stage, planned, measured and CPU minutes, headline figures."""
    rows = []
    for stage, said in summary["stages"].items():
        figures = []
        for path, name in HEADLINES[stage].items():
            value = _at(said["report"], path)
            if value is not None:
                figures.append(f"{name} {value:.3g}")
        planned = said["planned_min"]
        minutes = ("–" if planned is None else f"{planned:.1f}", f"{said['wall_min']:.1f}")
        rows.append((stage, *minutes, f"{said['cpu_min']:.1f}", ", ".join(figures)))
    return rows


def write_summary(work: Path, config: DemoConfig) -> dict[str, Any]:
    """Write ``summary.json`` and ``summary.md`` into the work folder; returns the summary.

    Raises:
        BadOutput: they cannot be written.
    """
    summary = summarise(work, config)
    write_json(Path(work) / SUMMARY_JSON, summary)
    heads = ("stage", "planned min", "measured min", "CPU min", "on held-out data")
    lines = [heads, ("---", "--:", "--:", "--:", "---"), *table(summary)]
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    write_atomically(Path(work) / SUMMARY_MD, text.encode())
    return summary


def _report(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):  # a stage that was stopped, or the film, which has none
        return {}


def _at(plain: Any, path: str) -> float | None:
    """The number at a dotted path, whose keys may hold points themselves (``t0.0``)."""
    if path in plain:
        value = plain[path]
        return float(value) if isinstance(value, (int, float)) else None
    for key, inside in plain.items():
        if isinstance(inside, dict) and path.startswith(f"{key}."):
            return _at(inside, path[len(key) + 1 :])
    return None
