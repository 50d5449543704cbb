"""The same frames pulled through Python's session and through the C ABI, in turns.

A program in C (``pull.c``) opens an avatar through the C ABI and pulls its frames in all ways, each
from a session of its own with the same samples and seed; Python's are pulled in the same process
and thread (``beside.py``). What a frame says it spent on hearing and rendering is taken off: the
same work in all ways, which varies by more than what is looked for.
"""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emogene.contract.errors import Failure, Unavailable
from emogene.contract.units import SAMPLES_PER_FRAME

from ..timing import Timing

PYTHON = "Python"
LOAN = "C, on loan"
COPY = "Python, RGB copied"
PAIRS = {
    LOAN: PYTHON,
    "C, RGB copied": COPY,
    "C, RGBA copied": "Python, RGBA copied",
    "C, NV12 copied": COPY,
}
"""Each way through the C ABI, and Python's to the same; Python has no NV12, and the least that any
could cost is a copy."""

_LETTERS = {
    PYTHON: b"p",
    COPY: b"c",
    "Python, RGBA copied": b"q",
    LOAN: b"b",
    "C, RGB copied": b"r",
    "C, RGBA copied": b"a",
    "C, NV12 copied": b"n",
}

Pull = Callable[[], tuple[NDArray[np.uint8], float]]
"""Pulls the next frame: its first row of RGB, where there is one, and the seconds it took beyond
hearing and rendering."""


class Host:
    """The program in C, built and running."""

    _ANSWER = struct.Struct("=dd")

    def __init__(self, engine_dir: Path | None, size: int, threads: int, samples: Path) -> None:
        self._row = 3 * size
        program = _built(samples.parent)
        beside = Path(__file__).with_name("beside.py")
        words = [program, engine_dir or "", str(size), str(threads), samples, beside]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def pulling(self, way: str) -> Pull:
        """Pulls in one of the ways."""
        asked = _LETTERS[way]

        def pull() -> tuple[NDArray[np.uint8], float]:
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.stdin.write(asked)
            self._process.stdin.flush()
            answer = self._process.stdout.read(self._ANSWER.size + self._row)
            if len(answer) < self._ANSWER.size + self._row:
                raise Failure(way, expected="a frame", found="the end of the program")
            seconds, inside = self._ANSWER.unpack_from(answer)
            return np.frombuffer(answer, np.uint8, offset=self._ANSWER.size), seconds - inside

        return pull

    def close(self) -> None:
        """End it.

        Raises:
            Failure: it ended badly.
        """
        self._process.communicate()
        if self._process.returncode:
            raise Failure("pull.c", found=f"exit status {self._process.returncode}")


def _built(folder: Path) -> Path:
    compiler = os.environ.get("CC", "cc")
    if shutil.which(compiler) is None:
        raise Unavailable(compiler, found="no such program", remedy="install a C compiler")
    config = Path(sys.executable).with_name("emogene-config")
    asked = subprocess.run([config, "--cflags", "--libs"], stdout=subprocess.PIPE, check=True)
    source, program = Path(__file__).with_name("pull.c"), folder / "pull"
    flags = asked.stdout.decode().split()
    command: list[str | Path] = [compiler, "-std=c99", "-O2", source, "-o", program, *flags]
    subprocess.run([*command, "-pthread", "-ldl"], check=True)
    return program


def measure(engine_dir: Path | None, size: int, frames: int, threads: int) -> list[dict[str, Any]]:
    """Time ``frames`` frames of every way, after one that is not counted.

    Returns:
        For each way its name, the `Timing` of a pull beyond hearing and rendering, and the median
        of how much longer that was than for the same frame from Python: milliseconds over Python
        alone, and over Python's way to the same.

    Raises:
        Failure: the pictures are not the same.
        Unavailable: there is no C compiler.
    """
    samples = speechlike((frames + 1) * SAMPLES_PER_FRAME)
    with ExitStack() as ending:
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory()))
        samples.tofile(folder / "samples.f32")
        host = Host(engine_dir, size, threads, folder / "samples.f32")
        ending.callback(host.close)
        pulls = {way: host.pulling(way) for way in _LETTERS}
        taken = _in_turns(pulls, frames)
    return [
        {
            "way": way,
            "ms": vars(Timing.of(seconds)),
            "over_python_ms": _beyond(seconds, taken[PYTHON]),
            "over_the_same_ms": _beyond(seconds, taken[PAIRS.get(way, way)]),
        }
        for way, seconds in taken.items()
    ]


def _in_turns(pulls: dict[str, Pull], frames: int) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {way: [] for way in pulls}
    names, order = list(pulls), random.Random(0)
    for k in range(frames + 1):
        seen = {}
        # What comes before leaves the caches warm or cold: nobody always follows the same one.
        for way in order.sample(names, len(names)):
            seen[way], seconds = pulls[way]()
            if k:
                taken[way].append(seconds)
        for way in (LOAN, "C, RGB copied"):
            if not np.array_equal(seen[way], seen[PYTHON]):
                raise Failure(way, expected="Python's picture", found=f"another in frame {k}")
    return taken


def _beyond(seconds: list[float], others: list[float]) -> float:
    return float(1e3 * np.median(np.array(seconds) - np.array(others)))


def speechlike(count: int) -> NDArray[np.float32]:
    """(count,) float32: a buzz at 120 Hz whose loudness comes and goes four times a second."""
    t = np.arange(count) / 16_000
    loudness = 0.15 * (1 + np.sin(2 * np.pi * 4 * t))
    return (loudness * (2 * (120 * t % 1) - 1)).astype(np.float32)
