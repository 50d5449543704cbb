"""``emogene-train``: make the built-in avatar, whole or stage by stage."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from ..contract.errors import BadOption, MissingExtra
from ..runtime.command_line import run

if TYPE_CHECKING:
    from .demo.chains import Report

app = typer.Typer(
    name="emogene-train",
    help="Train an avatar's networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

TRAIN_MODULES = ("torch", "transformers", "numba", "scipy", "espeakng_loader", "PIL")

Scale = Annotated[
    float, typer.Option("--minutes-scale", help="Factor on every training's minutes.")
]
Work = Annotated[Path, typer.Argument(help="Folder of the stages, as `demo --work` made it.")]


def main() -> None:
    """Entry point of ``emogene-train``."""
    run(app)


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The checkpoints folder to write.", metavar="DIR")
    ],
    work: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads it at run time
        typer.Option(help="Folder of the stages' results; OUTPUT.work by default.", metavar="DIR"),
    ] = None,
    minutes_scale: Scale = 1.0,
    stage: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            help="Only this stage, and nothing else; a finished training begins anew only once its "
            "folder is deleted. Repeatable."
        ),
    ] = None,
) -> None:
    """Make the built-in avatar from nothing: about 40 minutes on two cores.

    A stopped run goes on where it was when the same command is given again.
    """
    _require_extra()
    from .demo.assemble import assemble
    from .demo.chains import make
    from .demo.recipe import STAGES, DemoConfig

    folder = work or output.with_name(output.name + ".work")
    for name in stage or ():
        if name not in STAGES:
            raise BadOption("--stage", expected=f"one of {', '.join(STAGES)}", found=repr(name))
    config = DemoConfig().scaled(minutes_scale)
    begun = time.monotonic()
    with _bars() as report:
        make(folder, config, report, only=tuple(stage or ()))
    spent = f"in {(time.monotonic() - begun) / 60:.1f} minutes"
    if stage:
        print(f"{folder}: {', '.join(stage)} {spent}")
        return
    assemble(folder, output, config.pose_seconds)
    print(f"{output}: the demo avatar's checkpoints, {spent}")
    print(f"make it run: emogene-export build-engines {output} -o ENGINES")


def _one_stage(name: str, work: Path, minutes_scale: float) -> None:
    """Run one training on a folder of stages, going on where it stopped."""
    _require_extra()
    import json

    from .demo.recipe import DemoConfig, Workshop

    config = DemoConfig().scaled(minutes_scale)
    with _bars() as report:
        Workshop(work, config).run(name, lambda share, text: report(name, share, text))
    said = json.loads((work / name / "report.json").read_text("utf-8"))
    print(json.dumps(said, indent=2))


@app.command()
def hubert(work: Work, minutes_scale: Scale = 1.0) -> None:
    """Train the speech encoder on synthetic speech with known phones."""
    _one_stage("hubert", work, minutes_scale)


@app.command()
def vae(work: Work, minutes_scale: Scale = 1.0) -> None:
    """Train audio-to-motion on the speech encoder of WORK."""
    _one_stage("vae", work, minutes_scale)


@app.command()
def deform(work: Work, minutes_scale: Scale = 1.0) -> None:
    """Train the landmark deformation model."""
    _one_stage("deformation", work, minutes_scale)


@app.command()
def head(work: Work, minutes_scale: Scale = 1.0) -> None:
    """Train the head field on the film of WORK."""
    _one_stage("head", work, minutes_scale)


@app.command()
def torso(work: Work, minutes_scale: Scale = 1.0) -> None:
    """Train the torso field on the film of WORK."""
    _one_stage("torso", work, minutes_scale)


def _require_extra() -> None:
    for module in TRAIN_MODULES:
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(module, "train", "training")


@contextmanager
def _bars() -> Iterator[Report]:
    """A bar a stage on a terminal, a line at each stage's beginning and end elsewhere."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.console import Console

    columns = (TextColumn("{task.description:12}"), BarColumn(), TimeElapsedColumn())
    with Progress(
        *columns, TextColumn("{task.fields[text]}"), console=Console(stderr=True)
    ) as bars:
        tasks: dict[str, int] = {}

        def report(stage: str, fraction: float, text: str) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=1.0, text="")
            bars.update(tasks[stage], completed=fraction, text=text)  # type: ignore[arg-type]

        yield report


def _lines() -> Callable[[str, float, str], None]:
    begun: set[str] = set()

    def report(stage: str, fraction: float, text: str) -> None:
        if stage not in begun:
            begun.add(stage)
            print(f"{stage}: begun", file=sys.stderr, flush=True)
        if fraction >= 1.0 and not text:
            print(f"{stage}: done", file=sys.stderr, flush=True)

    return report
