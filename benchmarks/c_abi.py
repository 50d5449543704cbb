"""``python -m benchmarks.c_abi``: what a frame costs more through the C ABI than from Python.

Sessions of the same samples and seed are pulled in turns, frame by frame: Python's, and the C ABI's
with and without a copy. What a frame says it spent on hearing and rendering is taken off: the
same work in all ways, which varies by more than what is looked for. The library is called from this
process by ctypes, whose own cost counts as the ABI's: an upper bound.
"""

from __future__ import annotations

import ctypes
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Optional

import numpy as np
import typer
from numpy.typing import NDArray

import emogene
from emogene.capi.config import installed
from emogene.capi.structures import FrameInfo, OpenOptions, SessionOptions
from emogene.contract.errors import Failure
from emogene.contract.units import SAMPLES_PER_FRAME
from emogene.runtime.command_line import run

from . import machine
from .timing import Timing

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

FORMATS = {"RGB": 0, "RGBA": 1, "NV12": 2}
"""``emogene_format``."""

Pull = Callable[[], tuple[NDArray[np.uint8], float]]
"""Pulls the next frame: its first bytes, to be compared, and the seconds it says it took."""


class Library:
    """An avatar behind the C ABI, and ways to pull frames of it."""

    def __init__(self, engine_dir: Path | None, threads: int) -> None:
        self._c = ctypes.CDLL(str(installed() / "lib" / "libemogene.so"))
        self._c.emogene_last_error.restype = ctypes.c_char_p
        self._c.emogene_image_bytes.restype = ctypes.c_size_t
        options = OpenOptions(ctypes.sizeof(OpenOptions), threads)
        self._avatar = ctypes.c_void_p()
        path = None if engine_dir is None else str(engine_dir).encode()
        self._call("open", path, ctypes.byref(options), ctypes.byref(self._avatar))

    def borrowing(self, size: int, samples: NDArray[np.float32]) -> Pull:
        """Frames on loan, given back at once."""
        session = self._session(size, samples)
        pixels, frame = ctypes.c_void_p(), ctypes.c_void_p()
        info = FrameInfo(ctypes.sizeof(FrameInfo))
        to = (session, ctypes.byref(pixels), ctypes.byref(info), ctypes.byref(frame))

        def pull() -> tuple[NDArray[np.uint8], float]:
            self._call("borrow", *to)
            seen = np.frombuffer(ctypes.string_at(pixels, 3 * size), np.uint8)
            self._call("frame_release", frame)
            return seen, info.speech_seconds + info.render_seconds

        return pull

    def copying(self, size: int, samples: NDArray[np.float32], form: int) -> Pull:
        """Frames in memory of the caller."""
        session = self._session(size, samples)
        needed = self._c.emogene_image_bytes(form, size, ctypes.c_size_t(0))
        picture = np.zeros(needed, np.uint8)
        at, capacity = ctypes.c_void_p(picture.ctypes.data), ctypes.c_size_t(needed)
        info = FrameInfo(ctypes.sizeof(FrameInfo))
        to = (session, form, at, capacity, ctypes.c_size_t(0), ctypes.byref(info))

        def pull() -> tuple[NDArray[np.uint8], float]:
            self._call("pull", *to)
            return picture, info.speech_seconds + info.render_seconds

        return pull

    def close(self) -> None:
        """Close avatar and sessions."""
        self._call("close", self._avatar)

    def _session(self, size: int, samples: NDArray[np.float32]) -> ctypes.c_void_p:
        options, session = SessionOptions(ctypes.sizeof(SessionOptions), size), ctypes.c_void_p()
        self._call("session_open", self._avatar, ctypes.byref(options), ctypes.byref(session))
        at, count = ctypes.c_void_p(samples.ctypes.data), ctypes.c_size_t(len(samples))
        self._call("push_f32", session, at, count)
        self._call("flush", session)
        return session

    def _call(self, name: str, *arguments: Any) -> None:
        if self._c[f"emogene_{name}"](*arguments):
            raise Failure(f"emogene_{name}", found=self._c.emogene_last_error().decode())


def measure(engine_dir: Path | None, size: int, frames: int, threads: int) -> list[dict[str, Any]]:
    """Time ``frames`` frames of every way, after one that is not counted.

    Returns:
        For each way its name, the `Timing` of a pull beyond hearing and rendering, and the median
        of how much longer that was than for the same frame from Python, milliseconds.

    Raises:
        Failure: the pictures are not the same.
    """
    samples = _speechlike((frames + 1) * SAMPLES_PER_FRAME)
    library = Library(engine_dir, threads)
    with emogene.open(engine_dir, threads=threads) as avatar:
        session = avatar.session(size=size)
        session.push(samples)
        session.flush()
        pulls: dict[str, Pull] = {
            "Python": lambda: _pulled(session, size),
            "C, on loan": library.borrowing(size, samples),
            **{f"C, {n} copied": library.copying(size, samples, f) for n, f in FORMATS.items()},
        }
        taken: dict[str, list[float]] = {way: [] for way in pulls}
        names = list(pulls)
        for k in range(frames + 1):
            seen = {}
            # Whoever comes first finds the caches cold: each is first in turn.
            for way in names[k % len(names) :] + names[: k % len(names)]:
                began = time.perf_counter()
                seen[way], inside = pulls[way]()
                taken[way].append(time.perf_counter() - began - inside)
            row = seen["Python"][: 3 * size]
            for way in ("C, on loan", "C, RGB copied"):
                if not np.array_equal(seen[way][: 3 * size], row):
                    raise Failure(way, expected="Python's picture", found=f"another in frame {k}")
    library.close()
    python = np.array(taken["Python"][1:])
    return [
        {
            "way": way,
            "ms": vars(Timing.of(seconds[1:])),
            "over_python_ms": float(1e3 * np.median(np.array(seconds[1:]) - python)),
        }
        for way, seconds in taken.items()
    ]


def _pulled(session: emogene.Session, size: int) -> tuple[NDArray[np.uint8], float]:
    # As on loan: a row is kept, and the frame freed before the clock stops.
    frame = session.pull()
    return (
        frame.image.reshape(-1)[: 3 * size].copy(),
        frame.speech_seconds + frame.render_seconds,
    )


def _speechlike(count: int) -> NDArray[np.float32]:
    """(count,) float32: a buzz at 120 Hz whose loudness comes and goes four times a second."""
    t = np.arange(count) / 16_000
    loudness = 0.15 * (1 + np.sin(2 * np.pi * 4 * t))
    return (loudness * (2 * (120 * t % 1) - 1)).astype(np.float32)


@app.command()
def c_abi(
    engine_dir: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads it at run time
        typer.Option("--engine-dir", help="Engine directory (default: the built-in avatar)."),
    ] = None,
    size: Annotated[int, typer.Option(help="Side of the pictures, pixels.")] = 512,
    frames: Annotated[int, typer.Option(help="Frames that are timed.")] = 250,
    threads: Annotated[int, typer.Option(help="Processor threads of each avatar.")] = 1,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("-o", "--output", help="Write the JSON here."),
    ] = None,
) -> None:
    """What a frame costs through the C ABI, beside Python, in one run."""
    told = machine.describe()
    rows = measure(engine_dir, size, frames, threads)
    for row in rows:
        print(f"{row['way']:16} {row['ms']['median']:8.3f} ms  {row['over_python_ms']:+.4f} ms")
    if output is not None:
        result = {"machine": told, "size": size, "threads": threads, "ways": rows}
        output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    run(app)
