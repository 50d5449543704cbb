"""``python -m benchmarks.c_abi``: what a frame costs more through the C ABI than from Python."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from emogene.runtime.command_line import run

from .. import machine
from ..command import EngineDir, Output, new_app, write
from .measure import measure

SIZES = (128, 256, 512)

app = new_app()


@app.command()
def c_abi(
    engine_dir: EngineDir = None,
    size: Annotated[
        Optional[list[int]],  # noqa: UP045 - typer reads it at run time
        typer.Option(help="Side of the pictures, pixels. Repeatable. [default: 128, 256, 512]"),
    ] = None,
    frames: Annotated[int, typer.Option(help="Frames that are timed, of each size.")] = 150,
    threads: Annotated[int, typer.Option(help="Processor threads of each avatar.")] = 1,
    output: Output = None,
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
        write({"machine": told, "threads": threads, "sizes": sizes}, output)


if __name__ == "__main__":
    run(app)
