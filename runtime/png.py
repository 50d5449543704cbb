"""A folder of PNG files."""

from __future__ import annotations

import io
import os
import struct
import wave
import zlib

import numpy as np
from numpy.typing import NDArray

from ..contract.closing import Keeping
from ..contract.data import Frame
from ..contract.units import SAMPLE_RATE
from .output_checks import cannot_write, check_frame, check_open
from .partial_file import PartialOutput

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_EIGHT_BIT_RGB = (8, 2, 0, 0, 0)
_FILTER_UP = 2
_COMPRESSION = 4  # renders are smooth: higher levels cost double the time for 2 % of the size


class PngFolder(Keeping):
    """A folder of ``000000.png``, …, numbered as they come, and the sound as ``audio.wav``.

    The folder appears under its name, whole, when `close` returns.

    Args:
        folder: where; it must not exist or be empty.
        size: (height, width) of the frames in pixels.

    Raises:
        BadOutput: the folder holds something or cannot be made.
    """

    def __init__(self, folder: str | os.PathLike[str], size: tuple[int, int]) -> None:
        self._name, self._size = os.fspath(folder), size
        self._part = PartialOutput(folder, folder=True)
        self._pictures = 0
        self._sound: list[bytes] | None = []

    def write(self, frame: Frame) -> None:
        """Add the next picture and its samples (16 bits, clipped at full scale)."""
        check_frame(self._name, frame, self._size)
        check_open(self._name, self._sound is not None)
        assert self._sound is not None
        self._save(f"{self._pictures:06d}.png", encode_png(frame.image))
        self._pictures += 1
        samples = np.clip(np.rint(frame.audio * np.float32(32768)), -32768, 32767)
        self._sound.append(samples.astype("<i2").tobytes())

    def _save(self, name: str, data: bytes) -> None:
        try:
            (self._part.path / name).write_bytes(data)
        except OSError as error:
            self.discard()
            raise cannot_write(self._name, error) from None

    def close(self) -> None:
        """Write the sound and let the folder appear. Nothing happens the second time."""
        if self._sound is None:
            return
        sound, self._sound = self._sound, None
        self._save("audio.wav", _wav(b"".join(sound)))
        self._part.keep()

    def discard(self) -> None:
        """Close without leaving the folder."""
        self._sound = None
        self._part.discard()


def _wav(samples: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, SAMPLE_RATE, 0, "NONE", "NONE"))
        writer.writeframes(samples)
    return file.getvalue()


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """(H, W, 3) uint8 RGB → the bytes of a PNG file, without loss."""
    height, width, _ = image.shape
    rows = image.reshape(height, width * 3)
    lines = np.empty((height, 1 + width * 3), np.uint8)
    lines[:, 0] = _FILTER_UP
    lines[0, 1:] = rows[0]
    lines[1:, 1:] = rows[1:] - rows[:-1]  # modulo 256, as the filter is defined
    header = struct.pack(">II5B", width, height, *_EIGHT_BIT_RGB)
    data = zlib.compress(lines.tobytes(), _COMPRESSION)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")
    return _PNG_SIGNATURE + chunks


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
