"""Encoded audio, a file or its bytes → blocks of mono samples.

libsndfile reads what it knows; the rest (m4a, mp4, webm, …) goes to FFmpeg through PyAV.
"""

from __future__ import annotations

import errno
import io
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from ...contract.errors import BadAudio

if TYPE_CHECKING:
    from av.container import InputContainer

Float32 = NDArray[np.float32]

BLOCK = 65_536
"""Samples (of each channel) decoded at once."""

_KNOWN = "an audio file (wav, flac, ogg, mp3, m4a, …)"
_CONVERT = "convert it first, for instance to wav"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Decoded:
    """Audio being decoded.

    Attributes:
        name: what to call it in messages.
        rate: samples a second.
        blocks: the mono samples, (n,) float32 each, n may differ; to be walked through once.
    """

    name: str
    rate: int
    blocks: Iterator[Float32]


def decode_file(path: str | os.PathLike[str]) -> Decoded:
    """Open an audio file; several channels are averaged.

    Raises:
        BadAudio: there is no such file, it may not be read, or no reader knows it; also, while
            the blocks are walked through, when decoding fails before the first sample.
    """
    file = Path(path)
    name = str(file)
    try:
        with open(file, "rb") as handle:
            empty = not handle.read(1)
    except OSError as error:
        raise _unreadable(name, error) from None
    except ValueError:
        raise BadAudio(
            repr(name), expected=_KNOWN, found="a name with a zero in it", remedy="check the path"
        ) from None
    if empty:
        raise BadAudio(name, expected=_KNOWN, found="an empty file", remedy="record it again")
    return _decode(name, lambda: name)


def decode_bytes(data: bytes) -> Decoded:
    """Like `decode_file`, for a file's content that is already in memory."""
    name = f"audio of {len(data)} bytes"
    if not data:
        raise BadAudio(name, expected=_KNOWN, found="nothing", remedy="pass a whole file's bytes")
    return _decode(name, lambda: io.BytesIO(data))


def _unreadable(name: str, error: OSError) -> BadAudio:
    found, remedy = {
        errno.ENOENT: ("no such file", "check the path"),
        errno.EISDIR: ("a directory", "name a file in it"),
        errno.EACCES: ("no permission to read it", "change its permissions"),
        errno.ENOTDIR: ("no such file", "check the path"),
    }.get(error.errno or 0, (error.strerror or str(error), "check the path"))
    return BadAudio(name, expected=_KNOWN, found=found, remedy=remedy)


def _decode(name: str, opened: Any) -> Decoded:
    try:
        file = soundfile.SoundFile(opened())
    except (soundfile.LibsndfileError, RuntimeError, TypeError):
        # TypeError: a name ending in .raw, of which libsndfile would have to be told everything.
        return _decode_with_av(name, opened())
    return Decoded(name, int(file.samplerate), _soundfile_blocks(name, file))


def _soundfile_blocks(name: str, file: soundfile.SoundFile) -> Iterator[Float32]:
    got = 0
    with file:
        while True:
            try:
                block = file.read(BLOCK, dtype="float32", always_2d=True)
            except (soundfile.LibsndfileError, RuntimeError) as error:
                _broken(name, got, str(error))
                return
            if not len(block):
                break
            got += len(block)
            yield block.mean(axis=1, dtype=np.float32)


def _decode_with_av(name: str, source: Any) -> Decoded:
    import av

    try:
        container = av.open(source)
    except (av.error.FFmpegError, OSError, ValueError):
        found = "something neither libsndfile nor FFmpeg can read"
        raise BadAudio(name, expected=_KNOWN, found=found, remedy=_CONVERT) from None
    streams = container.streams.audio
    if not streams or not streams[0].codec_context or not streams[0].rate:
        container.close()
        raise BadAudio(
            name,
            expected=_KNOWN,
            found="a file without a sound track",
            remedy="name a file that has sound",
        )
    return Decoded(name, int(streams[0].rate), _av_blocks(name, container))


def _av_blocks(name: str, container: InputContainer) -> Iterator[Float32]:
    import av

    # FFmpeg changes the sample format only; rate and channels are ours to convert.
    planar = av.AudioResampler(format="fltp")
    got, problem = 0, ""
    with container:
        try:
            for packet in container.demux(container.streams.audio[0]):
                try:
                    decoded = packet.decode()
                except av.error.InvalidDataError as error:
                    problem = problem or str(error)
                    continue
                for frame in decoded:
                    for part in planar.resample(frame):
                        block = part.to_ndarray().mean(axis=0, dtype=np.float32)
                        got += len(block)
                        yield block
        except av.error.FFmpegError as error:
            problem = str(error)
    if problem:
        _broken(name, got, problem)


def _broken(name: str, got: int, problem: str) -> None:
    """What could be decoded is used; nothing at all is a refusal."""
    if got:
        log.warning("%s is damaged (%s); using the %d samples that can be read", name, problem, got)
        return
    raise BadAudio(
        name,
        expected=_KNOWN,
        found=f"a damaged file ({problem})",
        remedy="copy or download it again",
    )
