"""``python -m benchmarks.c_abi``: what a frame costs more through the C ABI than from Python."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Optional

import typer

from emogene.runtime.command_line import run

from .. import machine
from .measure import measure

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def c_abi(
    engine_dir: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads it at run time
        typer.Option("--engine-dir", help="Engine directory (default: the built-in avatar)."),
    ] = None,
    size: Annotated[int, typer.Option(help="Side of the pictures, pixels.")] = 512,
    frames: Annotated[int, typer.Option(help="Frames that are timed.")] = 250,
    threads: Annotated[int, typer.Option(help="Processor threads of each avatar.")] = 1,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("-o", "--output", help="Write the JSON here."),
    ] = None,
) -> None:
    """What a frame costs through the C ABI, beside Python, in one run."""
    told = machine.describe()
    rows = measure(engine_dir, size, frames, threads)
    for row in rows:
        print(
            f"{row['way']:20} {row['ms']['median']:8.3f} ms, over Python "
            f"{row['over_python_ms']:+.4f} ms, over the same {row['over_the_same_ms']:+.4f} ms"
        )
    if output is not None:
        result = {"machine": told, "size": size, "threads": threads, "ways": rows}
        output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    run(app)
