"""``libemogene.so`` called from this very process, where Python runs already."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emogene.capi.bridge import BAD_INPUT, CLOSED, FAILURE, NO_FRAME, NO_MEMORY, OK, UNAVAILABLE
from emogene.capi.config import installed
from emogene.capi.structures import FrameInfo, OpenOptions, SessionOptions, Stats

__all__ = [
    "BAD_INPUT",
    "CLOSED",
    "FAILURE",
    "NO_FRAME",
    "NO_MEMORY",
    "NV12",
    "OK",
    "RGB",
    "RGBA",
    "UNAVAILABLE",
    "FrameInfo",
    "OpenOptions",
    "SessionOptions",
    "StartOptions",
    "Stats",
    "last_error",
    "library",
    "made",
    "open_avatar",
    "open_session",
    "pull",
    "push",
]

RGB, RGBA, NV12 = range(3)
"""``emogene_format``."""


class StartOptions(ctypes.Structure):
    """``emogene_start_options``."""

    _fields_ = (
        ("struct_size", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("venv", ctypes.c_char_p),
        ("libpython", ctypes.c_char_p),
    )


@cache
def library() -> ctypes.CDLL:
    """The installed library."""
    loaded = ctypes.CDLL(str(installed() / "lib" / "libemogene.so"))
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    for name, result, *arguments in (
        ("version", ctypes.c_char_p),
        ("last_error", ctypes.c_char_p),
        ("emotion_name", ctypes.c_char_p, ctypes.c_int32),
        ("image_bytes", size, ctypes.c_int, ctypes.c_int32, size),
        ("start", ctypes.c_int, pointer),
        ("open", ctypes.c_int, ctypes.c_char_p, pointer, pointer),
        ("close", ctypes.c_int, pointer),
        ("session_open", ctypes.c_int, pointer, pointer, pointer),
        ("session_close", ctypes.c_int, pointer),
        ("session_size", ctypes.c_int, pointer, pointer),
        ("push_s16", ctypes.c_int, pointer, pointer, size),
        ("push_f32", ctypes.c_int, pointer, pointer, size),
        ("flush", ctypes.c_int, pointer),
        ("interrupt", ctypes.c_int, pointer, pointer),
        (
            "set_emotion",
            ctypes.c_int,
            pointer,
            ctypes.c_char_p,
            ctypes.c_double,
            ctypes.c_double,
        ),
        ("session_stats", ctypes.c_int, pointer, pointer),
        ("pull", ctypes.c_int, pointer, ctypes.c_int, pointer, size, size, pointer),
        ("borrow", ctypes.c_int, pointer, pointer, pointer, pointer),
        ("frame_release", ctypes.c_int, pointer),
    ):
        function = getattr(loaded, f"emogene_{name}")
        function.restype, function.argtypes = result, arguments
    return loaded


def last_error() -> str:
    """What the last failing call of this thread said."""
    return str(library().emogene_last_error().decode())


def made(kind: Any, **fields: Any) -> Any:
    """A structure with its size set."""
    return kind(struct_size=ctypes.sizeof(kind), **fields)


def open_avatar(path: Path) -> ctypes.c_void_p:
    """An avatar's handle."""
    handle, options = ctypes.c_void_p(), made(OpenOptions, threads=1)
    status = library().emogene_open(str(path).encode(), ctypes.byref(options), ctypes.byref(handle))
    assert status == OK, last_error()
    return handle


def open_session(avatar: ctypes.c_void_p, **fields: Any) -> ctypes.c_void_p:
    """A session's handle."""
    handle, options = ctypes.c_void_p(), made(SessionOptions, **fields)
    status = library().emogene_session_open(avatar, ctypes.byref(options), ctypes.byref(handle))
    assert status == OK, last_error()
    return handle


def push(session: ctypes.c_void_p, samples: NDArray[Any]) -> int:
    """Push int16 or float32 samples; the status."""
    name = "emogene_push_s16" if samples.dtype == np.int16 else "emogene_push_f32"
    return int(getattr(library(), name)(session, samples.ctypes.data, len(samples)))


def pull(
    session: ctypes.c_void_p, size: int, form: int = RGB, stride: int = 0
) -> tuple[int, NDArray[np.uint8], FrameInfo]:
    """(status, bytes, info) of the next frame."""
    needed = library().emogene_image_bytes(form, size, stride)
    pixels, info = np.full(needed + 16, 77, np.uint8), made(FrameInfo)
    status = library().emogene_pull(
        session, form, pixels.ctypes.data, needed, stride, ctypes.byref(info)
    )
    assert (pixels[needed:] == 77).all(), "written beyond the picture"
    return int(status), pixels[:needed], info
