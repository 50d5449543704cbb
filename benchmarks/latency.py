"""``python -m benchmarks.latency``: every stage and whole frames, PyTorch beside the runtime.

Prints tables and writes JSON with the machine, the versions and the commit.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console
from rich.table import Table

from emogene.contract.errors import BadOption
from emogene.exporters.built_in import checkpoints_folder
from emogene.exporters.tools import checkpoint_hash
from emogene.reference.avatar import ReferenceAvatar
from emogene.runtime.avatar import available_threads
from emogene.runtime.command_line import run
from emogene.runtime.loading import load_engine_directory

from . import machine
from .frames import PictureRow, SpeechRun, measure_picture, measure_speech
from .stages import StageRow, measure_stages

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def latency(
    engine_dir: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads it at run time
        typer.Option("--engine-dir", help="Engine directory (default: the built-in avatar)."),
    ] = None,
    checkpoints: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Checkpoints it was built from (default: the built-in avatar's)."),
    ] = None,
    size: Annotated[list[int], typer.Option(help="Sides of the pictures, pixels.")] = [256, 512],  # noqa: B006
    threads: Annotated[int, typer.Option(help="Processor threads; 0 takes all.")] = 0,
    seconds: Annotated[float, typer.Option(help="Seconds of speech to render at each size.")] = 4.0,
    budget: Annotated[float, typer.Option(help="Seconds to spend on each stage.")] = 1.5,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("-o", "--output", help="Write the JSON here."),
    ] = None,
) -> None:
    """Latency of every stage and of whole frames, PyTorch beside the runtime, in one run."""
    count = threads or available_threads()
    console = Console()
    with checkpoints_folder(checkpoints) as folder:
        reference, built_from = ReferenceAvatar.load(folder), checkpoint_hash(folder)
    loaded = load_engine_directory(engine_dir, count)
    if loaded.manifest.checkpoint != built_from:
        raise BadOption(
            "--checkpoints",
            expected=f"those {loaded.path} was built from ({loaded.manifest.checkpoint[:16]}…)",
            found=f"others ({built_from[:16]}…)",
            remedy="name its checkpoints folder: two avatars say nothing about each other",
        )
    console.print("stages …")
    rows = list(measure_stages(reference, loaded, count, budget))
    console.print(stage_table(rows))
    pictures, runs = [], []
    for side in size:
        console.print(f"pictures at {side} × {side} …")
        pictures.append(measure_picture(reference, loaded, count, side))
        runs.append(measure_speech(loaded, count, side, seconds))
    console.print(frame_table(pictures, runs))
    if output is not None:
        result = {
            "machine": machine.describe(),
            "threads": count,
            "stages": [dataclasses.asdict(row) for row in rows],
            "pictures": [dataclasses.asdict(row) for row in pictures],
            "speech": [dataclasses.asdict(row) for row in runs],
        }
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(result, indent=2) + "\n")
        console.print(f"wrote {output}")


def stage_table(rows: list[StageRow]) -> Table:
    """Milliseconds of every stage."""
    table = Table("stage", "length", "torch ms", "runtime ms", "p95", "ratio", "rel. L2")
    for row in rows:
        table.add_row(
            row.stage,
            row.length,
            f"{row.torch.median:.2f}",
            f"{row.runtime.median:.2f}",
            f"{row.runtime.p95:.2f}",
            f"{row.ratio:.1f}×",
            f"{row.relative_l2:.1e}",
        )
    return table


def frame_table(pictures: list[PictureRow], runs: list[SpeechRun]) -> Table:
    """Milliseconds of one picture by both, then of the runtime's pictures while it speaks."""
    table = Table("size", "torch ms", "runtime ms", "ratio", "PSNR")
    for column in ("speech ms", "p95", "samples a ray", "FPS"):
        table.add_column(column)
    for picture, speech in zip(pictures, runs, strict=True):
        table.add_row(
            f"{picture.size}²",
            f"{picture.torch.median:.0f}",
            f"{picture.runtime.median:.1f}",
            f"{picture.ratio:.1f}×",
            f"{picture.psnr:.1f} dB",
            f"{speech.rendering.median:.1f}",
            f"{speech.rendering.p95:.1f}",
            f"{speech.samples_per_ray:.2f}",
            f"{speech.frames_per_second:.1f}",
        )
    return table


if __name__ == "__main__":
    run(app)
