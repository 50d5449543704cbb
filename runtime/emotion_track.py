"""Emotions over the time of a recording: written beside it, or on the command line."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..contract.codec import CodecError, from_plain
from ..contract.emotions import NEUTRAL, checked_intensity, emotion_index
from ..contract.errors import BadInput, BadOption
from ..contract.units import SAMPLE_RATE
from .emotion_timeline import LONGEST_FADE

MAX_POINTS = 10_000
"""Changes in one track; more are a mistake."""

MAX_BYTES = 4 << 20
"""Size of a track's file; more is another file."""

_COLUMNS = ("time", "emotion", "intensity", "fade")


@dataclass(frozen=True)
class EmotionPoint:
    """A change of emotion.

    Attributes:
        time: when it begins, seconds from the first sample.
        emotion: one of `emogene.EMOTIONS`.
        intensity: 0 … 1.5; None takes that of the whole recording.
        fade: how long it takes, 0 … 60 seconds; None takes the profile's.

    Raises:
        BadOption: one of them is out of range.
    """

    time: float
    emotion: str
    intensity: float | None = None
    fade: float | None = None

    def __post_init__(self) -> None:
        emotion_index(self.emotion)
        if self.intensity is not None:
            checked_intensity(self.intensity)
        if self.fade is not None and not 0 <= self.fade <= LONGEST_FADE:
            raise BadOption("fade", expected=f"seconds, 0 … {LONGEST_FADE:g}", found=str(self.fade))
        if not 0 <= self.time < math.inf:
            raise BadOption("time", expected="seconds, 0 or more", found=str(self.time))

    def sample(self, rate: int = SAMPLE_RATE) -> int:
        """Absolute index, at ``rate`` samples a second, of the first sample it holds for."""
        return round(self.time * rate)


@dataclass(frozen=True)
class EmotionTrack:
    """Changes of emotion in order of time; before the first the avatar is neutral.

    Raises:
        BadOption: there is none, there are more than `MAX_POINTS`, or they are not in order.
    """

    points: tuple[EmotionPoint, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.points) <= MAX_POINTS:
            raise BadOption(
                "emotion track", expected=f"1 … {MAX_POINTS} changes", found=str(len(self.points))
            )
        for number, (one, other) in enumerate(zip(self.points, self.points[1:], strict=False), 2):
            if other.time <= one.time:
                raise BadOption(
                    f"entry {number}, time",
                    expected=f"more than {one.time:g} s, the entry before",
                    found=f"{other.time:g} s",
                    remedy="put the changes in order of time",
                )

    @classmethod
    def of(cls, emotion: str | EmotionTrack) -> EmotionTrack:
        """A track as it is; ``"happy"`` from the start; or ``"0:neutral,2.5:happy@0.8"``.

        Raises:
            BadOption: the text is none of these; the message names the entry.
        """
        if isinstance(emotion, EmotionTrack):
            return emotion
        if ":" not in emotion and "," not in emotion:
            return cls((EmotionPoint(0.0, emotion),))
        return cls(tuple(map(_from_word, _numbered(emotion.split(",")))))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> EmotionTrack:
        """The track in a file: ``.csv`` with the columns time, emotion, intensity and fade, the
        last two as wanted; or ``.json``, a list of objects with these names.

        Raises:
            BadInput: it cannot be read or is no track; the message names the entry or line.
        """
        name = os.fspath(path)
        readers = {".csv": _from_csv, ".json": _from_json}
        reader = readers.get(Path(name).suffix.lower())
        if reader is None:
            raise BadInput(
                name,
                expected="an emotion track ending in .json or .csv",
                found=f"the ending {Path(name).suffix!r}",
            )
        text = _text(name)
        try:
            return cls(tuple(reader(text)))
        except BadInput as error:
            raise _placed(name, error) from None
        except (CodecError, csv.Error, json.JSONDecodeError, RecursionError) as error:
            raise BadInput(f"{name}: {error}") from None

    @property
    def emotions(self) -> tuple[str, ...]:
        """Those it names, each once, in order of time."""
        return tuple(dict.fromkeys(point.emotion for point in self.points))

    @property
    def opening(self) -> EmotionPoint:
        """What is worn at the first sample."""
        first = self.points[0]
        return first if first.sample() == 0 else EmotionPoint(0.0, NEUTRAL)

    @property
    def changes(self) -> tuple[EmotionPoint, ...]:
        """What comes after the opening."""
        return tuple(point for point in self.points if point.sample())


def _numbered(words: list[str]) -> Iterator[tuple[int, str]]:
    return enumerate((word.strip() for word in words), 1)


def _from_word(numbered: tuple[int, str]) -> EmotionPoint:
    """``2.5:happy@0.8`` → a point."""
    number, word = numbered
    time, colon, rest = word.partition(":")
    name, at, intensity = rest.partition("@")
    place = f"emotion, entry {number}"
    if not colon:
        raise BadOption(place, expected="SECONDS:NAME or SECONDS:NAME@INTENSITY", found=repr(word))
    try:
        return EmotionPoint(
            _number("time", time), name.strip(), _number("intensity", intensity) if at else None
        )
    except BadOption as error:
        raise _placed(place, error) from None


def _from_csv(text: str) -> Iterator[EmotionPoint]:
    rows = csv.DictReader(io.StringIO(text), skipinitialspace=True, strict=True)
    columns = [name.strip() for name in rows.fieldnames or ()]
    rows.fieldnames = columns
    if not {"time", "emotion"} <= set(columns) <= set(_COLUMNS) or len(set(columns)) < len(columns):
        raise BadInput(
            "line 1",
            expected=f"the columns {', '.join(_COLUMNS)}, the last two as wanted",
            found=", ".join(columns) or "nothing",
        )
    for row in rows:
        place = f"line {rows.line_num}"
        if None in row or None in row.values():
            raise BadInput(place, expected=f"{len(columns)} values", found="another number of them")
        try:
            yield EmotionPoint(
                time=_number("time", row["time"]),
                emotion=row["emotion"].strip(),
                intensity=_optional("intensity", row),
                fade=_optional("fade", row),
            )
        except BadOption as error:
            raise _placed(place, error) from None


def _from_json(text: str) -> Iterator[EmotionPoint]:
    plain: Any = json.loads(text)
    if not isinstance(plain, list):
        raise BadInput("emotion track", expected="a list of changes", found=type(plain).__name__)
    for number, entry in enumerate(plain, 1):
        place = f"entry {number}"
        try:
            yield from_plain(EmotionPoint, entry, place)
        except BadOption as error:
            raise _placed(place, error) from None


def _optional(name: str, row: dict[str, str]) -> float | None:
    text = row.get(name, "").strip()
    return _number(name, text) if text else None


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadOption(name, expected="a number", found=repr(text.strip())) from None


def _text(name: str) -> str:
    try:
        with open(name, encoding="utf-8-sig", newline="") as stream:
            text = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadInput(name, expected="an emotion track", found=str(error.strerror)) from None
    except UnicodeDecodeError:
        raise BadInput(name, expected="an emotion track", found="no UTF-8 text") from None
    if len(text) > MAX_BYTES:
        raise BadInput(name, expected=f"at most {MAX_BYTES >> 20} MiB", found="more")
    return text


def _placed(place: str, error: BadInput) -> BadInput:
    """The same refusal, said of an entry, a line or a file."""
    return type(error)(
        f"{place}: {error.thing}",
        expected=error.expected,
        found=error.found,
        remedy=error.remedy,
    )
