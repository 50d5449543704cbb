"""A sink behind a thread: the same frames, the same refusals, nothing left running or lying."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest

from emogene.contract.data import Frame
from emogene.contract.errors import BadOutput
from emogene.runtime.background_sink import WAITING, BackgroundSink
from emogene.runtime.video import Mp4Writer
from tests.patience import PATIENCE

SIZE = (4, 6)
"""Seconds a test waits for a thread that is not stuck."""


def frame(index: int, size: tuple[int, int] = SIZE) -> Frame:
    image = np.full((*size, 3), index % 256, np.uint8)
    return Frame(image, index, np.full(640, index, np.float32), False, "sad")


class Noted:
    """A sink that waits for `go`, notes what it is given, and fails at a frame if told to."""

    def __init__(self, fails_at: int = -1) -> None:
        self.fails_at = fails_at
        self.taken: list[tuple[int, int, float]] = []
        self.arrays: set[int] = set()
        self.closed = self.discarded = 0
        self.go = threading.Event()
        self.go.set()

    def write(self, frame: Frame) -> None:
        assert self.go.wait(PATIENCE)
        if frame.index == self.fails_at:
            raise BadOutput("noted", expected="a disk", found="none", remedy="buy one")
        self.arrays.add(frame.image.ctypes.data)
        self.taken.append((frame.index, int(frame.image[0, 0, 0]), float(frame.audio[0])))

    def close(self) -> None:
        self.closed += 1

    def discard(self) -> None:
        self.discarded += 1


def background(noted: Noted) -> BackgroundSink:
    return BackgroundSink(noted, "noted", SIZE)


def running() -> int:
    return sum(thread.name == "emogene-output" for thread in threading.enumerate())


def test_all_frames_in_order_and_few_arrays_though_the_caller_changes_its_own():
    noted, one = Noted(), frame(0)
    with background(noted) as sink:
        assert running() == 1
        for index in range(100):
            one.image[...] = index
            one.audio[...] = index
            sink.write(Frame(one.image, index, one.audio, False, "sad"))
    assert noted.taken == [(k, k, float(k)) for k in range(100)]
    assert len(noted.arrays) <= WAITING + 2, "those that wait, the one being written and the next"
    assert (noted.closed, noted.discarded, running()) == (1, 0, 0)
    sink.close()
    with pytest.raises(BadOutput, match="closed"):
        sink.write(frame(0))


def test_the_caller_waits_while_enough_frames_wait():
    noted = Noted()
    noted.go.clear()
    sink = background(noted)
    written = threading.Semaphore(0)

    def write() -> None:
        for index in range(WAITING + 5):
            sink.write(frame(index))
            written.release()

    writing = threading.Thread(target=write)
    writing.start()
    for _ in range(WAITING + 1):  # one more is being written
        assert written.acquire(timeout=PATIENCE)
    assert not written.acquire(timeout=0.05)
    noted.go.set()
    writing.join(PATIENCE)
    sink.close()
    assert [index for index, *_ in noted.taken] == list(range(WAITING + 5))


def test_an_error_reaches_the_next_write():
    noted = Noted(fails_at=2)
    with pytest.raises(BadOutput, match="noted: expected a disk") as caught, background(noted) as s:
        for index in range(1000):
            s.write(frame(index))
    assert any(entry.name == "_work" for entry in caught.traceback), "where it happened is told"
    assert [index for index, *_ in noted.taken] == [0, 1]
    assert (noted.closed, running()) == (0, 0)
    assert noted.discarded
    with pytest.raises(BadOutput, match="closed"):
        s.write(frame(0))


def test_an_error_at_the_last_frame_reaches_close():
    noted = Noted(fails_at=0)
    noted.go.clear()
    sink = background(noted)
    sink.write(frame(0))
    noted.go.set()
    with pytest.raises(BadOutput, match="a disk"):
        sink.close()
    assert (noted.closed, noted.discarded, running()) == (0, 1, 0)
    sink.close()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_drops_what_waits(error):
    noted = Noted()
    noted.go.clear()
    with pytest.raises(error), background(noted) as sink:
        for index in range(WAITING):
            sink.write(frame(index))
        threading.Timer(0.02, noted.go.set).start()
        raise error
    assert len(noted.taken) <= 1, "only the frame that was being written"
    assert (noted.closed, noted.discarded, running()) == (0, 1, 0)


def test_wrong_frames_are_refused_at_once_and_do_no_harm():
    noted = Noted()
    with background(noted) as sink:
        with pytest.raises(BadOutput, match=r"\(4, 6, 3\) uint8, found \(6, 4, 3\)"):
            sink.write(frame(0, (6, 4)))
        sink.write(frame(1))
    assert [index for index, *_ in noted.taken] == [1]


def test_a_forgotten_sink_ends_its_thread(tmp_path):
    sink = BackgroundSink(Mp4Writer(tmp_path / "a.mp4", (16, 16)), "a.mp4", (16, 16))
    sink.write(frame(0, (16, 16)))
    del sink
    assert running() == 0
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_ends_with_an_open_sink_leaves_nothing(tmp_path):
    code = f"""
import sys, numpy as np
from emogene.contract.data import Frame
from emogene.runtime.sinks import open_sink
sink = open_sink({str(tmp_path / "a.mp4")!r}, (64, 64))
for k in range(10):
    sink.write(Frame(np.zeros((64, 64, 3), np.uint8), k, np.zeros(640, np.float32), False, "sad"))
sys.exit("left early")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, "left early\n")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_waiting_for_a_place_leaves_nothing(tmp_path):
    code = f"""
import os, signal, threading, time, numpy as np
from emogene.contract.data import Frame
from emogene.runtime.sinks import open_sink
image = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)
def interrupt():
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGINT)
try:
    with open_sink({str(tmp_path / "out")!r}, (512, 512)) as sink:
        threading.Thread(target=interrupt).start()
        while True:
            sink.write(Frame(image, 0, np.zeros(640, np.float32), False, "sad"))
except KeyboardInterrupt:
    print("interrupted", threading.active_count())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout.split()[0], done.stderr) == ("interrupted", "")
    assert list(tmp_path.iterdir()) == []
