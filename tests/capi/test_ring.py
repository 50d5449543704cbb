"""``emogene_ring.h``: a C program reads what this process and emogene-run write."""

from __future__ import annotations

import ctypes
import os
import secrets
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

import emogene
from emogene.runtime.ring.layout import Header, Slot
from emogene.runtime.ring.writer import RingWriter
from tests.runtime.test_ring import SIZE, frame

from .conftest import HOSTS, PROGRAMS, Build, Run

EXAMPLES = Path(__file__).parents[2] / "examples"
ENVIRONMENT = os.environ | {"PATH": PROGRAMS}


@pytest.fixture
def name() -> Iterator[str]:
    """A name nobody has."""
    made = f"emogene-test-{secrets.token_hex(6)}"
    yield made
    Path("/dev/shm", made).unlink(missing_ok=True)


@pytest.fixture(scope="module")
def read_ring(build: Build) -> Path:
    """The example."""
    return build(EXAMPLES / "ring_reader" / "read_ring.c", "-D_GNU_SOURCE", linked=False)


def line(shown: emogene.Frame) -> str:
    height, width = shown.image.shape[:2]
    return (
        f"frame {shown.index}, {shown.time:.2f} s, {width} x {height}, "
        f"sum {shown.image.sum(dtype=np.int64)}, peak {np.abs(shown.audio).max():.5f}"
    )


def reading(program: Path, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen([program, name, "30"], stdout=subprocess.PIPE, text=True)


def test_c_and_python_agree_on_the_layout(build: Build, run: Run):
    said = run(build(HOSTS / "ring_layout.c", "-D_GNU_SOURCE", linked=False)).splitlines()
    for kind, told in zip((Header, Slot), said, strict=True):
        offsets = [getattr(kind, field).offset for field, _ in kind._fields_]
        assert [int(word) for word in told.split()] == [ctypes.sizeof(kind), *offsets]


def test_a_c_program_sees_each_frame(read_ring, name):
    process = reading(read_ring, name)
    assert process.stdout
    with RingWriter(f"shm://{name}", SIZE) as sink:
        for k in range(40):  # more than there are slots
            sink.write(frame(k))
            assert process.stdout.readline().rstrip() == line(frame(k))
    assert process.stdout.read() == "ended, 0 lost\n"
    assert process.wait() == 0


def test_it_is_told_of_an_error_and_of_what_it_missed(read_ring, name):
    sink = RingWriter(f"shm://{name}?slots=4", SIZE)
    sink.write(frame(0))
    process = reading(read_ring, name)
    assert process.stdout and process.stdout.readline().startswith("frame 0,")
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    for k in range(1, 11):
        sink.write(frame(k))
    sink.discard()
    process.send_signal(signal.SIGCONT)
    rest = process.stdout.read().splitlines()
    assert [text.split(",")[0] for text in rest[:-1]] == ["frame 8", "frame 9", "frame 10"]
    assert rest[-1] == "the writer died, 7 lost"
    assert process.wait() == 1


def test_emogene_run_speaks_into_a_ring(read_ring, name, tiny_engines, speech, tmp_path):
    soundfile.write(tmp_path / "speech.wav", speech, 16_000, subtype="FLOAT")
    process = reading(read_ring, name)
    done = subprocess.run(
        f"emogene-run speech.wav --engine-dir {tiny_engines} --size 32 -o 'shm://{name}?slots=64'",
        shell=True,
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with emogene.open(tiny_engines) as avatar:
        wanted = [line(shown) for shown in avatar.render(speech, size=32)]
    assert process.communicate()[0].splitlines() == [*wanted, "ended, 0 lost"]


def test_emogene_run_killed_in_the_middle(read_ring, name, tiny_engines, speech, tmp_path):
    soundfile.write(tmp_path / "speech.wav", np.tile(speech, 60), 16_000)
    process = reading(read_ring, name)
    assert process.stdout
    command = ["emogene-run", "speech.wav", "--engine-dir", tiny_engines, "-o", f"shm://{name}"]
    runner = subprocess.Popen(command, cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.DEVNULL)
    assert process.stdout.readline().startswith("frame 0,")
    runner.kill()
    runner.wait()
    assert process.communicate(timeout=60)[0].splitlines()[-1].startswith("the writer died")
    RingWriter(f"shm://{name}", SIZE).close()
    assert not Path("/dev/shm", name).exists()


def test_no_writer(read_ring, name):
    done = subprocess.run(
        [read_ring, name, "0.05"], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert done.stderr == f"error: shm://{name}: No such file or directory\n"
    Path("/dev/shm", name).write_bytes(bytes(4096))
    done = subprocess.run([read_ring, name], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "Protocol error" in done.stderr
