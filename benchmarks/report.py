"""A result's tables, for the terminal and for a document: ``python -m benchmarks.report``.

    python -m benchmarks.report benchmarks/results/xeon_2core.json docs/performance.md
    python -m benchmarks.report benchmarks/results/xeon_2core.json docs/pictures/performance.png
    python -m benchmarks.report benchmarks/results/live_xeon_2core.json docs/live.md

rewrites the page's block between the two marks, or draws the picture, so that no number of a page
is copied by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from emogene.runtime.command_line import run

from .command import ResultFile, new_app
from .live.tables import live_tables
from .page import fill, read_result
from .shown import Row, Shown

app = new_app()

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

Result = Mapping[str, Any]
"""What ``benchmarks.latency -o`` or ``benchmarks.live -o`` writes."""


def tables(result: Result) -> list[Shown]:
    """Everything a result tells, in order."""
    if "windows" in result:
        return live_tables(result)
    made = [_peaks(result), _frames(result), *_parts(result), _rates(result)]
    made += [_speech(result), *_live(result), _budget(result), _stages(result)]
    return [*made, *_memory(result)]


def told(result: Result) -> str:
    """Where it was measured, and its tables."""
    machine = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    where = (
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}; Python "
        f"{machine['python']}, {versions}; commit {machine['commit']}; load before "
        f"{machine['load_before']}. Avatar `{result['avatar']}`."
    )
    return "\n\n".join([where, *(table.markdown() for table in tables(result))])


def share(row: Mapping[str, Any]) -> float | None:
    """Of the floor: 1 if the renderer loses nothing; None where none was counted."""
    return _share_of(row["floor_ms"], row)


def _share_of(least: float | None, row: Mapping[str, Any]) -> float | None:
    return None if least is None else float(least / row["time"]["median"])


def whole_floor(row: Mapping[str, Any]) -> float | None:
    """Milliseconds with all that `operations` counts; None where nothing was."""
    parts = row.get("parts_ms")
    return None if parts is None else float(sum(parts.values()))


def _peaks(result: Result) -> Shown:
    rows = [
        (
            f"{peak['threads']}",
            name,
            f"{gflops:.0f}",
            f"{peak['gathers'][name]:.1f}" if "gathers" in peak else "",
            f"{peak['gwidenings'][name]:.1f}" if "gwidenings" in peak else "",
            f"{peak['gloads']:.2f}",
            f"{peak['memory_gbs']:.1f}",
        )
        for peak in result["peaks"]
        for name, gflops in peak["gflops"].items()
    ]
    header: Row = ("threads", "instructions", "GFLOP/s", "10⁹ near loads/s", "10⁹ halves widened/s")
    header += ("10⁹ loads/s", "memory GB/s")
    return Shown("What the machine can do at most", header, rows)


def _frames(result: Result) -> Shown:
    compared = result["frames"]
    medians = {row["renderer"]: row["time"]["median"] for row in compared}
    reference, wavefront = medians["PyTorch reference"], medians["wavefront"]
    rows = [
        (
            row["renderer"],
            row["quality"],
            *_times(row["time"]),
            _number(row["samples_per_ray"], ".2f"),
            _number(row["floor_ms"], ".1f"),
            _number(share(row), ".0%"),
            _number(whole_floor(row), ".1f"),
            _number(_share_of(whole_floor(row), row), ".0%"),
            f"{reference / row['time']['median']:.0f}×",
            f"{wavefront / row['time']['median']:.1f}×",
            _number(row["psnr"], ".1f"),
        )
        for row in compared
    ]
    size, threads = compared[0]["size"], compared[0]["threads"]
    header: Row = ("renderer", "quality", "ms", "p95", "p99", "samples a ray", "floor ms")
    header += ("of the floor", "all counted ms", "of that", "against PyTorch", "against wavefront")
    header += ("PSNR dB",)
    return Shown(f"The same frames at {size} × {size}, {threads} threads", header, rows)


def _parts(result: Result) -> Iterator[Shown]:
    """Of the fused renderer at the quality that is usual."""
    rows = [row for row in result["frames"] if row.get("parts_ms")]
    rows = [row for row in rows if row["quality"] == "balanced"]
    if not rows:
        return
    header = ("renderer", *rows[0]["parts_ms"], "sum", "measured")
    cells = [
        (
            row["renderer"],
            *(f"{part:.2f}" for part in row["parts_ms"].values()),
            f"{sum(row['parts_ms'].values()):.2f}",
            f"{row['time']['median']:.2f}",
        )
        for row in rows
    ]
    yield Shown("The least milliseconds of every part, all counted", header, cells)


def _rates(result: Result) -> Shown:
    rows = [
        (
            f"{row['size']}²",
            f"{row['threads']}",
            row["renderer"],
            row["quality"],
            *_times(row["time"]),
            f"{1e3 / row['time']['median']:.1f}",
        )
        for row in result["sizes"]
    ]
    header = ("size", "threads", "renderer", "quality", "ms", "p95", "p99", "pictures a second")
    return Shown("Rendering alone, by size and threads", header, rows)


def _speech(result: Result) -> Shown:
    rows = [
        (
            f"{run['size']}²",
            run["quality"],
            f"{run['threads']}",
            f"{run['frames'] / 25:.0f} s",
            f"{run['frames'] / run['seconds']:.1f}",
            *_times(run["rendering"]),
            f"{run['core_ms']:.1f}",
            f"{run['first_frame']:.2f}",
        )
        for run in result["speech"]
    ]
    header: Row = ("size", "quality", "threads", "speech", "frames a second", "render ms", "p95")
    header += ("p99", "core-ms a frame", "first frame s")
    return Shown("Speech into an mp4 file, everything included", header, rows)


def _live(result: Result) -> Iterator[Shown]:
    if "live" not in result:  # results from before it was measured
        return
    rows = [
        (
            f"{run['size']}²",
            run["quality"],
            f"{run['threads']}",
            f"{run['buffered']}",
            f"{run['frames']}",
            f"{run['late']}",
            f"{run['dropped']}",
            *_times(run["making"]),
            f"{run['behind']['p99']:.1f}",
            f"{run['core_ms']:.1f}",
        )
        for run in result["live"]
    ]
    header: Row = ("size", "quality", "threads", "buffered", "frames", "late", "dropped")
    header += ("made in ms", "p95", "p99", "off beat ms, p99", "core-ms a frame")
    yield Shown("Live on the clock, and encoded", header, rows)


def _budget(result: Result) -> Shown:
    runs = result["speech"]
    columns = [f"{run['size']}² {run['quality']}, {run['threads']} threads" for run in runs]
    rows = [
        (stage, *(f"{run['stages'][stage]:.2f}" for run in runs)) for stage in runs[0]["stages"]
    ]
    rows.append(("sum", *(f"{sum(run['stages'].values()):.2f}" for run in runs)))
    return Shown("Processor milliseconds a frame", ("stage", *columns), rows)


def _stages(result: Result) -> Shown:
    rows = [
        (
            row["stage"],
            row["length"],
            f"{row['torch']['median']:.2f}",
            f"{row['runtime']['median']:.2f}",
            f"{row['runtime']['p95']:.2f}",
            f"{row['torch']['median'] / row['runtime']['median']:.1f}×",
            f"{row['relative_l2']:.1e}",
        )
        for row in result["stages"]
    ]
    header = ("stage", "length", "torch ms", "runtime ms", "p95", "ratio", "rel. L2")
    return Shown("Every exported network on its own", header, rows)


def _memory(result: Result) -> Iterator[Shown]:
    if not result["memory"]:
        return
    rows = []
    for one in result["memory"]:
        marks = [m for m in (1, 5, 10) if m <= one["minutes"]]
        place = [round(m / one["minutes"] * (len(one["resident"]) - 1)) for m in marks]
        told = ", ".join(
            f"{one['resident'][p]:.0f} after {m}" for p, m in zip(place, marks, strict=True)
        )
        speed = one["minutes"] * 60 * 25 / one["seconds"]
        rows.append(
            (
                f"{one['size']}²",
                f"{one['minutes']:g}",
                told,
                f"{one['peak']:.0f}",
                f"{speed:.1f}",
            )
        )
    header = ("size", "minutes", "resident MB, minutes done", "peak MB", "frames a second")
    yield Shown("Memory of emogene-run on a long file", header, rows)


def _times(time: Mapping[str, float]) -> tuple[str, str, str]:
    return f"{time['median']:.1f}", f"{time['p95']:.1f}", f"{time['p99']:.1f}"


def _number(value: float | None, how: str) -> str:
    return "" if value is None else format(value, how)


@app.command()
def report(
    result_file: ResultFile,
    output: Annotated[
        Path, typer.Argument(help="Page to rewrite, or PNG to draw.", metavar="OUTPUT")
    ],
) -> None:
    """Rewrite the page's block between its marks, or draw the picture."""
    result = read_result(result_file, "machine", "avatar")
    if output.suffix == ".png":
        from .plot import draw

        draw(result, output)
    else:
        fill(output, BEGIN, END, told(result))


if __name__ == "__main__":
    run(app)
