"""What ``emogene-run`` tells its user, on standard error and, of statistics, on standard output."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..contract.errors import Unavailable
from ..contract.units import FRAMES_PER_SECOND
from .backends.choice import Choice
from .emotion_cues import EmotionCues
from .render.choice import RendererChoice
from .session import Session

STANDARD = "-"
"""Of an input or an output: the standard one."""

_PACKAGE = __name__.partition(".")[0]


def say(text: str) -> None:
    """Tell the user something."""
    print(text, file=sys.stderr)


def say_written(output: str, frames: int, size: int, emotions: tuple[str, ...]) -> None:
    """Say what was written."""
    say(
        f"wrote {'standard output' if output == STANDARD else output}: {frames} frames, "
        f"{frames / FRAMES_PER_SECOND:.2f} s, {size}×{size}, {', '.join(emotions)}"
    )


def print_statistics(plain: dict[str, Any], output: str) -> None:
    """Print statistics as JSON."""
    # The video may be what stands on standard output.
    stream = sys.stderr if output == STANDARD else sys.stdout
    print(json.dumps(plain | {"output": output}, indent=2), file=stream)


def say_backend(choice: Choice) -> None:
    """Say which backend runs the networks in place of the one that was wished for."""
    if lost := choice.fallback:
        say(f"note: {choice.used} instead of {lost.backend}: {lost.reason} — {lost.remedy}")


def say_renderer(choice: RendererChoice) -> None:
    """The same of what paints."""
    if choice.fallback:
        what = f"note: rendering with {choice.used}: {choice.fallback}"
        say(f"{what} — {choice.remedy}" if choice.remedy else what)


def say_fallbacks(session: Session, strict: bool) -> None:
    """Say that silence looks like speech, where it does; `Unavailable` if that must not be."""
    if session.idle_segments:
        return
    if strict:
        raise Unavailable(
            "idle poses",
            expected="a still stretch among the avatar's poses",
            found="none",
            remedy="leave out --strict to let silence walk the filmed poses",
        )
    say("note: the avatar's poses never stand still; in silence the head moves as in speech")


def say_unreached(cues: EmotionCues) -> None:
    """Say which changes of emotion come after the end."""
    if waiting := cues.waiting:
        changes = f"{len(waiting)} change{'s' if len(waiting) > 1 else ''} of emotion"
        say(f"note: {changes}, from {waiting[0].time:g} s on, after the end of the audio")


@contextmanager
def progress(total: int) -> Iterator[Callable[[], None]]:
    """A progress bar on standard error, if that is a terminal; yields what moves it by a frame."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("frames", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("frames", total=total)
        yield lambda: bar.advance(task)


class _Collector(logging.Handler):
    """Keeps what is logged until there is somewhere to say it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextmanager
def warnings_said() -> Iterator[None]:
    """Say the package's warnings once the block is over: inside it standard error is mute."""
    collector, log = _Collector(), logging.getLogger(_PACKAGE)
    log.addHandler(collector)
    try:
        yield
    finally:
        log.removeHandler(collector)
        for message in collector.messages:
            say(f"warning: {message}")


@contextmanager
def without_library_chatter() -> Iterator[None]:
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
