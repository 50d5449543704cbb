"""``emogene-train prepare``: make videos of real people into what the trainings read."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from ...contract.emotions import EMOTIONS, NEUTRAL
from ...contract.errors import BadOption, MissingExtra

if TYPE_CHECKING:
    from .prepare import Preparation
    from .sources import Source

app = typer.Typer(
    help="Make videos of real people into what the trainings read.", no_args_is_help=True
)

HUBERT = "facebook/hubert-large-ls960-ft"

SHOWN = 5
"""Recordings left out that are named on the terminal."""

Source_ = Annotated[
    Path, typer.Argument(help="What to prepare; it is only read.", show_default=False)
]
Data = Annotated[
    Path, typer.Option("-o", "--output", help="The data folder to write.", metavar="DATA")
]
Hubert = Annotated[
    str,
    typer.Option(help="Speech encoder: a folder of ours or of transformers, or a hub name."),
]
Landmarks = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads it at run time
    typer.Option(help="Landmarks of your own detector, in place of MediaPipe's.", metavar="NPZ"),
]
Masks = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(help="Videos that are white where the person is, in place of MediaPipe's."),
]
Focal = Annotated[
    Optional[float],  # noqa: UP045
    typer.Option(min=1.0, help="Focal length in pixels, where it is known; else it is fitted."),
]
Frames = Annotated[int, typer.Option(min=4, help="Most frames of the two films.")]
Size = Annotated[int, typer.Option(min=32, max=1024, help="Width and height of the films.")]
Shortest = Annotated[float, typer.Option(min=0.16, help="Shortest clip, seconds.")]
Identities = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--identity", help="Only this identity. Repeatable."),
]
HeldOut = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(help="Hold out this identity, in place of our choice. Repeatable."),
]


@app.command()
def tool() -> None:
    """Install MediaPipe, which finds faces, in an environment of its own: about 10 seconds."""
    from .tool_environment import make_tool

    print(f"MediaPipe stands ready: {make_tool()}")


@app.command()
def video(
    source: Source_,
    output: Data,
    emotion: Annotated[str, typer.Option(help="What the person wears throughout.")] = NEUTRAL,
    identity: Annotated[str, typer.Option(help="Name of the person.")] = "",
    hubert: Hubert = HUBERT,
    landmarks: Landmarks = None,
    masks: Masks = None,
    focal: Focal = None,
    film: Annotated[bool, typer.Option(help="Make films to train fields on.")] = True,
    frames: Frames = 2000,
    size: Size = 512,
    shortest: Shortest = 1.0,
) -> None:
    """Prepare one video of one person talking, 3 to 6 minutes: clips, and films for the fields."""
    _require_extra()
    from .prepare import Preparation
    from .sources import own_video

    if emotion not in EMOTIONS:
        raise BadOption("--emotion", expected=f"one of {', '.join(EMOTIONS)}", found=repr(emotion))
    name = identity or source.stem
    found = own_video(source, emotion, 0.0 if emotion == NEUTRAL else 1.0, name)
    plan = Preparation(
        "video", hubert, landmarks, masks, focal, name if film else None, frames, size, shortest
    )
    _prepare(found, output, plan)


@app.command()
def mead(
    source: Source_,
    output: Data,
    view: Annotated[str, typer.Option(help="Which of its cameras.")] = "front",
    identity: Identities = None,
    held_out: HeldOut = None,
    hubert: Hubert = HUBERT,
    landmarks: Landmarks = None,
    masks: Masks = None,
    focal: Focal = None,
    film: Annotated[str, typer.Option(help="Identity to make films of.")] = "",
    frames: Frames = 2000,
    size: Size = 512,
    shortest: Shortest = 1.0,
) -> None:
    """Prepare MEAD: clips of all emotions, identities held out."""
    _require_extra()
    from .prepare import Preparation
    from .sources import mead as recordings

    found = recordings(source, held_out=held_out or (), identities=identity or (), view=view)
    if film and film not in {one.identity for one in found}:
        raise BadOption("--film", expected="an identity that is prepared", found=repr(film))
    plan = Preparation(
        "mead", hubert, landmarks, masks, focal, film or None, frames, size, shortest
    )
    _prepare(found, output, plan)


@app.command()
def voxceleb2(
    source: Source_,
    output: Data,
    identity: Identities = None,
    held_out: HeldOut = None,
    hubert: Hubert = HUBERT,
    landmarks: Landmarks = None,
    shortest: Shortest = 1.0,
) -> None:
    """Prepare VoxCeleb2: clips, taken for neutral, identities held out."""
    _require_extra()
    from .prepare import Preparation
    from .sources import voxceleb2 as recordings

    found = recordings(source, held_out=held_out or (), identities=identity or ())
    _prepare(found, output, Preparation("voxceleb2", hubert, landmarks, shortest_s=shortest))


def _prepare(sources: Sequence[Source], output: Path, plan: Preparation) -> None:
    from ...contract.units import FRAMES_PER_SECOND
    from ..progress import displayed
    from .prepare import REPORT, prepare

    with displayed() as progress:
        entries, report = prepare(sources, output, plan, progress)
    minutes = sum(entry.frames for entry in entries) / FRAMES_PER_SECOND / 60
    held_out = sum(entry.split == "held_out" for entry in entries)
    print(f"{output}: {len(entries)} clips, {held_out} of them held out, {minutes:.1f} minutes")
    worst = max(report.recordings, key=lambda one: one["reprojection_error_px"])
    print(
        f"reprojection error: at most {worst['reprojection_error_px']:.2f} pixels "
        f"({100 * worst['reprojection_error']:.1f} % of the distance between the eyes)"
    )
    for name in ("training", "held_out"):
        if name in report.film:
            print(f"{output / 'film' / name}: {report.film[name]['frames']} frames")
    for left_out in report.skipped[:SHOWN]:
        print(f"left out: {left_out['reason']}")
    if report.skipped:
        print(f"{len(report.skipped)} recordings were left out: see {output / REPORT}")


def _require_extra() -> None:
    for module in ("torch", "transformers", "numba", "scipy", "PIL"):
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(module, "train", "preparing data")
