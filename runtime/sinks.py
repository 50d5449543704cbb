"""Where frames go: an mp4, PNG files, y4m in a file or on standard output, shared memory."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Protocol

from ..contract.data import Frame
from ..contract.errors import BadOutput
from .background_sink import BackgroundSink, FileSink
from .png import PngFolder
from .ring.segment import SCHEME
from .ring.writer import RingWriter
from .video import Mp4Writer
from .y4m import Y4mFile, Y4mStdout


class FrameSink(Protocol):
    """Takes frames one after the other; a context manager.

    A frame's arrays are its caller's again once `write` has returned. `close` completes the output.
    Leaving the ``with`` block by an exception removes what was written, where it is a file.
    """

    def write(self, frame: Frame) -> None:
        """Take the next frame; `BadOutput` when it cannot be written."""

    def close(self) -> None:
        """Complete the output; nothing happens the second time."""

    def __enter__(self) -> FrameSink: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None: ...


def open_sink(destination: str | os.PathLike[str], size: tuple[int, int]) -> FrameSink:
    """The sink that ``destination`` asks for; files are written in a thread of their own.

    Args:
        destination: ``….mp4``; ``….y4m``; ``-`` for y4m on standard output; a name without ending,
            a name ending in ``/`` or an empty folder for PNG files and the sound as ``audio.wav``;
            ``shm://NAME`` for a ring of frames in shared memory.
        size: (height, width) of the frames in pixels.

    Raises:
        BadOutput: the ending is another one, or the place cannot be written.
        Unavailable: an mp4 is asked for and there is no encoder.
    """
    name = os.fspath(destination)
    if name == "-":
        return Y4mStdout(size)
    if name.startswith(SCHEME):
        return RingWriter(name, size)
    return BackgroundSink(_file_sink(name, size), name, size)


def _file_sink(name: str, size: tuple[int, int]) -> FileSink:
    ending = Path(name).suffix.lower()
    if ending == ".mp4":
        return Mp4Writer(name, size)
    if ending == ".y4m":
        return Y4mFile(name, size)
    if name and (not ending or name.endswith(os.sep) or Path(name).is_dir()):
        return PngFolder(name, size)
    raise BadOutput(
        name or "output",
        expected="a name ending in .mp4 or .y4m, '-' for standard output, a folder for PNGs, or "
        "shm://NAME",
        found=f"the ending {ending!r}" if name else "an empty name",
        remedy="choose one of these",
    )
