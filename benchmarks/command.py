"""What the benchmarks' commands have in common: options, and what becomes of a result."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

OptionalPath = Optional[Path]  # noqa: UP045 - typer reads it at run time

EngineDir = Annotated[
    OptionalPath,
    typer.Option("--engine-dir", help="Engine directory (default: the built-in avatar)."),
]
Side = Annotated[int, typer.Option(min=1, help="Side of the pictures, pixels.")]
Threads = Annotated[int, typer.Option(min=0, help="Processor threads; 0 takes all.")]
Output = Annotated[OptionalPath, typer.Option("-o", "--output", help="Write the JSON here.")]


ResultFile = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help="A benchmark's JSON.", metavar="RESULT")
]
Picture = Annotated[Path, typer.Argument(dir_okay=False, help="PNG to write.", metavar="PICTURE")]


def new_app() -> typer.Typer:
    """An app for one command, run with `emogene.runtime.command_line.run`."""
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def plain(rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Dataclasses as JSON values."""
    return [dataclasses.asdict(row) for row in rows]


def write(result: Mapping[str, Any], output: Path) -> None:
    """A result as the JSON that is kept."""
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=1) + "\n")
    print(f"wrote {output}", file=sys.stderr)
