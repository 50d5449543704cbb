"""Videos as they are judged: RGB frames one after the other, and sound at 16 kHz."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..contract.errors import BadInput

if TYPE_CHECKING:
    from av.container import InputContainer

Picture = NDArray[np.uint8]

LARGEST = 4096
"""Largest side of a video that is read, pixels."""


@dataclass(frozen=True)
class Video:
    """A video file that can be read.

    Attributes:
        path: of the file.
        width, height: of its frames, pixels.
        rate: frames a second.
        sound: whether it has a sound track.
    """

    path: Path
    width: int
    height: int
    rate: Fraction
    sound: bool

    @property
    def size(self) -> str:
        """Width × height, for messages."""
        return f"{self.width} × {self.height}"

    def frames(self) -> Iterator[Picture]:
        """(height, width, 3) uint8 RGB, in order."""
        with _opened(self.path) as container:
            try:
                for frame in container.decode(video=0):
                    yield _rgb(frame)
            except Exception as error:
                raise _refused(self.path, f"damage: {error}") from None


def open_video(path: Path) -> Video:
    """Look into a video file.

    Raises:
        BadInput: it is missing, no video, too large, or does not say its frame rate.
    """
    with _opened(path) as container:
        if not container.streams.video:
            raise _refused(path, "a file without pictures")
        stream = container.streams.video[0]
        if not stream.average_rate:
            raise _refused(path, "a video that does not say its frame rate")
        if not 1 <= max(stream.width, stream.height) <= LARGEST:
            raise _refused(path, f"frames of {stream.width} × {stream.height}")
        return Video(
            path,
            stream.width,
            stream.height,
            Fraction(stream.average_rate),
            bool(container.streams.audio),
        )


def _opened(path: Path) -> InputContainer:
    import av

    if not path.is_file():
        raise _refused(path, "no such file")
    try:
        return av.open(str(path))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise _refused(path, getattr(error, "strerror", None) or str(error)) from None


def _rgb(frame: Any) -> Picture:
    from av.video.reformatter import Colorspace

    # Files that do not say are SD (BT.601) or HD (BT.709), as players assume.
    known = int(frame.colorspace) in (int(Colorspace.ITU709), int(Colorspace.ITU601), 6)
    assumed = Colorspace.ITU709 if frame.height >= 720 else Colorspace.ITU601
    space = frame.colorspace if known else assumed
    rgb: Picture = frame.reformat(format="rgb24", src_colorspace=space).to_ndarray()
    return rgb


def _refused(path: Path, found: str) -> BadInput:
    return BadInput(
        str(path), expected="a video file (mp4, mkv, webm, …)", found=found, remedy="check the file"
    )
