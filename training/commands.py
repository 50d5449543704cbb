"""``emogene-train``: make the built-in avatar, or train single networks on one's own data."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from ..contract.errors import BadInput, BadOption, MissingExtra
from ..runtime.command_line import run
from .datasets.commands import app as prepare

if TYPE_CHECKING:
    from .demo.recipe import DemoConfig

app = typer.Typer(
    name="emogene-train",
    help="Train an avatar's networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(prepare, name="prepare")

TRAIN_MODULES = (
    "torch", "transformers", "numba", "scipy", "espeakng_loader", "PIL", "matplotlib", "yaml",
)  # fmt: skip

# typer reads the annotations at run time, so they are spelled Optional.
Work = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Argument(metavar="WORK", help="Folder of the stages, as `demo --work` makes it."),
]
Data = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--data", metavar="DATA", help="Learn from what `prepare` wrote, not the demo."),
]
ConfigFile = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--config", metavar="FILE", help="YAML; what it does not name stays as it is."),
]
PrintConfig = Annotated[
    bool, typer.Option("--print-config", help="Print the configuration as YAML and stop.")
]
Scale = Annotated[
    float, typer.Option("--minutes-scale", help="Factor on every training's minutes.")
]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda or cuda:N.")]


def main() -> None:
    """Entry point of ``emogene-train``."""
    run(app)


@app.command()
def demo(
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("-o", "--output", help="The checkpoints folder to write.", metavar="DIR"),
    ] = None,
    work: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder of the stages' results; OUTPUT.work by default.", metavar="DIR"),
    ] = None,
    config: ConfigFile = None,
    print_config: PrintConfig = False,
    minutes_scale: Scale = 1.0,
    stage: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            help="Only this stage, and nothing else; a finished training begins anew only once its "
            "folder is deleted. Repeatable."
        ),
    ] = None,
    device: Device = "cpu",
) -> None:
    """Make the built-in avatar from nothing, stage by stage.

    A stopped run goes on where it was when the same command is given again.
    """
    _require_extra()
    from .config_text import config_text
    from .demo.assemble import assemble
    from .demo.chains import make
    from .demo.overview import begin, end
    from .demo.recipe import STAGES
    from .devices import check_device
    from .progress import displayed

    for name in stage or ():
        if name not in STAGES:
            raise BadOption("--stage", expected=f"one of {', '.join(STAGES)}", found=repr(name))
    settings = _demo_config(config, minutes_scale)
    if print_config:
        print(config_text(settings), end="")
        return
    if output is None:
        raise BadOption("--output", expected="the checkpoints folder to write", found="none")
    check_device(device)
    folder = work or output.with_name(output.name + ".work")
    begun = time.monotonic()
    begin(folder, settings, stage or ())
    with _resumable(), displayed() as report:
        make(folder, settings, report, only=tuple(stage or ()), device=device)
    end(folder, settings)
    spent = f"in {(time.monotonic() - begun) / 60:.1f} minutes"
    if stage:
        print(f"{folder}: {', '.join(stage)} {spent}")
        return
    assemble(folder, output, settings.pose_seconds)
    print(f"{output}: the demo avatar's checkpoints, {spent}")
    print(f"make it run: emogene-export build-engines {output} -o ENGINES")


@app.command()
def curves(work: Work = None) -> None:
    """Draw the learning curves of all stages of WORK into one picture."""
    _require_extra()
    from .curves import SHEET, draw_sheet
    from .stages import TRAINERS

    folder = _folder(work)
    drawn = draw_sheet(folder, tuple(TRAINERS))
    if not drawn:
        raise BadInput(
            str(folder),
            expected=f"a stage with a curve: {', '.join(TRAINERS)}",
            found="none",
            remedy="name the folder that was given to a training",
        )
    print(f"{folder / SHEET}: {', '.join(drawn)}")


def _add(name: str, stage: str, summary: str) -> None:
    """Register the command that trains one network on the demo's data or on prepared data."""

    def command(
        work: Work = None,
        data: Data = None,
        config: ConfigFile = None,
        print_config: PrintConfig = False,
        minutes_scale: Scale = 1.0,
        device: Device = "cpu",
    ) -> None:
        _train(stage, work, data, config, print_config, minutes_scale, device)

    app.command(name, help=summary)(command)


@app.command()
def hubert(
    work: Work = None,
    config: ConfigFile = None,
    print_config: PrintConfig = False,
    minutes_scale: Scale = 1.0,
    device: Device = "cpu",
) -> None:
    """Train the speech encoder on synthetic speech, whose phones are known."""
    _train("hubert", work, None, config, print_config, minutes_scale, device)


_add("sync", "sync", "Train the lip-sync expert, which judges the VAE.")
_add("vae", "vae", "Train audio-to-motion.")
_add("deform", "deformation", "Train the landmark deformation model.")
_add("head", "head", "Train the head field on a film.")
_add("torso", "torso", "Train the torso field on a film.")


def _train(
    stage: str,
    work: Path | None,
    data: Path | None,
    config: Path | None,
    print_config: bool,
    minutes_scale: float,
    device: str,
) -> None:
    """Run one training, going on where it stopped, and print its report."""
    _require_extra()
    from .config_text import config_text
    from .demo.recipe import Workshop
    from .devices import check_device
    from .prepared import train_on_prepared
    from .progress import displayed
    from .stages import REPORT

    settings = _demo_config(config, minutes_scale, stage, work if data is None else None)
    if print_config:
        print(config_text(getattr(settings, stage)), end="")
        return
    folder = _folder(work)
    check_device(device)
    with _resumable(), displayed() as report:

        def progress(fraction: float, text: str) -> None:
            report(stage, fraction, text)

        if data is None:
            Workshop(folder, settings, device).run(stage, progress)
        else:
            train_on_prepared(stage, getattr(settings, stage), data, folder, progress, device)
        report(stage, 1.0, "")
    print((folder / stage / REPORT).read_text("utf-8"), end="")


def _demo_config(
    path: Path | None, minutes_scale: float, stage: str = "", work: Path | None = None
) -> DemoConfig:
    """The demo's configuration with what the file at `path` says of it, or of one `stage`.

    A stage that is trained on the results below `work` begins with what they were made with.
    """
    from dataclasses import replace

    from .config import CONFIG, read_config
    from .demo.recipe import DemoConfig

    config = DemoConfig()
    if work is not None and (work / CONFIG).is_file():
        config = read_config(work / CONFIG, config)
    if path is not None and stage:
        config = replace(config, **{stage: read_config(path, getattr(config, stage))})
    elif path is not None:
        config = read_config(path, config)
    return config.scaled(minutes_scale)


def _folder(work: Path | None) -> Path:
    if work is None:
        raise BadOption("WORK", expected="the folder to train in", found="none")
    return work


@contextmanager
def _resumable() -> Iterator[None]:
    """Say on Ctrl-C how to go on; the command line ends with 130 without a traceback."""
    try:
        yield
    except KeyboardInterrupt:
        said = "interrupted: the same command goes on from the last checkpoint"
        print(said, file=sys.stderr)
        raise


def _require_extra() -> None:
    for module in TRAIN_MODULES:
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(module, "train", "training")
