"""A log of all that was done to a session, from which the same frames come again, bit by bit.

A log is a folder of two files that only grow. ``events.jsonl``: a line of JSON that says how the
session was opened, then one for each event, in order; ``frame`` is how many frames had been pulled
by then, ``sample`` the index at 16 kHz that the next pushed sample would get. ``samples.f32``: what
was pushed, little-endian float32 at the session's sample rate, filler left out. A log that was cut
short, because the machine went down, replays up to the cut.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from ...contract.codec import CodecError, from_plain, to_plain
from ...contract.data import Float32
from ...contract.errors import BadInput, BadOption, BadOutput
from ..audio.resample import HIGHEST_RATE
from ..output_checks import cannot_write
from ..session_options import SessionOptions

EVENTS, SAMPLES = "events.jsonl", "samples.f32"

FORMAT = 1

MAX_LINE = 1 << 20
"""Longest line that is read, bytes."""


@dataclass(frozen=True)
class Header:
    """The first line.

    Attributes:
        session: how it was opened.
        format: of the log.
    """

    session: SessionOptions
    format: int = FORMAT


@dataclass(frozen=True)
class Pushed:
    """``count`` samples were pushed: the next ones in ``samples.f32``."""

    frame: int
    sample: int
    count: int
    kind: Literal["push"] = "push"

    def __post_init__(self) -> None:
        if self.count < 0:
            raise BadOption("count", expected="0 samples or more", found=str(self.count))


@dataclass(frozen=True)
class Filled:
    """``count`` zeros were pushed, because nothing else was there in time."""

    frame: int
    sample: int
    count: int
    kind: Literal["filler"] = "filler"

    def __post_init__(self) -> None:
        if not 0 <= self.count <= HIGHEST_RATE:
            raise BadOption("count", expected="less than a second of filler", found=str(self.count))


@dataclass(frozen=True)
class EmotionSet:
    """`Session.set_emotion` was called."""

    frame: int
    sample: int
    emotion: str
    intensity: float | None
    over: float | None
    kind: Literal["emotion"] = "emotion"


@dataclass(frozen=True)
class Interrupted:
    """`Session.interrupt` was called."""

    frame: int
    sample: int
    kind: Literal["interrupt"] = "interrupt"


@dataclass(frozen=True)
class Flushed:
    """`Session.flush` was called."""

    frame: int
    sample: int
    kind: Literal["flush"] = "flush"


@dataclass(frozen=True)
class Ended:
    """The session was closed."""

    frame: int
    sample: int
    kind: Literal["end"] = "end"


Event = Pushed | Filled | EmotionSet | Interrupted | Flushed | Ended


class LogWriter:
    """Writes a log as things happen; memory does not grow with it.

    Args:
        folder: made if it is not there; an empty one is taken.
        session: how the session was opened.

    Raises:
        BadOutput: the folder is not empty or cannot be written; also from `write`.
    """

    def __init__(self, folder: str | os.PathLike[str], session: SessionOptions) -> None:
        self._name = os.fspath(folder)
        path = Path(folder)
        try:
            path.mkdir(exist_ok=True)
            if any(path.iterdir()):
                raise BadOutput(
                    self._name,
                    expected="an empty folder for the log",
                    found="files in it",
                    remedy="choose another",
                )
            self._samples: IO[bytes] = (path / SAMPLES).open("wb")
            self._events: IO[str] = (path / EVENTS).open("w", encoding="ascii")
        except OSError as error:
            raise cannot_write(self._name, error) from None
        self._line(Header(session))
        self.flush()

    def write(self, event: Event, samples: Float32 | None = None) -> None:
        """Add an event; (count,) float32 samples come with `Pushed`."""
        if samples is not None:
            self._guarded(lambda: self._samples.write(samples.astype("<f4").tobytes()))
        self._line(event)

    def flush(self) -> None:
        """Hand all that was written to the system."""
        # Samples first: a line then never speaks of samples that are not there.
        self._guarded(self._samples.flush)
        self._guarded(self._events.flush)

    def close(self) -> None:
        """Complete the log; nothing happens the second time."""
        self._guarded(self._samples.close)
        self._guarded(self._events.close)

    def _line(self, value: Header | Event) -> None:
        self._guarded(lambda: self._events.write(json.dumps(to_plain(value)) + "\n"))

    def _guarded(self, act: Any) -> None:
        try:
            act()
        except OSError as error:
            raise cannot_write(self._name, error) from None


class LogReader:
    """Reads a log, a line at a time.

    Attributes:
        session: how the session was opened.

    Raises:
        BadInput: the folder is no log; `events` raises it for a line that is none.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._name, self._path = os.fspath(folder), Path(folder)
        with self._open(EVENTS) as stream:
            plain = self._plain(stream.readline(MAX_LINE), 1)
        found = plain.get("format") if isinstance(plain, dict) else None
        if found != FORMAT:
            raise BadInput(
                f"{self._name}/{EVENTS}",
                expected=f"format {FORMAT}",
                found=repr(found),
                remedy="replay it with the version that wrote it",
            )
        self.session: SessionOptions = self._read(Header, plain, 1).session

    def events(self) -> Iterator[tuple[Event, Float32 | None]]:
        """Every whole event, with the samples of those that have them."""
        with self._open(EVENTS) as stream, self._open(SAMPLES) as samples:
            stream.readline(MAX_LINE)
            for number in range(2, 1 << 62):
                line = stream.readline(MAX_LINE)
                if not line.endswith(b"\n") and len(line) < MAX_LINE:
                    return  # the end, or the cut
                event: Event = self._read(Event, self._plain(line, number), number)  # type: ignore[arg-type]
                if not isinstance(event, Pushed):
                    yield event, None
                    continue
                data = samples.read(4 * event.count)
                if len(data) < 4 * event.count:
                    return
                yield event, np.frombuffer(data, "<f4").astype(np.float32)

    def _open(self, name: str) -> IO[bytes]:
        try:
            return (self._path / name).open("rb")
        except OSError as error:
            raise BadInput(
                f"{self._name}/{name}", expected="a file of a live log", found=str(error.strerror)
            ) from None

    def _plain(self, line: bytes, number: int) -> Any:
        try:
            return json.loads(line)
        except (ValueError, RecursionError) as error:
            raise self._no_line(number, str(error)) from None

    def _read(self, kind: type[Any], plain: Any, number: int) -> Any:
        try:
            return from_plain(kind, plain)
        except (CodecError, BadOption) as error:
            raise self._no_line(number, str(error)) from None

    def _no_line(self, number: int, found: str) -> BadInput:
        return BadInput(
            f"{self._name}/{EVENTS}, line {number}", expected="a line of a live log", found=found
        )
