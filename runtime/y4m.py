"""y4m: uncompressed pictures without sound, in a file or on standard output."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..contract.closing import Keeping
from ..contract.data import Frame
from ..contract.errors import BadOutput
from ..contract.units import FRAMES_PER_SECOND
from .output_checks import cannot_write, check_frame, check_open
from .partial_file import PartialOutput

# ITU-R BT.601, limited range: Y in 16…235, Cb and Cr in 16…240 around 128.
_RED, _BLUE = 0.299, 0.114
_GREEN = 1 - _RED - _BLUE
_TO_YCBCR = np.array(
    [
        [219 * _RED, 219 * _GREEN, 219 * _BLUE],
        [-112 * _RED / (1 - _BLUE), -112 * _GREEN / (1 - _BLUE), 112],
        [112, -112 * _GREEN / (1 - _RED), -112 * _BLUE / (1 - _RED)],
    ],
    np.float32,
) / np.float32(255)
_YCBCR_ZERO = np.array([16, 128, 128], np.float32)


def y4m_header(size: tuple[int, int]) -> bytes:
    """The stream header for pictures of (height, width): 25 a second, 4:4:4."""
    height, width = size
    return (
        f"YUV4MPEG2 W{width} H{height} F{FRAMES_PER_SECOND}:1 Ip A1:1 C444 XCOLORRANGE=LIMITED\n"
    ).encode()


def y4m_picture(image: NDArray[np.uint8]) -> bytes:
    """(H, W, 3) uint8 RGB → one y4m frame, planes Y, Cb, Cr of (H, W) bytes each.

    BT.601 limited range, rounded to nearest: y4m has no field for the matrix, and this is what its
    readers take it to be. 4:4:4, so that every size can be written and colour edges stay sharp.
    """
    pixels = image.reshape(-1, 3).astype(np.float32)
    planes = _TO_YCBCR @ pixels.T + (_YCBCR_ZERO + np.float32(0.5))[:, None]
    payload: bytes = planes.astype(np.uint8).tobytes()
    return b"FRAME\n" + payload


class Y4mFile(Keeping):
    """A .y4m file (uncompressed, silent), there when `close` returns; see `y4m_picture`."""

    def __init__(self, path: str | os.PathLike[str], size: tuple[int, int]) -> None:
        self._name, self._size = os.fspath(path), size
        self._part = PartialOutput(path)
        self._stream: BinaryIO | None = open(self._part.path, "wb")  # noqa: SIM115
        self._put(y4m_header(size))

    def write(self, frame: Frame) -> None:
        check_frame(self._name, frame, self._size)
        check_open(self._name, self._stream is not None)
        self._put(y4m_picture(frame.image))

    def _put(self, data: bytes) -> None:
        assert self._stream is not None
        try:
            self._stream.write(data)
        except OSError as error:
            self.discard()
            raise cannot_write(self._name, error) from None

    def close(self) -> None:
        if self._stream is None:
            return
        stream, self._stream = self._stream, None
        try:
            stream.close()
        except OSError as error:
            self._part.discard()
            raise cannot_write(self._name, error) from None
        self._part.keep()

    def discard(self) -> None:
        """Close without leaving a file."""
        stream, self._stream = self._stream, None
        if stream is not None:
            _close(stream)
            self._part.discard()


class Y4mStdout:
    """y4m on standard output.

    When the reader goes away `write` raises `BrokenPipeError`, and the ``with`` block ends there
    quietly: a player that was closed is no error.

    Raises:
        BadOutput: standard output is a terminal or closed.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._name, self._size = "standard output", size
        try:
            # A descriptor of our own: nothing is left in sys.stdout for the interpreter to flush
            # into a broken pipe at its end.
            descriptor = os.dup(sys.__stdout__.fileno() if sys.__stdout__ else 1)
        except OSError as error:
            raise cannot_write(self._name, error) from None
        if os.isatty(descriptor):
            os.close(descriptor)
            raise BadOutput(
                self._name,
                expected="a pipe or a file",
                found="a terminal",
                remedy="pipe it into a player, for instance … -o - | mpv -",
            )
        self._stream: BinaryIO | None = open(descriptor, "wb")  # noqa: SIM115
        self._put(y4m_header(size))

    def write(self, frame: Frame) -> None:
        check_frame(self._name, frame, self._size)
        check_open(self._name, self._stream is not None)
        self._put(y4m_picture(frame.image))

    def _put(self, data: bytes) -> None:
        assert self._stream is not None
        try:
            self._stream.write(data)
            self._stream.flush()  # whoever watches live should not wait for a full buffer
        except BrokenPipeError:
            self._end()
            raise
        except OSError as error:
            self._end()
            raise cannot_write(self._name, error) from None

    def close(self) -> None:
        self._end()

    def _end(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            _close(stream)

    def __enter__(self) -> Y4mStdout:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        self._end()
        return kind is not None and issubclass(kind, BrokenPipeError)


def _close(stream: BinaryIO) -> None:
    with contextlib.suppress(OSError):  # its last bytes are not wanted any more
        stream.close()
