"""Size, latency and error of everything in a directory that runs here, as one table."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..contract.engine_directory import check_files, read_manifest
from ..contract.errors import Unavailable
from ..runtime.backends.protocol import Runner
from .candidates import Candidate, candidates
from .examples import LENGTHS, example_inputs, varying_symbol
from .report import shown_size

if TYPE_CHECKING:
    from rich.console import Console

WARM_UPS, LEAST_RUNS, MOST_RUNS = 1, 5, 200


def bench_engine_directory(
    folder: Path,
    threads: int = 1,
    seconds: float = 0.3,
    measured: Callable[[dict[str, Any]], None] = lambda row: None,
) -> list[dict[str, Any]]:
    """Time every stage in every precision and on every backend that works here.

    Args:
        threads: threads ONNX Runtime may use.
        seconds: to spend on timing one network; at least `LEAST_RUNS` runs are made.
        measured: called with each row.

    Returns:
        a row a network: ``stage, precision, target, backend, size_bytes, relative_l2, dimension,
        length, runs, median_ms, p90_ms, why``. What cannot run here has no ``backend`` and no
        times, and ``why`` says so; ``relative_l2`` is what the directory was built with.

    Raises:
        BadEngineDirectory: it is damaged.
    """
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    rows = []
    for candidate in candidates(folder, manifest):
        row = _row(candidate)
        try:
            with candidate.open(threads) as runner:
                row |= _timed(candidate, runner, row["length"], seconds)
        except Unavailable as error:
            row["why"] = str(error)
        rows.append(row)
        measured(row)
    return rows


def _row(candidate: Candidate) -> dict[str, Any]:
    symbol = varying_symbol(candidate.signature)
    return {
        "stage": candidate.stage,
        "precision": candidate.precision,
        "target": candidate.target,
        "backend": None,
        "size_bytes": candidate.size,
        "relative_l2": candidate.error.relative_l2 if candidate.error else None,
        "dimension": symbol,
        "length": LENGTHS[symbol][-1],
        "runs": 0,
        "median_ms": None,
        "p90_ms": None,
        "why": "",
    }


def _timed(candidate: Candidate, runner: Runner, length: int, seconds: float) -> dict[str, Any]:
    feeds = example_inputs(candidate.stage, candidate.signature, length)
    for _ in range(WARM_UPS):
        runner.run(feeds)
    times: list[float] = []
    deadline = time.perf_counter() + seconds
    while len(times) < LEAST_RUNS or (len(times) < MOST_RUNS and time.perf_counter() < deadline):
        begun = time.perf_counter()
        runner.run(feeds)
        times.append(1e3 * (time.perf_counter() - begun))
    return {
        "backend": runner.backend,
        "runs": len(times),
        "median_ms": round(statistics.median(times), 4),
        "p90_ms": round(sorted(times)[int(0.9 * (len(times) - 1))], 4),
    }


def print_bench(rows: Sequence[dict[str, Any]], console: Console) -> None:
    """Show the rows as one table; why something did not run stands once below it."""
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    for column in ("stage", "precision", "backend"):
        table.add_column(column, no_wrap=True)
    for column in ("size", "rel. L2", "length", "median ms", "p90 ms"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        error = row["relative_l2"]
        ran = row["backend"] is not None
        table.add_row(
            escape(row["stage"]),
            row["precision"],
            escape(row["backend"] or row["target"]),
            shown_size(row["size_bytes"]),
            "–" if error is None else f"{error:.1e}",
            f"{row['length']} {row['dimension']}" if ran else "–",
            f"{row['median_ms']:.3f}" if ran else "not executed",
            f"{row['p90_ms']:.3f}" if ran else "–",
        )
    console.print(table)
    for why in dict.fromkeys(row["why"] for row in rows if row["why"]):
        console.print(why, markup=False, soft_wrap=True)
