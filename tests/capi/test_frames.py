"""Frames through the C ABI are the frames of Python's session, in every format."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest

import emogene
from emogene.contract.emotions import EMOTIONS

from . import library as c
from .library import library

SIZE = 32


@pytest.fixture(scope="module")
def expected(tiny_engines: Path, speech: np.ndarray) -> list[emogene.Frame]:
    """What Python's session gives."""
    with emogene.open(tiny_engines, threads=1) as avatar:
        session = avatar.session("sad", 0.5, seed=7, size=SIZE)
        session.push(speech)
        session.flush()
        return list(session)


def opened(avatar: ctypes.c_void_p, speech: np.ndarray) -> ctypes.c_void_p:
    session = c.open_session(avatar, emotion=b"sad", intensity=0.5, seed=7, size=SIZE)
    assert c.push(session, speech) == c.OK
    assert library().emogene_flush(session) == c.OK
    return session


def test_pulled_frames_are_pythons(avatar, speech, expected):
    session = opened(avatar, speech)
    for frame in expected:
        status, pixels, info = c.pull(session, SIZE)
        assert status == c.OK, c.last_error()
        assert np.array_equal(pixels, frame.image.ravel())
        assert np.array_equal(np.array(info.audio, np.float32), frame.audio)
        assert (info.size, info.index, info.time) == (SIZE, frame.index, frame.time)
        assert (info.idle, EMOTIONS[info.emotion]) == (frame.idle, frame.emotion)
        assert info.render_seconds > 0
    assert c.pull(session, SIZE)[0] == c.NO_FRAME
    stats = c.made(c.Stats)
    assert library().emogene_session_stats(session, ctypes.byref(stats)) == c.OK
    assert (stats.frames, stats.ready, stats.interrupts) == (len(expected), 0, 0)
    assert stats.first_frame_seconds > 0 and stats.render_seconds > 0


def test_borrowed_frames_outlive_everything(tiny_engines, speech, expected):
    avatar = c.open_avatar(tiny_engines)
    session, pixels, frame = opened(avatar, speech), ctypes.c_void_p(), ctypes.c_void_p()
    borrowed = []
    for _ in expected:
        status = library().emogene_borrow(session, ctypes.byref(pixels), None, ctypes.byref(frame))
        assert status == c.OK, c.last_error()
        borrowed.append((pixels.value, ctypes.c_void_p(frame.value)))
    assert library().emogene_session_close(session) == c.OK
    assert library().emogene_close(avatar) == c.OK
    for (at, handle), wanted in zip(borrowed, expected, strict=True):
        read = np.frombuffer(ctypes.string_at(at, SIZE * SIZE * 3), np.uint8)
        assert np.array_equal(read, wanted.image.ravel())
        assert library().emogene_frame_release(handle) == c.OK
        assert library().emogene_frame_release(handle) == c.OK  # twice is fine


def by_hand(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """BT.709 in limited range as its text has it: (H, W) luma, (H / 2, W / 2, 2) chroma."""
    red, green, blue = (image[..., k].astype(np.float64) / 255 for k in range(3))
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    chroma = np.stack([(blue - luma) / 1.8556, (red - luma) / 1.5748], -1)
    height, width = luma.shape
    means = chroma.reshape(height // 2, 2, width // 2, 2, 2).mean((1, 3))
    return 16 + 219 * luma, 128 + 224 * means


def test_nv12_is_bt709(avatar, speech, expected):
    session, stride = opened(avatar, speech), SIZE + 5
    for frame in expected[:3]:
        status, data, _ = c.pull(session, SIZE, c.NV12, stride)
        assert status == c.OK, c.last_error()
        rows = np.full(stride * SIZE * 3 // 2, 77, np.uint8)
        rows[: len(data)] = data
        rows = rows.reshape(-1, stride)
        assert (rows[:, SIZE:] == 77).all()  # gaps are left as they were
        luma, chroma = by_hand(frame.image)
        # Half a step of rounding, and factors rounded to 2^-17 times 255.
        assert np.abs(rows[:SIZE, :SIZE] - luma).max() <= 0.51
        assert np.abs(rows[SIZE:, :SIZE].reshape(chroma.shape) - chroma).max() <= 0.51


@pytest.mark.parametrize("size", [2, 10, 12, 18, 26, 34, 50, 66, 98])
def test_every_width_is_converted_to_its_end(avatar, speech, size):
    """Rows are converted in blocks and then pixel by pixel: three formats of the same picture."""
    pulled = []
    for form in (c.RGB, c.RGBA, c.NV12):
        session = c.open_session(avatar, seed=7, size=size)
        c.push(session, speech)
        library().emogene_flush(session)
        status, data, _ = c.pull(session, size, form)
        assert status == c.OK, c.last_error()
        pulled.append(data)
    rgb, rgba = pulled[0].reshape(size, size, 3), pulled[1].reshape(size, size, 4)
    assert np.array_equal(rgba[..., :3], rgb) and (rgba[..., 3] == 255).all()
    luma, chroma = by_hand(rgb)
    rows = pulled[2].reshape(-1, size)
    assert np.abs(rows[:size] - luma).max() <= 0.51
    assert np.abs(rows[size:].reshape(chroma.shape) - chroma).max() <= 0.51


def test_rgba_is_rgb_with_full_alpha_in_rows_with_gaps(avatar, speech, expected):
    session, stride = opened(avatar, speech), 4 * SIZE + 8
    _, data, _ = c.pull(session, SIZE, c.RGBA, stride)
    assert len(data) == stride * SIZE - 8  # no gap after the last row
    rows = np.append(data, np.zeros(8, np.uint8)).reshape(SIZE, stride)[:, : 4 * SIZE]
    picture = rows.reshape(SIZE, SIZE, 4)
    assert (picture[..., 3] == 255).all()
    assert np.array_equal(picture[..., :3], expected[0].image)


def test_image_bytes():
    bytes_of = library().emogene_image_bytes
    assert [bytes_of(f, 4, 0) for f in (c.RGB, c.RGBA, c.NV12)] == [48, 64, 24]
    assert bytes_of(c.RGB, 4, 16) == 3 * 16 + 12
    assert bytes_of(c.NV12, 4, 7) == 5 * 7 + 4
    for nothing in ((c.NV12, 3, 0), (c.RGB, 4, 11), (9, 4, 0), (c.RGB, 0, 0), (c.RGB, -1, 0)):
        assert bytes_of(*nothing) == 0
    assert bytes_of(c.RGB, 4, 1 << 63) == 0


def test_samples_of_both_kinds_in_any_pieces(avatar, speech, tiny_engines):
    whole = (speech * 32_767).astype(np.int16)
    with emogene.open(tiny_engines, threads=1) as opened_avatar:
        session = opened_avatar.session(size=SIZE)
        session.push(whole)
        session.flush()
        images = [frame.image.ravel() for frame in session]
    handle = c.open_session(avatar, size=SIZE)
    for piece in np.array_split(whole, 7):
        assert c.push(handle, np.ascontiguousarray(piece)) == c.OK
    assert library().emogene_push_s16(handle, None, 0) == c.OK
    library().emogene_flush(handle)
    for image in images:
        assert np.array_equal(c.pull(handle, SIZE)[1], image)


def test_emotions_change_and_interruptions_drop(avatar, speech):
    session, seconds = c.open_session(avatar, size=SIZE), ctypes.c_double(-1)
    assert c.push(session, speech) == c.OK
    assert library().emogene_set_emotion(session, b"happy", -1.0, 0.2) == c.OK
    assert c.push(session, speech) == c.OK
    library().emogene_flush(session)
    emotions = []
    while (pulled := c.pull(session, SIZE))[0] == c.OK:
        emotions.append(EMOTIONS[pulled[2].emotion])
    assert emotions[0] == "neutral" and emotions[-1] == "happy"

    assert c.push(session, speech) == c.OK
    assert library().emogene_interrupt(session, ctypes.byref(seconds)) == c.OK
    assert 0 < seconds.value <= len(speech) / 16_000 + 0.04
    stats = c.made(c.Stats)
    library().emogene_session_stats(session, ctypes.byref(stats))
    assert stats.interrupts == 1 and stats.dropped_seconds == pytest.approx(seconds.value)


def test_names_of_emotions():
    named = [library().emogene_emotion_name(k) for k in range(-1, len(EMOTIONS) + 1)]
    assert named == [None, *(name.encode() for name in EMOTIONS), None]
    assert library().emogene_version().decode() == emogene.__version__
