"""The structures of ``include/emogene.h`` and ``cpp/table.h`` that Python reads and writes."""

from __future__ import annotations

import ctypes
from typing import Any

from ..contract.units import SAMPLES_PER_FRAME

I32, I64, U32, U64 = ctypes.c_int32, ctypes.c_int64, ctypes.c_uint32, ctypes.c_uint64
F32, F64, TEXT, POINTER = ctypes.c_float, ctypes.c_double, ctypes.c_char_p, ctypes.c_void_p

TABLE = 3
"""``kTable`` of the library this module was written for."""

S16, FLOAT = 0, 1
"""``Samples``: how pushed samples are written."""


class OpenOptions(ctypes.Structure):
    """``emogene_open_options``."""

    _fields_ = (
        ("struct_size", U32),
        ("threads", I32),
        ("backend", TEXT),
        ("renderer", TEXT),
        ("strict", I32),
        ("max_sessions", I32),
        ("marching", TEXT),
        ("precisions", TEXT),
    )


class SessionOptions(ctypes.Structure):
    """``emogene_session_options``."""

    _fields_ = (
        ("struct_size", U32),
        ("size", I32),
        ("seed", U64),
        ("emotion", TEXT),
        ("intensity", F32),
        ("sample_rate", I32),
        ("profile", TEXT),
        ("quality", TEXT),
        ("idle", TEXT),
    )


class Stats(ctypes.Structure):
    """``emogene_stats``."""

    _fields_ = (
        ("struct_size", U32),
        ("ready", I32),
        ("frames", I64),
        ("held_seconds", F64),
        ("first_frame_seconds", F64),
        ("speech_seconds", F64),
        ("render_seconds", F64),
        ("dropped_seconds", F64),
        ("interrupts", I64),
        ("waited_seconds", F64),
    )


class FrameInfo(ctypes.Structure):
    """``emogene_frame_info``."""

    _fields_ = (
        ("struct_size", U32),
        ("size", I32),
        ("index", I64),
        ("time", F64),
        ("idle", I32),
        ("emotion", I32),
        ("speech_seconds", F64),
        ("render_seconds", F64),
        ("audio", F32 * SAMPLES_PER_FRAME),
    )


def _function(*arguments: Any) -> Any:
    # Every one answers a status and ends with the address of its message.
    return ctypes.CFUNCTYPE(I32, *arguments, POINTER)


FUNCTIONS: tuple[tuple[str, Any], ...] = (
    ("open", _function(I64, TEXT, ctypes.POINTER(OpenOptions))),
    ("close", _function(I64)),
    (
        "begin",
        _function(I64, I64, ctypes.POINTER(SessionOptions), ctypes.POINTER(I32)),
    ),
    ("end", _function(I64)),
    ("push", _function(I64, POINTER, I64, I32)),
    ("flush", _function(I64)),
    ("interrupt", _function(I64, ctypes.POINTER(F64))),
    ("set_emotion", _function(I64, TEXT, F64, F64)),
    ("stats", _function(I64, ctypes.POINTER(Stats))),
)
"""What the library calls: name and kind."""


class Table(ctypes.Structure):
    """``Table``: what the library says of itself, then `FUNCTIONS`."""

    _fields_ = (
        ("version", U32),
        ("message_bytes", U32),
        ("close_python", ctypes.CFUNCTYPE(None)),
        *FUNCTIONS,
    )
