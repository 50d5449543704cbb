"""Wrong arguments, sizes and handles give a status and a line that tells what to do."""

from __future__ import annotations

import ctypes
import re
import threading

import numpy as np
import pytest

from . import library as c
from .library import library

SIZE = 32


def refused(status: int, text: str, expected: int = c.BAD_INPUT) -> None:
    assert status == expected, (status, c.last_error())
    assert re.search(text, c.last_error()), c.last_error()
    assert "\n" not in c.last_error()


@pytest.fixture
def session(avatar: ctypes.c_void_p) -> ctypes.c_void_p:
    return c.open_session(avatar, size=SIZE)


def test_null_results(avatar, session):
    lib, pixels = library(), ctypes.c_void_p()
    refused(lib.emogene_open(None, None, None), "avatar: expected an address, found NULL")
    refused(lib.emogene_session_open(avatar, None, None), "session: expected an address")
    refused(lib.emogene_session_size(session, None), "size: expected an address")
    refused(lib.emogene_session_stats(session, None), "stats: expected an address")
    refused(lib.emogene_pull(session, c.RGB, None, 9999, 0, None), "pixels: expected an address")
    refused(lib.emogene_borrow(session, None, None, ctypes.byref(pixels)), "pixels: expected")
    refused(lib.emogene_borrow(session, ctypes.byref(pixels), None, None), "frame: expected")
    refused(lib.emogene_push_s16(session, None, 5), "samples: expected an address")
    refused(lib.emogene_set_emotion(session, None, 1.0, -1.0), "emotion: expected the name of one")


def test_handles_that_are_none(avatar, session):
    lib, size = library(), ctypes.c_int32()
    refused(lib.emogene_flush(None), "session: expected an open one, found NULL")
    refused(lib.emogene_session_open(None, None, ctypes.byref(size)), "avatar: expected an open")
    # Numbers of another kind, of the future, and what an address may look like.
    for odd in (avatar.value, 1 << 60 | 2, 3, 0xDEADBEEF, ctypes.addressof(size)):
        refused(lib.emogene_flush(odd), "session: expected a handle this library gave")
        refused(lib.emogene_session_close(odd), "session: expected a handle this library gave")
    refused(lib.emogene_close(session), "avatar: expected a handle")
    refused(lib.emogene_frame_release(session), "frame: expected a handle")
    for close in (lib.emogene_close, lib.emogene_session_close, lib.emogene_frame_release):
        assert close(None) == c.OK


def test_closed_handles(avatar, session):
    assert library().emogene_session_close(session) == c.OK
    assert library().emogene_session_close(session) == c.OK
    refused(library().emogene_flush(session), "session: .* found a closed one", c.CLOSED)
    refused(c.pull(session, SIZE)[0], "session: .* found a closed one", c.CLOSED)


def test_closing_an_avatar_closes_its_sessions(tiny_engines, speech):
    first, second = c.open_avatar(tiny_engines), c.open_avatar(tiny_engines)
    mine, others = c.open_session(first, size=SIZE), c.open_session(second, size=SIZE)
    for session in (mine, others):
        c.push(session, speech)
        library().emogene_flush(session)
    assert library().emogene_close(first) == c.OK
    assert library().emogene_close(first) == c.OK
    refused(c.pull(mine, SIZE)[0], "session: .* found a closed one", c.CLOSED)
    refused(library().emogene_session_open(first, None, ctypes.byref(mine)), "avatar: .*", c.CLOSED)
    assert c.pull(others, SIZE)[0] == c.OK
    assert library().emogene_close(second) == c.OK


@pytest.mark.parametrize("size", [0, 4, 16, 5000, 0xFFFFFFFF])
def test_sizes_of_structures(avatar, session, size):
    lib, handle = library(), ctypes.c_void_p()
    for kind, call in (
        (c.StartOptions, lambda o: lib.emogene_start(o)),
        (c.OpenOptions, lambda o: lib.emogene_open(None, o, ctypes.byref(handle))),
        (c.SessionOptions, lambda o: lib.emogene_session_open(avatar, o, ctypes.byref(handle))),
    ):
        refused(call(ctypes.byref(kind(struct_size=size))), r"options.struct_size: expected \d+")
    pixels = np.zeros(SIZE * SIZE * 3, np.uint8)
    info, stats = c.FrameInfo(struct_size=size), c.Stats(struct_size=size)
    if size != 5000:  # longer results are those of a later version
        arguments = (pixels.ctypes.data, pixels.nbytes, 0, ctypes.byref(info))
        refused(lib.emogene_pull(session, c.RGB, *arguments), "frame info.struct_size: expected")
        refused(lib.emogene_session_stats(session, ctypes.byref(stats)), "stats.struct_size")


def test_options_of_a_later_version(avatar):
    class Later(ctypes.Structure):
        _fields_ = (("now", c.SessionOptions), ("then", ctypes.c_int64))

    later, handle = Later(), ctypes.c_void_p()
    later.now.struct_size = ctypes.sizeof(Later)
    call = library().emogene_session_open
    assert call(avatar, ctypes.byref(later), ctypes.byref(handle)) == c.OK
    later.then = 1
    refused(
        call(avatar, ctypes.byref(later), ctypes.byref(handle)),
        "expected fields this version knows, found a later field that is set",
    )


def test_structures_of_the_first_version(tiny_engines):
    """Shorter ones: what they lack is the default, and nothing is written beyond their end."""

    class FirstOpenOptions(ctypes.Structure):
        _fields_ = c.OpenOptions._fields_[:6]

    class FirstStats(ctypes.Structure):
        _fields_ = (*c.Stats._fields_[:9], ("mine", ctypes.c_double))

    assert ctypes.sizeof(FirstOpenOptions) == 32 and FirstStats.mine.offset == 64
    handle, session = ctypes.c_void_p(), ctypes.c_void_p()
    options = c.made(FirstOpenOptions, threads=1)
    path = str(tiny_engines).encode()
    status = library().emogene_open(path, ctypes.byref(options), ctypes.byref(handle))
    assert status == c.OK, c.last_error()
    session = c.open_session(handle, size=SIZE)
    stats = FirstStats(struct_size=64, frames=-1, mine=3.5)
    assert library().emogene_session_stats(session, ctypes.byref(stats)) == c.OK
    assert (stats.struct_size, stats.frames, stats.mine) == (64, 0, 3.5)
    longer = c.made(c.Stats, waited_seconds=-1)
    assert library().emogene_session_stats(session, ctypes.byref(longer)) == c.OK
    assert longer.waited_seconds == 0
    library().emogene_close(handle)


def test_sessions_are_limited(tiny_engines):
    handle, none = ctypes.c_void_p(), ctypes.c_void_p(123)
    path = str(tiny_engines).encode()
    for limit, room in ((2, 2), (-1, 3), (0, 3)):
        options = c.made(c.OpenOptions, threads=1, max_sessions=limit)
        assert library().emogene_open(path, ctypes.byref(options), ctypes.byref(handle)) == c.OK
        sessions = [c.open_session(handle, size=SIZE) for _ in range(room)]
        if limit == 2:
            status = library().emogene_session_open(handle, None, ctypes.byref(none))
            refused(status, "session: expected fewer than 2 open, found 2", c.UNAVAILABLE)
            assert none.value == 123
            library().emogene_session_close(sessions[0])
            sessions.append(c.open_session(handle, size=SIZE))
        library().emogene_close(handle)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"size": -3}, "size: expected"),
        ({"size": 100_000}, "size: expected"),
        ({"emotion": b"hapy"}, "did you mean 'happy'"),
        ({"emotion": b"\xff\xfe"}, "emotion: expected one of"),
        ({"intensity": 2.0}, "intensity: expected"),
        ({"intensity": float("nan")}, "intensity: expected"),
        ({"seed": 1 << 63}, "seed: expected"),
        ({"sample_rate": -1}, "rate"),
        ({"profile": b"slow"}, "profile: expected one of"),
        ({"quality": b"best"}, "quality: expected"),
        ({"idle": b"never"}, "idle"),
    ],
)
def test_session_options(avatar, fields, text):
    options, handle = c.made(c.SessionOptions, **fields), ctypes.c_void_p(123)
    status = library().emogene_session_open(avatar, ctypes.byref(options), ctypes.byref(handle))
    refused(status, text)
    assert handle.value == 123  # results are untouched


def test_open_options(tmp_path):
    handle = ctypes.c_void_p()
    for path, fields, text in (
        (str(tmp_path / "nö").encode(), {}, "nö: expected an engine directory"),
        (b"\xff\xfe", {}, "expected an engine directory"),
        (None, {"threads": -1}, "threads: expected at least 1"),
        (None, {"backend": b"abacus"}, "backend: expected"),
        (None, {"renderer": b"crayon"}, "renderer: expected"),
        (None, {"max_sessions": -2}, "max_sessions: expected 1 or more"),
        (None, {"marching": b"ants"}, "marching: expected"),
        (None, {"precisions": b"hubert"}, "precisions: expected STAGE=NAME"),
        (None, {"precisions": b"hubert=int3"}, "int3"),
    ):
        options = c.made(c.OpenOptions, **fields)
        refused(library().emogene_open(path, ctypes.byref(options), ctypes.byref(handle)), text)


def test_rooms_that_do_not_fit_cost_no_frame(avatar, speech):
    lib, odd = library(), c.open_session(avatar, size=33)
    session = c.open_session(avatar, size=SIZE)
    c.push(session, speech)
    lib.emogene_flush(session)
    room = np.zeros(SIZE * SIZE * 4, np.uint8).ctypes.data
    for form, capacity, stride, text in (
        (c.RGB, SIZE * SIZE * 3 - 1, 0, "capacity: expected 3072 bytes or more, found 3071"),
        (c.RGB, 3072, 97, "capacity: expected 3103 bytes or more, found 3072"),
        (c.RGB, 3072, 95, "stride: expected 96 bytes or more, found 95"),
        (17, 3072, 0, "format: expected EMOGENE_RGB, .* found 17"),
    ):
        refused(lib.emogene_pull(session, form, room, capacity, stride, None), text)
    refused(lib.emogene_pull(odd, c.NV12, room, 9999, 0, None), "an even size for EMOGENE_NV12")
    assert c.pull(session, SIZE)[2].index == 0


def test_samples(session):
    refused(c.push(session, np.array([0, np.nan], np.float32)), "push")
    refused(library().emogene_push_s16(session, 1, 1 << 62), "count: expected as many samples")
    refused(library().emogene_set_emotion(session, b"glad", 1.0, -1.0), "emotion: expected one of")
    refused(library().emogene_set_emotion(session, b"sad", float("nan"), -1.0), "intensity")
    refused(library().emogene_set_emotion(session, b"sad", 1.0, float("nan")), "expected")


def test_another_environment_is_refused_once_python_runs(tmp_path):
    options = c.made(c.StartOptions, venv=str(tmp_path).encode())
    assert library().emogene_start(None) == c.OK, c.last_error()
    refused(library().emogene_start(ctypes.byref(options)), "venv: expected the environment that")


def test_errors_belong_to_their_thread(session):
    said = []

    def elsewhere() -> None:
        said.append(c.last_error())
        library().emogene_flush(None)
        said.append(c.last_error())

    refused(library().emogene_set_emotion(session, b"glad", 1.0, -1.0), "emotion")
    mine = c.last_error()
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert said[0] == "" and "NULL" in said[1]
    assert c.last_error() == mine
