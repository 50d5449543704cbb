"""The Python side of ``libemogene.so``: what its C functions do, on numbers instead of objects.

The library checks handles, locks and sizes; here the numbers become avatars and sessions, and
exceptions become a status and a line of text. The library imports this module and calls `install`
and `pull`; nobody else does.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..contract.emotions import EMOTIONS, NEUTRAL
from ..contract.errors import BadInput, EmoGeneError, Failure, Unavailable
from ..contract.units import SAMPLE_RATE
from ..runtime import avatar as avatars
from ..runtime.avatar import Avatar
from ..runtime.backends.choice import AUTO
from ..runtime.backends.precisions import named_precisions
from ..runtime.render.choice import AUTO as AUTO_RENDERER
from ..runtime.render.rounds import PER_RAY
from ..runtime.session import Session
from .structures import FUNCTIONS, S16, TABLE, OpenOptions, SessionOptions, Stats, Table

OK, NO_FRAME, BAD_INPUT, UNAVAILABLE, FAILURE, CLOSED, NO_MEMORY = range(7)
"""``emogene_status``."""

_NUMBERS = {name: number for number, name in enumerate(EMOTIONS)}

Function = Callable[..., int]

_avatars: dict[int, Avatar] = {}
_sessions: dict[int, Session] = {}
_functions: list[Any] = []  # ctypes frees a callback that nobody holds


def install(address: int, environment: str) -> str:
    """Write the functions below into the library's table.

    Args:
        address: of a ``Table``.
        environment: where Python is meant to run; empty means wherever it does.

    Returns:
        Where it does.

    Raises:
        Failure: the library belongs to another version of the package.
        Unavailable: Python runs elsewhere.
    """
    table = Table.from_address(address)
    if table.version != TABLE:
        raise Failure(
            "libemogene.so",
            expected=f"version {TABLE} of its table",
            found=str(table.version),
            remedy="use the library that was installed with this package",
        )
    prefix = os.path.realpath(sys.prefix)
    if environment and os.path.realpath(environment) != prefix:
        raise Unavailable("Python", expected=f"to run in {environment}", found=prefix)
    for name, kind in FUNCTIONS:
        callback = kind(_answering(globals()[f"_{name}"], table.message_bytes))
        _functions.append(callback)
        setattr(table, name, callback)
    atexit.register(table.close_python)
    return prefix


def _answering(function: Function, most: int) -> Function:
    """``function``, whose exceptions become a status and a message of at most ``most`` bytes."""

    def answer(*arguments: Any) -> int:
        try:
            return function(*arguments[:-1])
        except BaseException as error:
            status, text = _told(error)
            line = text.encode()[: most - 1]
            # A character cut in half would make the rest unreadable to strict readers.
            line = line.decode(errors="ignore").encode()
            ctypes.memmove(arguments[-1], line + b"\0", len(line) + 1)
            return status

    return answer


def pull(session: int) -> tuple[Any, ...]:
    """The next frame of a session.

    The library calls it by itself and keeps what is returned as long as the frame is used.

    Returns:
        Picture, sound, index, time, seconds of speech, seconds of rendering, size, whether it is
        idle, and its emotion's number; where there is none, a status and a message.
    """
    try:
        frame = _sessions[session].pull()
        if frame is None:
            return NO_FRAME, ""
        image, audio = np.ascontiguousarray(frame.image), np.ascontiguousarray(frame.audio)
        spent = frame.speech_seconds, frame.render_seconds
        emotion = _NUMBERS[frame.emotion]
        return image, audio, frame.index, frame.time, *spent, len(image), frame.idle, emotion
    except BaseException as error:
        return _told(error)


def _told(error: BaseException) -> tuple[int, str]:
    """Its status, and one line."""
    status, text = _status(error)
    # What a path's odd bytes became has no UTF-8.
    return status, " ".join(text.replace("\0", " ").encode(errors="replace").decode().split())


def _status(error: BaseException) -> tuple[int, str]:
    if isinstance(error, BadInput):
        return BAD_INPUT, str(error)
    if isinstance(error, Unavailable):
        return UNAVAILABLE, str(error)
    if isinstance(error, EmoGeneError):
        return FAILURE, str(error)
    if isinstance(error, MemoryError):
        return NO_MEMORY, "not enough memory"
    return FAILURE, f"{type(error).__name__}: {error} — this is a defect; report it"


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="replace")


def _open(number: int, path: bytes | None, options: Any) -> int:
    wanted: OpenOptions = options.contents
    _avatars[number] = avatars.open(
        None if path is None else os.fsdecode(path),
        threads=wanted.threads or None,
        backend=_text(wanted.backend) or AUTO,
        renderer=_text(wanted.renderer) or AUTO_RENDERER,
        strict=bool(wanted.strict),
        max_sessions="auto" if wanted.max_sessions == -1 else wanted.max_sessions or None,
        marching=_text(wanted.marching) or PER_RAY,
        precisions=named_precisions("precisions", (_text(wanted.precisions) or "").split(",")),
    )
    return OK


def _close(number: int) -> int:
    _avatars.pop(number).close()
    return OK


def _begin(avatar: int, number: int, options: Any, size: Any) -> int:
    wanted: SessionOptions = options.contents
    session = _avatars[avatar].session(
        _text(wanted.emotion) or NEUTRAL,
        float(wanted.intensity) or 1.0,
        wanted.seed,
        _text(wanted.profile) or "offline",
        size=wanted.size or None,
        idle=_text(wanted.idle) or "tolerant",  # type: ignore[arg-type]  # checked there
        quality=_text(wanted.quality),
        sample_rate=wanted.sample_rate or SAMPLE_RATE,
    )
    _sessions[number] = session
    size[0] = session.size
    return OK


def _end(number: int) -> int:
    _sessions.pop(number).close()
    return OK


def _push(number: int, address: int, count: int, kind: int) -> int:
    dtype = np.dtype(np.int16 if kind == S16 else np.float32)
    data = ctypes.string_at(address, count * dtype.itemsize)
    _sessions[number].push(np.frombuffer(data, dtype))
    return OK


def _flush(number: int) -> int:
    _sessions[number].flush()
    return OK


def _interrupt(number: int, seconds: Any) -> int:
    seconds[0] = _sessions[number].interrupt()
    return OK


def _set_emotion(number: int, emotion: bytes, intensity: float, over: float) -> int:
    # NaN is not negative: it gets as far as the check that refuses it.
    _sessions[number].set_emotion(
        emotion.decode(errors="replace"),
        None if intensity < 0 else intensity,
        None if over < 0 else over,
    )
    return OK


def _stats(number: int, stats: Any) -> int:
    told: Stats = stats.contents
    metrics = _sessions[number].metrics
    told.ready, told.frames = metrics.ready, metrics.frames
    told.held_seconds = metrics.held_seconds
    first = metrics.first_frame_seconds
    told.first_frame_seconds = -1.0 if first is None else first
    told.speech_seconds, told.render_seconds = metrics.speech_seconds, metrics.render_seconds
    told.dropped_seconds, told.interrupts = metrics.dropped_seconds, metrics.interrupts
    told.waited_seconds = metrics.waited_seconds
    return OK
