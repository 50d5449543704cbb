"""``emogene-eval``: judge an avatar, or any method's video beside the true one."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from ..contract.errors import BadOption, MissingExtra
from ..runtime.command_line import run

if TYPE_CHECKING:
    from .avatar import Told
    from .material import MaterialConfig

MODULES = ("torch", "transformers", "numba", "scipy", "espeakng_loader", "PIL")

app = typer.Typer(
    name="emogene-eval",
    help="Judge an avatar, or any method's video beside the true one.",
    add_completion=False,
    pretty_exceptions_enable=False,
)

OptionalPath = Optional[Path]  # noqa: UP045 - typer reads it at run time

EngineDir = Annotated[
    OptionalPath,
    typer.Option(help="Engine directory to judge; the built-in avatar by default.", metavar="DIR"),
]
Frames = Annotated[int, typer.Option(help="Frames of the held-out film.", metavar="N")]
Size = Annotated[int, typer.Option(help="Its width and height, pixels.", metavar="N")]
Minutes = Annotated[
    float, typer.Option(help="Held-out speech in each of the two sets.", metavar="MIN")
]
Threads = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(help="Processor threads; all by default.", metavar="N", min=1),
]
Inception = Annotated[
    OptionalPath,
    typer.Option(help="TorchScript file of Inception, for FID; it is code.", metavar="FILE"),
]
Expert = Annotated[
    OptionalPath,
    typer.Option(help="Folder of the lip-sync expert, WORK/sync/network.", metavar="DIR"),
]


def main() -> None:
    """Entry point of ``emogene-eval``."""
    run(app)


@app.callback(invoke_without_command=True)
def evaluate(
    context: typer.Context,
    engine_dir: EngineDir = None,
    video: Annotated[
        OptionalPath,
        typer.Option(help="Judge this video instead of an avatar.", metavar="FILE"),
    ] = None,
    reference: Annotated[
        OptionalPath, typer.Option(help="The true video beside it.", metavar="FILE")
    ] = None,
    emotion: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Emotion that both videos should show.", metavar="NAME"),
    ] = None,
    landmarks: Annotated[
        OptionalPath,
        typer.Option(help="Its landmarks (.npz); MediaPipe finds them otherwise.", metavar="FILE"),
    ] = None,
    reference_landmarks: Annotated[
        OptionalPath, typer.Option(help="The reference's landmarks (.npz).", metavar="FILE")
    ] = None,
    resize: Annotated[
        bool, typer.Option("--resize", help="Resample a video of another size.")
    ] = False,
    inception: Inception = None,
    sync_expert: Expert = None,
    frames: Frames = 48,
    size: Size = 512,
    minutes: Minutes = 2.0,
    threads: Threads = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead of tables.")
    ] = False,
) -> None:
    """Judge an avatar on held-out speech and film, or a video beside the true one.

    Without --video, the avatar (the built-in one) is judged as one of the procedural head, which
    all held-out material shows. Judge other faces by their videos.
    """
    if context.invoked_subcommand is not None:
        _refuse_options_before(context)
        return
    _require_extra()
    from .output import print_figures, print_plain, print_targets
    from .sync import SHIPPED

    expert = sync_expert or SHIPPED
    if video is None:
        for name, given in (
            ("reference", reference), ("emotion", emotion), ("landmarks", landmarks),
            ("reference-landmarks", reference_landmarks), ("resize", resize or None),
        ):  # fmt: skip
            if given is not None:
                raise BadOption(
                    f"--{name}", expected="--video beside it", found="none",
                    remedy="name the video to judge",
                )  # fmt: skip
        from .avatar import evaluate_avatar
        from .material import Material
        from .subject import Subject

        config = _material(frames, size, minutes)
        with _told() as told, Subject(engine_dir, threads) as subject:
            found = evaluate_avatar(
                subject, Material(config), told, inception=inception, expert=expert
            )
        if as_json:
            print_plain(found.plain())
        else:
            print_figures(found.figures, found.left_out)
            print_targets(found.figures)
        return
    if reference is None:
        raise BadOption("--reference", expected="the true video beside --video", found="none")
    from .avatar import flat
    from .video import evaluate_video
    from .video_task import VideoTask

    task = VideoTask(
        video, reference, emotion, landmarks, reference_landmarks, inception, resize, expert,
        engine_dir,
    )  # fmt: skip
    with _told() as told:
        told("both videos")
        figures, left_out = evaluate_video(task)
    if as_json:
        print_plain(flat(figures, left_out))
    else:
        print_figures(figures, left_out)


@app.command()
def tables(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write.", metavar="DIR")],
    engine_dir: EngineDir = None,
    method: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            help="A row of the method table: judged beside REFERENCE. Repeatable.",
            metavar="NAME=VIDEO:REFERENCE",
        ),
    ] = None,
    page: Annotated[
        OptionalPath,
        typer.Option(
            help="Markdown page whose marked block is rewritten; the contact sheet goes beside it.",
            metavar="FILE",
        ),
    ] = None,
    inception: Inception = None,
    sync_expert: Expert = None,
    frames: Frames = 48,
    size: Size = 512,
    minutes: Minutes = 2.0,
    threads: Threads = None,
) -> None:
    """Write the paper's tables as Markdown and JSON, and a contact sheet of frames."""
    _require_extra()
    from .avatar import evaluate_avatar
    from .material import Material
    from .subject import Subject
    from .sync import SHIPPED
    from .tables import judged_methods, read_methods, write_page, write_tables

    methods = read_methods(method or [])
    config = _material(frames, size, minutes)
    material = Material(config)
    with _told() as told:
        others = judged_methods(methods, inception, told)
        with Subject(engine_dir, threads) as subject:
            found = evaluate_avatar(
                subject, material, told, inception=inception, expert=sync_expert or SHIPPED
            )
            name = subject.name
    write_tables(output, name, found, others, material)
    if page is not None:
        write_page(page, output)
    print(f"{output}: tables.md, figures.json, contact_sheet.jpg")


@app.command()
def probes(
    work: Annotated[
        OptionalPath,
        typer.Option(
            help="Folder of `emogene-train demo`'s stages, whose lip-sync expert is taken along.",
            metavar="DIR",
        ),
    ] = None,
) -> None:
    """Train the package's emotion probes on film of the procedural head: about three minutes."""
    _require_extra()
    from .material import Material
    from .probes.networks import DATA
    from .probes.train import train_probes
    from .sync import take_expert

    with _told() as told:
        if work is not None:
            take_expert(work, DATA)
        told("the procedural head")
        report = train_probes(Material().rig, told=told)
    print(json.dumps(report, indent=2))


def _refuse_options_before(context: typer.Context) -> None:
    """Options before a command's name are those of no command; they must not be lost silently."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = "--json" if name == "as_json" else "--" + name.replace("_", "-")
            raise BadOption(
                option,
                expected=f"options after the command's name, {context.invoked_subcommand}",
                found="it before",
                remedy=f"see emogene-eval {context.invoked_subcommand} --help",
            )


def _material(frames: int, size: int, minutes: float) -> MaterialConfig:
    from .material import MaterialConfig

    return MaterialConfig(frames=frames, size=size, minutes=minutes, reading_minutes=3 * minutes)


def _require_extra() -> None:
    for module in MODULES:
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(module, "eval", "evaluation")


@contextmanager
def _told() -> Iterator[Told]:
    """What is being done: on a terminal with a spinner, elsewhere a line each on standard error."""
    from rich.console import Console

    out = Console(stderr=True)
    if not out.is_terminal:
        yield lambda text: print(text, file=sys.stderr, flush=True)
        return
    with out.status("opening") as status:
        yield lambda text: status.update(text)
