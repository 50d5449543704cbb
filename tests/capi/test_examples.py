"""The example programs, built with CMake or a compiler against the installed package, and used."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import emogene

from .conftest import PROGRAMS, Build
from .test_frames import by_hand

EXAMPLES = Path(__file__).parents[2] / "examples"
ENVIRONMENT = os.environ | {"PATH": PROGRAMS}
SIZE = 32

Start = Callable[..., "tuple[subprocess.Popen[str], Path]"]


@pytest.fixture(scope="module")
def pcm(speech: np.ndarray) -> bytes:
    """The speech as a client sends it."""
    return (speech * 32_767).astype("<i2").tobytes()


@pytest.fixture(scope="module")
def images(tiny_engines: Path, pcm: bytes) -> list[np.ndarray]:
    """What Python's session shows of it."""
    with emogene.open(tiny_engines, threads=1) as avatar:
        return [f.image for f in avatar.render(np.frombuffer(pcm, np.int16), size=SIZE)]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C++ service, built by its CMakeLists.txt."""
    folder = tmp_path_factory.mktemp("service")
    source = EXAMPLES / "cpp_service"
    command = (
        f'cmake -S {source} -B {folder} -Demogene_DIR="$(emogene-config --cmakedir)" '
        '-DCMAKE_CXX_FLAGS="-Wall -Wextra -Werror" && cmake --build ' + str(folder)
    )
    done = subprocess.run(
        command, shell=True, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "emogene_service"


@pytest.fixture
def start(service: Path, tiny_engines: Path, tmp_path: Path) -> Iterator[Start]:
    """Start the service and wait until it listens."""
    running = []

    def started(*words: str) -> tuple[subprocess.Popen[str], Path]:
        at = tmp_path / "head.sock"
        command = [service, at, f"avatar={tiny_engines}", f"size={SIZE}", *words]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stderr and process.stderr.readline() == "listening\n"
        return process, at

    yield started
    for process in running:
        process.kill()
        process.communicate()


def connected(at: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(60)
    client.connect(str(at))
    return client


def talk(at: Path, pcm: bytes, piece: int) -> bytes:
    """Send in pieces, then read to the end."""
    with connected(at) as client:
        for start in range(0, len(pcm), piece):
            client.sendall(pcm[start : start + piece])
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(1 << 16), b""))


def pictures(stream: bytes) -> list[tuple[np.ndarray, np.ndarray]]:
    """(luma, chroma) of each frame of a y4m stream."""
    header, _, rest = stream.partition(b"\n")
    assert f"W{SIZE} H{SIZE} F25:1".encode() in header, header
    area = SIZE * SIZE
    length = len(b"FRAME\n") + area * 3 // 2
    assert len(rest) % length == 0
    planes = np.frombuffer(rest, np.uint8).reshape(-1, length)[:, 6:]
    half = SIZE // 2
    return [
        (
            p[:area].reshape(SIZE, SIZE),
            p[area:].reshape(2, half, half).transpose(1, 2, 0),
        )
        for p in planes
    ]


def check_pictures(stream: bytes, images: list[np.ndarray]) -> None:
    shown = pictures(stream)
    assert len(shown) == len(images)
    for (luma, chroma), image in zip(shown, images, strict=True):
        wanted_luma, wanted_chroma = by_hand(image)
        assert np.abs(luma - wanted_luma).max() <= 0.51
        assert np.abs(chroma - wanted_chroma).max() <= 0.51


def test_three_clients_at_once(start, pcm, images):
    process, at = start("once=3")
    streams: dict[int, bytes] = {}

    def client(piece: int) -> None:
        streams[piece] = talk(at, pcm, piece)

    threads = [threading.Thread(target=client, args=(piece,)) for piece in (333, 4096, 100_000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert process.wait(30) == 0
    for stream in streams.values():
        check_pictures(stream, images)
    assert len(streams) == 3 and not at.exists()


def test_a_full_house_and_clients_that_go_away(start, pcm):
    process, at = start("clients=1")
    first = connected(at)
    assert first.recv(100).startswith(b"YUV4MPEG2")  # so it is inside
    with connected(at) as second:
        assert second.recv(100) == b""
    first.close()
    stream, deadline = b"", time.monotonic() + 30
    while not stream and time.monotonic() < deadline:  # until the first one's leaving is noticed
        with contextlib.suppress(ConnectionError):  # turned away while it sends
            stream = talk(at, pcm, 4096)
    assert pictures(stream)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_sigterm_ends_it_while_clients_wait(start, pcm):
    process, at = start()
    with connected(at) as client:
        client.sendall(pcm)
        assert client.recv(100)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert not at.exists()


def test_a_live_client_sees_frames_before_it_is_done(start, pcm):
    _, at = start("profile=live")
    with connected(at) as client:
        client.sendall(pcm * 4)
        seen = b""
        while len(seen) < 5000:
            seen += client.recv(1 << 16)
        assert seen.count(b"FRAME\n") >= 2


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["size=33"], "error: size: expected an even number"),
        (["size=x"], "error: size: expected a number, found x"),
        (["emotion=glad"], "error: emotion: expected one of"),
        (["colour=red"], "error: colour=red: expected name=value"),
    ],
)
def test_wrong_settings_are_said_at_once(service, tiny_engines, tmp_path, words, text):
    command = [service, tmp_path / "head.sock", f"avatar={tiny_engines}", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and done.stderr.startswith(text), done.stderr


def test_a_plain_c_program(build: Build, tiny_engines, pcm, images):
    speak = build(EXAMPLES / "c_service" / "speak.c", "-D_POSIX_C_SOURCE=200809L")
    done = subprocess.run(
        [speak, tiny_engines],
        input=pcm,
        env=ENVIRONMENT | {"SPEAK_SIZE": str(SIZE)},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shown = np.frombuffer(done.stdout, np.uint8).reshape(-1, SIZE, SIZE, 3)
    assert np.array_equal(shown, np.stack(images))
    assert done.stderr.decode() == f"{len(images)} frames of {SIZE} x {SIZE}\n"
