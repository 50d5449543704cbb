"""``emogene-run``: speech in, talking head out. Nothing heavy is imported before it is parsed."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Optional

import typer

from .. import __version__
from ..contract.emotions import EMOTIONS, NEUTRAL
from .command_line import run

app = typer.Typer(
    name="emogene-run",
    add_completion=False,
    pretty_exceptions_enable=False,
)


class IdleChoice(str, Enum):
    """How still poses are recognised; spelled as `poses.idle.IdleRule`."""

    TOLERANT = "tolerant"
    STRICT = "strict"


class MarchingChoice(str, Enum):
    """How rays are marched; spelled as `render.rounds.MARCHINGS`."""

    RAYS = "rays"
    AUTHORS = "authors"


class QualityChoice(str, Enum):
    """How much a picture may leave out; spelled as `render.quality.QUALITIES`."""

    FAST = "fast"
    BALANCED = "balanced"
    EXACT = "exact"


class RendererOption(str, Enum):
    """What paints; spelled as `render.choice.RENDERERS`."""

    AUTO = "auto"
    FUSED = "fused"
    WAVEFRONT = "wavefront"
    GPU = "gpu"
    GPU_PLAIN = "gpu-plain"
    GPU_WAVEFRONT = "gpu-wavefront"
    GPU_WAVEFRONT_ENGINES = "gpu-wavefront-engines"
    GPU_FUSED = "gpu-fused"
    GPU_FUSED_FLOAT32 = "gpu-fused-float32"


class StatsChoice(str, Enum):
    """How statistics are printed."""

    JSON = "json"


def main() -> None:
    """Entry point of ``emogene-run``."""
    run(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"emogene {__version__}")
        raise typer.Exit


@app.command()
def emogene_run(
    audio: Annotated[
        Optional[str],  # noqa: UP045 - typer reads it at run time
        typer.Argument(
            help="Speech: any audio or video file, or - for one on standard input.",
            metavar="AUDIO",
            show_default=False,
        ),
    ] = None,
    sample: Annotated[
        bool, typer.Option("--sample", help="Speak the sample that ships with the package.")
    ] = False,
    engine_dir: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--engine-dir", help="Engine directory of an avatar (default: the built-in one)."
        ),
    ] = None,
    emotion: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help=f"One of {', '.join(EMOTIONS)}; or several over time, each with its second: "
            f"0:sad,2.5:happy@0.8 (default: {NEUTRAL}).",
            metavar="NAME",
        ),
    ] = None,
    emotion_track: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            help="A .json or .csv file of emotions over time: time, emotion, intensity, fade.",
            metavar="FILE",
        ),
    ] = None,
    intensity: Annotated[
        float, typer.Option(help="Strength of the emotion, 0 to 1.5.", metavar="X")
    ] = 1.0,
    output: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "-o",
            "--output",
            help="An .mp4 or .y4m file, a folder for PNGs, - for y4m on standard output, or "
            "shm://NAME for a ring in shared memory (default: AUDIO's name with .mp4, in this "
            "folder).",
            metavar="PATH",
        ),
    ] = None,
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Speak in real time: raw 16-bit mono samples on standard input (AUDIO is -), or "
            "the microphone (no AUDIO); y4m on standard output unless -o says otherwise.",
        ),
    ] = False,
    sample_rate: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Of the raw samples, with --live (default: 16000).", metavar="HZ"),
    ] = None,
    log: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="With --live: a folder for a log of the session.", metavar="DIR"),
    ] = None,
    replay: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Render the session in such a log once more.", metavar="DIR"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of all that is random.", metavar="N")] = 0,
    size: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Side of the picture, pixels (default: the avatar's).", metavar="N"),
    ] = None,
    threads: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Processor threads to use (default: all).", metavar="N"),
    ] = None,
    idle: Annotated[
        IdleChoice,
        typer.Option(help="How still poses are found: with a tolerance, or as the paper prints."),
    ] = IdleChoice.TOLERANT,
    quality: Annotated[
        QualityChoice, typer.Option(help="How much of what can hardly be seen is left out.")
    ] = QualityChoice.BALANCED,
    renderer: Annotated[
        RendererOption,
        typer.Option(
            help="What paints: a GPU (gpu), compiled loops for the CPU (fused), the directory's "
            "networks in rounds (wavefront), or the first of them that works here (auto)."
        ),
    ] = RendererOption.AUTO,
    backend: Annotated[
        str,
        typer.Option(
            help="What runs the networks: auto (the best that works here), onnxruntime, tensorrt "
            "or tensorrt-rtx.",
            metavar="NAME",
        ),
    ] = "auto",
    precision: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            help="Run a stage on ONNX Runtime in another precision. Repeatable.",
            metavar="STAGE=NAME",
        ),
    ] = None,
    marching: Annotated[
        MarchingChoice,
        typer.Option(
            help="How rays are marched: each by itself, or as the published inference paints "
            "(imported avatars), to be compared with it."
        ),
    ] = MarchingChoice.RAYS,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with an error instead of any fallback.")
    ] = False,
    stats: Annotated[
        Optional[StatsChoice],  # noqa: UP045
        typer.Option(help="Print statistics of the run.", metavar="json"),
    ] = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Speech in, talking head out: AUDIO spoken by an avatar, as a video."""
    from .commands_run import RunOptions, run_command

    run_command(
        RunOptions(
            live=live,
            sample_rate=sample_rate,
            log=log,
            replay=replay,
            audio=audio,
            sample=sample,
            engine_dir=engine_dir,
            emotion=emotion,
            emotion_track=emotion_track,
            intensity=intensity,
            output=output,
            seed=seed,
            size=size,
            threads=threads,
            idle=idle.value,
            quality=quality.value,
            renderer=renderer.value,
            backend=backend,
            precision=tuple(precision or ()),
            marching=marching.value,
            strict=strict,
            stats=stats is not None,
        )
    )
