"""``emogene-export``: build, look into and verify engine directories."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from ..contract.errors import MissingExtra
from ..runtime.command_line import run
from .built_in import checkpoints_folder

if TYPE_CHECKING:
    from rich.console import Console

    from .build import Finished, Started
    from .report import StageReport

app = typer.Typer(
    name="emogene-export",
    help="From a trained avatar to a verified engine directory.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

EngineDirectory = Annotated[Path, typer.Argument(help="An engine directory.", metavar="DIRECTORY")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables and lines.")]

EXPORT_MODULES = ("torch", "onnx", "onnxscript", "transformers")


def main() -> None:
    """Entry point of ``emogene-export``."""
    run(app)


@app.command("build-engines")
def build_engines(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The engine directory to write.", metavar="DIR")
    ],
    checkpoints: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads it at run time
        typer.Argument(help="A checkpoints folder; without one, the built-in avatar's."),
    ] = None,
    stage: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="Only export and compare this stage, writing nothing. Repeatable."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a directory that holds another avatar.")
    ] = False,
) -> None:
    """Export every stage to ONNX, compare it with PyTorch, write a verified directory.

    A directory that stands there is replaced only when every stage is within its tolerance.
    """
    for module in EXPORT_MODULES:
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(module, "export", "exporting stages")
    from .build import BuildOptions, build_engine_directory
    from .report import shown_size

    words = ["emogene-export", "build-engines", *([str(checkpoints)] if checkpoints else [])]
    options = BuildOptions(
        only=tuple(stage or ()),
        force=force,
        threads=os.cpu_count() or 1,
        command=shlex.join([*words, "-o", str(output)]),
    )
    console = _console()
    begun = time.perf_counter()
    with checkpoints_folder(checkpoints) as folder, _progress(console) as (started, finished):
        reports = build_engine_directory(folder, output, options, started, finished)
    spent = f"in {time.perf_counter() - begun:.1f} s"
    if options.only:
        _line(console, f"{len(reports)} stages compared {spent}; {output} is as it was")
        return
    size = sum(p.stat().st_size for p in output.rglob("*") if p.is_file())
    _line(console, f"{output}: {len(reports)} stages, {shown_size(size)}, {spent}")
    _line(console, f"make it speak: emogene-run --engine-dir {shlex.quote(str(output))} AUDIO")


@app.command()
def inspect(directory: EngineDirectory, as_json: AsJson = False) -> None:
    """Show what an engine directory holds, after checking its hashes."""
    from .inspection import inspect_engine_directory, print_inspection

    found = inspect_engine_directory(directory)
    if as_json:
        print(json.dumps(found, indent=2, sort_keys=True))
    else:
        print_inspection(found, _console())


@app.command()
def verify(directory: EngineDirectory, as_json: AsJson = False) -> None:
    """Check every hash, and run every stage against the answers PyTorch gave.

    Needs neither PyTorch nor the checkpoints.
    """
    from .report import report_json
    from .verify import verify_engine_directory

    reports: list[StageReport] = []
    console = _console()

    def finished(report: StageReport) -> None:
        reports.append(report)
        if not as_json:
            _line(console, report.line(_WIDTH))

    try:
        verify_engine_directory(directory, os.cpu_count() or 1, finished)
    finally:
        if as_json and reports:
            print(report_json(reports, {"directory": str(directory)}).decode("ascii"), end="")
    if not as_json:
        _line(console, f"{directory}: every hash and {len(reports)} stages are as they were built")


_WIDTH = 15
"""Of the longest stage name."""


@contextmanager
def _progress(console: Console) -> Iterator[tuple[Started, Finished]]:
    """Callbacks that show the stage at work and print a line for each that is done."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    shown = console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=not shown) as bar:
        task = bar.add_task("reading checkpoints", total=None)

        def started(stage: str, done: int, count: int) -> None:
            bar.update(task, description=f"exporting {stage}", completed=done, total=count)

        def finished(report: StageReport) -> None:
            _line(console, report.line(_WIDTH))

        yield started, finished


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False)


def _line(console: Console, text: str) -> None:
    """Print as it stands: ``[✓]`` is no markup, and a long line is not wrapped."""
    console.print(text, markup=False, soft_wrap=True)
