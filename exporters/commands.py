"""``emogene-export``: build, look into, verify and compare engine directories."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from ..contract.errors import Unavailable
from ..runtime.command_line import run
from .command_output import console, line, print_json
from .commands_build import build_engines, rebuild
from .commands_cache import cache
from .commands_import import import_checkpoints

if TYPE_CHECKING:
    from .report import Report

app = typer.Typer(
    name="emogene-export",
    help="From a trained avatar to a verified engine directory.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("build-engines")(build_engines)
app.command("rebuild")(rebuild)
app.command("import")(import_checkpoints)
app.add_typer(cache, name="cache")

EngineDirectory = Annotated[Path, typer.Argument(help="An engine directory.", metavar="DIRECTORY")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables and lines.")]


def main() -> None:
    """Entry point of ``emogene-export``."""
    run(app)


@app.command()
def inspect(directory: EngineDirectory, as_json: AsJson = False) -> None:
    """Show what an engine directory holds, after checking its hashes."""
    from .inspection import inspect_engine_directory, print_inspection

    found = inspect_engine_directory(directory)
    if as_json:
        print_json(found)
    else:
        print_inspection(found, console())


@app.command()
def verify(
    directory: EngineDirectory,
    on_device: Annotated[
        bool,
        typer.Option(
            "--on-device", help="Complete the directory's report with what runs on this machine."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check every hash, and run everything that runs here against the answers PyTorch gave.

    Needs neither PyTorch nor the checkpoints. An engine whose GPU is not here is listed as not
    executed.
    """
    from .report import NotExecuted, report_json
    from .verify import complete_report, verify_engine_directory

    reports: list[Report] = []
    out = console()

    def finished(report: Report) -> None:
        reports.append(report)
        if not as_json:
            line(out, report.line())

    try:
        verify_engine_directory(directory, os.cpu_count() or 1, finished)
    finally:
        if as_json and reports:
            print(report_json(reports, {"directory": str(directory)}).decode("ascii"), end="")
    if on_device:
        complete_report(directory, reports)
    if as_json:
        return
    waiting = [r for r in reports if isinstance(r, NotExecuted)]
    for why in dict.fromkeys(f"{r.target}: {r.why}" for r in waiting):
        line(out, why)
    done = f"{directory}: every hash and {len(reports) - len(waiting)} networks are as built"
    line(out, done + (f", {len(waiting)} not executed here" if waiting else ""))


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(help="An engine directory.", metavar="OLD")],
    new: Annotated[Path, typer.Argument(help="Another one.", metavar="NEW")],
    as_json: AsJson = False,
) -> None:
    """Show what changed between two engine directories: files, precision, errors, size."""
    from .diff import diff_engine_directories, print_diff

    found = diff_engine_directories(old, new)
    if as_json:
        print_json(found)
    else:
        print_diff(found, console())


@app.command()
def bench(
    directory: EngineDirectory,
    seconds: Annotated[
        float, typer.Option(help="Time to spend on each network.", metavar="S", min=0.0)
    ] = 0.3,
    as_json: AsJson = False,
) -> None:
    """Time every stage in every precision and on every backend that works here."""
    from .bench import bench_engine_directory, print_bench

    rows = bench_engine_directory(directory, os.cpu_count() or 1, seconds)
    if as_json:
        print_json(rows)
    else:
        print_bench(rows, console())


@app.command()
def doctor(
    directory: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads it at run time
        typer.Argument(help="An engine directory; without one, only the machine.", metavar="DIR"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what works on this machine, what does not, and the command that mends it.

    With a directory: whether it will run here, with what, and why. Ends with exit code 1 if it
    will not.
    """
    from ..contract.codec import to_plain
    from ..runtime.doctor import doctor as examine
    from .diagnosis import print_diagnosis

    found = examine(directory)
    if as_json:
        print_json(to_plain(found))
    else:
        print_diagnosis(found, console())
    if not found.runs:
        raise Unavailable(
            str(directory or "this machine"),
            expected="an engine directory to run here" if directory else "what any directory needs",
            found=found.why,
            remedy=found.remedy,
        )
