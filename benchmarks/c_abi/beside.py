"""What Python pulls inside ``pull.c``, from sessions of the same avatar and in the same thread."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from emogene.capi import bridge
from emogene.runtime.session import Session

_turns: dict[int, Callable[[], None]] = {}
_sessions: list[Session] = []


def prepare(samples: str, size: int, answer: int, row: int) -> None:
    """Begin a session for every way: ``p`` pulls, ``c`` copies RGB, ``q`` RGB into RGBA.

    Args:
        samples: file of 16 kHz mono float32.
        size: side of the pictures, pixels.
        answer, row: addresses where the host reads seconds, and the picture's first row.
    """
    pushed = np.fromfile(samples, np.float32)
    (avatar,) = bridge._avatars.values()
    for way, keep in (
        ("p", None),
        ("c", np.zeros((size, size, 3), np.uint8)),
        ("q", np.full((size, size, 4), 255, np.uint8)),
    ):
        session = avatar.session(size=size)
        session.push(pushed)
        session.flush()
        _sessions.append(session)
        _turns[ord(way)] = _pulling(session, keep, answer, row)


def _pulling(
    session: Session, keep: NDArray[np.uint8] | None, answer: int, row: int
) -> Callable[[], None]:
    def pull() -> None:
        began = time.perf_counter()
        frame = session.pull()
        assert frame is not None
        if keep is not None:
            keep[..., :3] = frame.image
        first = frame.image[0].tobytes()
        inside = frame.speech_seconds + frame.render_seconds
        del frame
        seconds = time.perf_counter() - began
        ctypes.memmove(answer, np.array([seconds, inside]).tobytes(), 16)
        ctypes.memmove(row, first, len(first))

    return pull


def turn(way: int) -> None:
    """Pull a frame."""
    _turns[way]()


def close() -> None:
    """End the sessions."""
    for session in _sessions:
        session.close()
