"""Where live sound comes from: standard input or a microphone, as bytes, until it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from ...contract.errors import BadAudio, MissingExtra, Unavailable
from ...contract.units import FRAMES_PER_SECOND

PIECE = 4096
"""Bytes read from standard input at a time, at most; a pipe gives what is there."""


def standard_input() -> Iterator[bytes]:
    """Raw signed 16-bit little-endian samples, mono, as they come.

    Raises:
        BadAudio: it is a terminal, or closed.
    """
    try:
        # The descriptor itself: a thread that waits in sys.stdin's buffer holds a lock that the
        # interpreter needs at its end.
        descriptor = sys.stdin.fileno()
        if os.isatty(descriptor):
            raise BadAudio(
                "standard input",
                expected="raw 16-bit samples from a pipe or a file",
                found="a terminal",
                remedy="pipe it in, for instance ffmpeg -i FILE -f s16le -ac 1 -ar 16000 - | …",
            )
    except (OSError, ValueError, AttributeError):
        raise BadAudio("standard input", expected="raw 16-bit samples", found="it closed") from None
    return iter(lambda: os.read(descriptor, PIECE), b"")


def microphone(rate: int) -> Iterator[bytes]:
    """The default microphone's sound in the same form, 40 ms at a time, without end.

    Raises:
        MissingExtra: the library that listens is not installed.
        Unavailable: there is no microphone, or it cannot be opened at that rate; also while
            iterating, when it is unplugged.
    """
    try:
        import sounddevice
    except ImportError:
        raise MissingExtra("sounddevice", "mic", "microphone") from None
    except OSError as error:  # it is installed and finds no PortAudio
        raise _no_microphone(error) from None
    try:
        stream = sounddevice.RawInputStream(samplerate=rate, channels=1, dtype="int16")
        stream.start()
    except (sounddevice.PortAudioError, ValueError) as error:
        raise _no_microphone(error) from None

    def heard() -> Iterator[bytes]:
        with stream:
            while True:
                try:
                    data, _ = stream.read(rate // FRAMES_PER_SECOND)
                except sounddevice.PortAudioError as error:
                    raise _no_microphone(error) from None
                yield bytes(data)

    return heard()


def _no_microphone(error: Exception) -> Unavailable:
    return Unavailable(
        "microphone",
        expected="one that can be listened to",
        found=str(error).splitlines()[0],
        remedy="connect one, or pipe raw samples in: emogene-run --live -",
    )


def samples_of(pieces: Iterable[bytes]) -> Iterator[NDArray[np.int16]]:
    """Pieces cut anywhere → (n,) int16, n > 0; half a sample at the end is dropped."""
    rest = b""
    for piece in pieces:
        whole = rest + piece
        even = len(whole) & ~1
        rest = whole[even:]
        if even:
            yield np.frombuffer(whole, "<i2", even // 2).astype(np.int16)
