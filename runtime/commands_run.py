"""The work behind ``emogene-run``."""

from __future__ import annotations

import importlib.resources
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..contract.data import Float32
from ..contract.emotions import checked_intensity, emotion_index
from ..contract.errors import BadAudio, BadOption, Unavailable
from ..contract.units import SAMPLE_RATE
from . import avatar as avatars
from .audio.load import as_chunks
from .avatar import Avatar
from .backends.choice import Choice, checked_backend
from .profiles import OFFLINE
from .render.choice import RendererChoice
from .run_statistics import RunStatistics
from .session import Session
from .sinks import open_sink

STANDARD = "-"

_PACKAGE = __name__.partition(".")[0]


@dataclass(frozen=True)
class RunOptions:
    """The command line, parsed; see ``emogene-run --help``."""

    audio: str | None
    sample: bool
    engine_dir: Path | None
    emotion: str
    intensity: float
    output: str | None
    seed: int
    size: int | None
    threads: int | None
    idle: Literal["tolerant", "strict"]
    quality: str
    renderer: str
    backend: str
    precision: tuple[str, ...]
    marching: str
    strict: bool
    stats: bool


def run_command(options: RunOptions) -> None:
    """Render what was asked for, and say what was written.

    Raises:
        EmoGeneError: something handed in is at fault, or cannot be done here.
    """
    statistics = RunStatistics()
    source, name = _source(options)
    output = options.output or f"{name}.mp4"
    _keep_input(source, output)
    # Cheap checks first, so that a typing error does not cost the loading of an avatar.
    emotion_index(options.emotion)
    checked_intensity(options.intensity)
    checked_backend(options.backend)
    with _warnings_said(), _without_library_chatter():
        chunks = list(_within_the_limit(as_chunks(source), options.audio or "the sample"))
    opened = avatars.open(
        options.engine_dir,
        threads=options.threads,
        backend=options.backend,
        strict=options.strict,
        precisions=_precisions(options.precision),
        marching=options.marching,
        renderer=options.renderer,
    )
    with opened as avatar:
        _report_backend(avatar.choice)
        _report_renderer(avatar.renderer_choice)
        session = avatar.session(
            options.emotion,
            options.intensity,
            options.seed,
            size=options.size,
            idle=options.idle,
            quality=options.quality,
        )
        with session:
            _report_fallbacks(session, options.strict)
            for chunk in chunks:
                session.push(chunk)
            session.flush()
            _write(session, output, statistics)
            _report(avatar, session, output, statistics, options)


def _source(options: RunOptions) -> tuple[str | bytes, str]:
    """What to read, and the name the output gets unless it is given one."""
    if options.sample and options.audio is not None:
        raise BadOption(
            "--sample", expected="no AUDIO beside it", found=options.audio, remedy="leave one out"
        )
    if options.sample:
        return str(importlib.resources.files(__package__) / "data" / "sample.wav"), "sample"
    if options.audio is None:
        raise BadOption(
            "AUDIO",
            expected="an audio file",
            found="none",
            remedy="name one, or use --sample for the one that ships with the package",
        )
    if options.audio == STANDARD:
        return sys.stdin.buffer.read(), "stdin"
    return options.audio, Path(options.audio).stem or "speech"


def _precisions(words: tuple[str, ...]) -> dict[str, str]:
    """``("hubert=int8",)`` → ``{"hubert": "int8"}``."""
    for word in words:
        if word.count("=") != 1:
            raise BadOption(
                "--precision",
                expected="STAGE=NAME, such as hubert=int8",
                found=word,
                remedy="see what a directory holds with: emogene-export inspect DIRECTORY",
            )
    return dict(word.split("=") for word in words)


def _within_the_limit(chunks: Iterator[Float32], name: str) -> Iterator[Float32]:
    """The chunks, until there are more than a session may hold: then all are refused."""
    limit, seconds = OFFLINE.max_stored_seconds, 0.0
    for chunk in chunks:
        seconds += len(chunk) / SAMPLE_RATE
        if seconds > limit:
            raise BadAudio(
                name,
                expected=f"at most {limit // 60} minutes",
                found="more",
                remedy="cut it into pieces and render each",
            )
        yield chunk


def _keep_input(source: str | bytes, output: str) -> None:
    """Refuse an output that is the input: the frames would be written over it."""
    if (
        isinstance(source, str)
        and os.path.exists(source)
        and os.path.exists(output)
        and os.path.samefile(source, output)
    ):
        raise BadOption(
            "-o",
            expected="another file than AUDIO",
            found=output,
            remedy="name an output with -o",
        )


class _Collector(logging.Handler):
    """Keeps what is logged until there is somewhere to say it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextmanager
def _warnings_said() -> Iterator[None]:
    """Say the package's warnings once the block is over: inside it standard error is mute."""
    collector, log = _Collector(), logging.getLogger(_PACKAGE)
    log.addHandler(collector)
    try:
        yield
    finally:
        log.removeHandler(collector)
        for message in collector.messages:
            _say(f"warning: {message}")


@contextmanager
def _without_library_chatter() -> Iterator[None]:
    """Drop what decoders written in C print on standard error beside the errors they return."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _report_backend(choice: Choice) -> None:
    if lost := choice.fallback:
        _say(f"note: {choice.used} instead of {lost.backend}: {lost.reason} — {lost.remedy}")


def _report_renderer(choice: RendererChoice) -> None:
    if choice.fallback:
        what = f"note: rendering with {choice.used}: {choice.fallback}"
        _say(f"{what} — {choice.remedy}" if choice.remedy else what)


def _report_fallbacks(session: Session, strict: bool) -> None:
    if session.idle_segments:
        return
    if strict:
        raise Unavailable(
            "idle poses",
            expected="a still stretch among the avatar's poses",
            found="none",
            remedy="leave out --strict to let silence walk the filmed poses",
        )
    _say("note: the avatar's poses never stand still; in silence the head moves as in speech")


def _write(session: Session, output: str, statistics: RunStatistics) -> None:
    with (
        open_sink(output, (session.size, session.size)) as sink,
        _progress(session.ready) as advance,
    ):
        for frame in session:
            statistics.add(frame)
            sink.write(frame)
            advance()


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A progress bar on standard error, if that is a terminal; yields what moves it by a frame."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("frames", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("frames", total=total)
        yield lambda: progress.advance(task)


def _report(
    avatar: Avatar, session: Session, output: str, statistics: RunStatistics, options: RunOptions
) -> None:
    plain = statistics.to_plain(avatar, session)
    size = plain["size"]
    _say(
        f"wrote {'standard output' if output == STANDARD else output}: "
        f"{plain['frames']} frames, {plain['seconds_of_video']:.2f} s, {size}×{size}, "
        f"{options.emotion}"
    )
    if options.stats:
        # The video may be what stands on standard output.
        stream = sys.stderr if output == STANDARD else sys.stdout
        print(json.dumps(plain | {"output": output}, indent=2), file=stream)


def _say(text: str) -> None:
    print(text, file=sys.stderr)
