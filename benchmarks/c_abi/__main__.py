"""``python -m benchmarks.c_abi``: what a frame costs more through the C ABI than from Python."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Optional

import typer

from emogene.runtime.command_line import run

from .. import machine
from .measure import measure

SIZES = (128, 256, 512)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def c_abi(
    engine_dir: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads it at run time
        typer.Option("--engine-dir", help="Engine directory (default: the built-in avatar)."),
    ] = None,
    size: Annotated[
        Optional[list[int]],  # noqa: UP045
        typer.Option(help="Side of the pictures, pixels. Repeatable. [default: 128, 256, 512]"),
    ] = None,
    frames: Annotated[int, typer.Option(help="Frames that are timed, of each size.")] = 150,
    threads: Annotated[int, typer.Option(help="Processor threads of each avatar.")] = 1,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("-o", "--output", help="Write the JSON here."),
    ] = None,
) -> None:
    """What a frame costs through the C ABI, beside Python, in one run."""
    told = machine.describe()
    sizes = {}
    for side in size or SIZES:
        sizes[side] = measure(engine_dir, side, frames, threads)
        print(
            f"{side} pixels, milliseconds beyond hearing and rendering; over Python; the same there"
        )
        for row in sizes[side]:
            print(
                f"  {row['way']:20} {row['ms']['median']:8.3f}  {row['over_python_ms']:+.4f}"
                f"  {row['over_the_same_ms']:+.4f}"
            )
    if output is not None:
        result = {"machine": told, "threads": threads, "sizes": sizes}
        output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    run(app)
