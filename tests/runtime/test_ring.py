"""Frames in shared memory: what one process writes others read, or are told that they cannot."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import itertools
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from emogene.contract.data import Frame
from emogene.contract.errors import BadInput, BadOutput
from emogene.runtime.ring import segment
from emogene.runtime.ring.layout import Geometry, Header, Slot
from emogene.runtime.ring.reader import RingReader
from emogene.runtime.ring.writer import SLOTS, RingWriter
from emogene.runtime.sinks import open_sink
from tests.patience import PATIENCE

SIZE = (6, 10)


@pytest.fixture
def name() -> Iterator[str]:
    """A name nobody has."""
    made = f"emogene-test-{secrets.token_hex(6)}"
    yield made
    Path("/dev/shm", made).unlink(missing_ok=True)


def named(name: str) -> list[str]:
    """What lies under the name or one made of it; other tests may run beside this one."""
    return [path.name for path in Path("/dev/shm").glob(f"*{name}*")]


def descriptors() -> int:
    """Of shared memory, that this process has open."""
    links = Path("/proc/self/fd").iterdir()
    return sum("/dev/shm" in os.readlink(link) for link in links if link.is_symlink())


def frame(k: int) -> Frame:
    """All its bytes and samples follow from ``k``."""
    image = np.full((*SIZE, 3), k % 251, np.uint8)
    audio = np.full(640, k / 4096, np.float32)
    return Frame(image, k, audio, k % 2 == 0, "sad", 0.25, 0.5)


def test_what_is_written_is_read(name):
    with open_sink(f"shm://{name}", SIZE) as sink, RingReader(name) as reader:
        assert reader.read(timeout=0) is None
        for k in range(3):
            sink.write(frame(k))
        for k in range(3):
            read, wanted = reader.read(), frame(k)
            assert np.array_equal(read.image, wanted.image)
            assert np.array_equal(read.audio, wanted.audio)
            for field in ("index", "time", "idle", "emotion", "speech_seconds", "render_seconds"):
                assert getattr(read, field) == getattr(wanted, field)
        assert reader.read(timeout=0) is None and reader.lost == 0


def test_the_end_comes_after_the_last_frame_and_the_name_goes(name):
    with RingWriter(f"shm://{name}", SIZE) as sink:
        reader = RingReader(name)
        sink.write(frame(0))
    assert not Path("/dev/shm", name).exists()
    assert [read.index for read in reader] == [0]
    with pytest.raises(EOFError):
        reader.read()
    reader.close()
    reader.close()
    with pytest.raises(BadInput, match="expected a writer at work, found No such file"):
        RingReader(name)


def test_an_error_in_the_writer_is_told(name):
    with contextlib.suppress(KeyboardInterrupt), RingWriter(f"shm://{name}", SIZE) as sink:
        reader = RingReader(name)
        sink.write(frame(0))
        raise KeyboardInterrupt
    assert reader.read().index == 0
    with pytest.raises(ConnectionResetError):
        reader.read()
    assert not Path("/dev/shm", name).exists()


def test_a_slow_reader_loses_the_oldest_and_is_told(name):
    with RingWriter(f"shm://{name}?slots=4", SIZE) as sink, RingReader(name) as reader:
        for k in range(10):
            sink.write(frame(k))
        # The fourth slot is the one that may be being written.
        assert [reader.read().index for _ in range(3)] == [7, 8, 9]
        assert reader.lost == 7
        with RingReader(name) as late:
            assert late.read().index == 7 and late.lost == 0


def test_frames_are_whole_or_none_while_the_writer_races(name):
    """Four readers beside a writer that never waits, in a ring of two: no torn frame is read."""
    stop, torn, read = threading.Event(), [], [0] * 4

    def look(place: int) -> None:
        with RingReader(name) as reader:
            while not stop.is_set():
                got = reader.read(timeout=0)
                if got is None:
                    continue
                read[place] += 1
                wanted = frame(got.index)
                if not (
                    np.array_equal(got.image, wanted.image)
                    and np.array_equal(got.audio, wanted.audio)
                ):
                    torn.append(got.index)

    with RingWriter(f"shm://{name}?slots=2", SIZE) as sink:
        threads = [threading.Thread(target=look, args=(k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for k in itertools.count():
            if k >= 3000 and (all(read) or k == 3_000_000):
                break
            sink.write(frame(k))
        stop.set()
        for thread in threads:
            thread.join()
    assert not torn and all(read)


WRITER = """
import sys, time
from emogene.runtime.ring.writer import RingWriter
from tests.runtime.test_ring import SIZE, frame
sink = RingWriter("shm://" + sys.argv[1], SIZE)
for k in range(5):
    sink.write(frame(k))
print("written", flush=True)
time.sleep(600)
"""


@pytest.fixture
def other(name: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that wrote five frames and lives on."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, name],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout and process.stdout.readline() == "written\n"
    yield process
    process.kill()
    process.communicate()


def test_a_living_writer_keeps_its_name(name, other):
    before = os.stat(f"/dev/shm/{name}").st_ino
    with pytest.raises(BadOutput, match="expected a free name, found another writer at work"):
        RingWriter(f"shm://{name}", SIZE)
    assert os.stat(f"/dev/shm/{name}").st_ino == before
    with RingReader(name) as reader:
        assert reader.read().index == 0


def test_a_killed_writer_is_noticed_and_replaced(name, other):
    reader = RingReader(name)
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert [reader.read().index for _ in range(5)] == list(range(5))  # what it wrote is there
    with pytest.raises(ConnectionResetError, match="died"):
        reader.read(timeout=PATIENCE)
    assert Path("/dev/shm", name).exists()  # nobody could remove it

    with RingWriter(f"shm://{name}", SIZE) as sink:
        sink.write(frame(77))
        assert named(name) == [name]
        with RingReader(name) as fresh:
            assert fresh.read().index == 77
        with pytest.raises(ConnectionResetError):  # the old one stays what it was
            reader.read(timeout=0)
    reader.close()
    assert not Path("/dev/shm", name).exists()


READER = """
import sys
from emogene.runtime.ring.reader import RingReader
reader = RingReader(sys.argv[1])
print(reader.read(timeout=120).index, flush=True)
for _ in reader:
    pass
"""


def test_a_killed_reader_keeps_nothing_and_nobody_waits_for_it(name):
    before = descriptors()
    with RingWriter(f"shm://{name}", SIZE) as sink, RingReader(name) as another:
        sink.write(frame(0))
        process = subprocess.Popen(
            [sys.executable, "-c", READER, name],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
        )
        assert process.stdout and process.stdout.readline() == b"0\n"
        process.kill()
        process.communicate()
        for k in range(1, 3 * SLOTS):
            sink.write(frame(k))
        assert another.read().index > 0 and another.lost > 0
        assert named(name) == [name]
    assert named(name) == [] and descriptors() == before


def test_a_reader_that_asks_does_not_keep_a_writer_out(name, other, monkeypatch):
    """The lock a reader holds for a moment looks like a writer's; it is asked for again."""
    other.kill()
    other.wait()
    file = os.open(f"/dev/shm/{name}", os.O_RDONLY)
    fcntl.flock(file, fcntl.LOCK_SH)
    monkeypatch.setattr(segment, "time", SimpleNamespace(sleep=lambda _: os.close(file)))
    RingWriter(f"shm://{name}", SIZE).close()


def test_what_is_not_ours_is_left_alone(name):
    path = Path("/dev/shm", name)
    path.write_bytes(b"somebody's" * 100)
    with pytest.raises(BadOutput, match="found something that is no ring"):
        RingWriter(f"shm://{name}", SIZE)
    assert path.read_bytes() == b"somebody's" * 100
    with pytest.raises(BadInput, match="expected version 1 of the ring, found another"):
        RingReader(name)
    path.write_bytes(b"")
    with pytest.raises(BadInput, match="expected a ring, found something else"):
        RingReader(name)


def test_a_header_that_lies_is_refused(name):
    with RingWriter(f"shm://{name}", SIZE):
        whole = Path("/dev/shm", name).read_bytes()
    for field, value in (("slots", 0), ("slots", 1 << 31), ("width", 1 << 20), ("version", 9)):
        header = Header.from_buffer_copy(whole)
        setattr(header, field, value)
        Path("/dev/shm", name).write_bytes(bytes(header) + whole[ctypes.sizeof(Header) :])
        with pytest.raises(BadInput):
            RingReader(name)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("", "a name of letters"),
        ("a/b", "a name of letters"),
        ("..", "a name of letters"),
        ("x" * 251, "a name of letters"),
        ("x?slots=1", "slots=N behind the '\\?'"),
        ("x?slots=5000", "slots=N"),
        ("x?slots=²", "slots=N"),
        ("x?colour=red", "slots=N"),
    ],
)
def test_names_and_options_that_are_none(words, text):
    with pytest.raises(BadOutput, match=text):
        RingWriter(f"shm://{words}", SIZE)


def test_frames_of_another_size_and_after_the_end(name):
    sink = RingWriter(f"shm://{name}", (7, 7))
    with pytest.raises(BadOutput, match=r"expected frames of shape \(7, 7, 3\)"):
        sink.write(frame(0))
    sink.close()
    sink.close()
    sink.discard()
    with pytest.raises(BadOutput, match="a closed one"):
        sink.write(Frame(np.zeros((7, 7, 3), np.uint8), 0, np.zeros(640, np.float32), True, "sad"))


def test_no_room_is_refused_before_anything_is_written(name):
    """Reserved at once: a full /dev/shm would otherwise end the process at some frame."""
    with pytest.raises(BadOutput, match=f"shm://{name}"):
        RingWriter(f"shm://{name}?slots=4096", (1 << 20, 1 << 20))
    assert not Path("/dev/shm", name).exists()


def test_fifty_rings_leave_no_descriptor(name):
    RingWriter(f"shm://{name}", SIZE).close()
    before = descriptors()
    for _ in range(50):
        with RingWriter(f"shm://{name}", SIZE) as sink, RingReader(name) as reader:
            sink.write(frame(1))
            assert reader.read().index == 1
    assert descriptors() == before


def test_the_layout_is_aligned():
    for size in ((1, 1), (5, 7), (512, 512)):
        geometry = Geometry(size, SLOTS)
        assert geometry.slot(SLOTS + 1) == geometry.slot(1)
        for place in (geometry.first_slot, geometry.pixels, geometry.slot_bytes):
            assert place % 64 == 0
        assert geometry.pixels >= ctypes.sizeof(Slot)
        assert geometry.slot_bytes - geometry.pixels >= 3 * size[0] * size[1]
