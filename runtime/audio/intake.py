"""What is pushed into a session, as it comes → 16 kHz mono float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...contract.errors import BadAudio
from ...contract.units import SAMPLE_RATE
from .load import Samples, as_float, check_samples
from .resample import Resampler

Float32 = NDArray[np.float32]

Pushed: TypeAlias = Samples | bytes | bytearray | memoryview
"""Raw samples; bytes are signed 16-bit little-endian ones."""


@dataclass(frozen=True)
class Piece:
    """Checked samples that were not taken yet.

    Attributes:
        samples: (n,) float32 at their own rate.
        half: the byte that is left of bytes, of a sample whose other half is still to come.
    """

    samples: Float32
    half: bytes


class Intake:
    """One utterance's samples on their way in; any cut of them gives the same result.

    Args:
        rate: samples a second of what is pushed.

    Raises:
        BadAudio: the rate is not one audio has.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._resampler = Resampler(rate)
        self._taken = 0
        self._half = b""

    @property
    def samples(self) -> int:
        """How many samples at 16 kHz all that was taken is, those held back included."""
        return (2 * self._taken * SAMPLE_RATE + self._rate) // (2 * self._rate)

    def checked(self, samples: Pushed) -> Piece:
        """What ``samples`` are; nothing is taken yet.

        A piece of bytes may end in the middle of a sample; the rest comes with the next piece.

        Raises:
            BadAudio: they are not samples, or hold NaN or numbers far beyond full scale.
        """
        half = self._half
        if isinstance(samples, (bytes, bytearray, memoryview)):
            whole = half + bytes(samples)
            samples = np.frombuffer(whole, "<i2", len(whole) // 2).astype(np.int16)
            half = whole[2 * len(samples) :]
        elif not isinstance(samples, np.ndarray):
            raise BadAudio(
                "push",
                expected="an array of samples, or bytes of 16-bit ones",
                found=type(samples).__name__,
                remedy="load files with Avatar.render",
            )
        block = as_float(samples)
        check_samples("push", block, self._taken)
        return Piece(block, half)

    def take(self, piece: Piece) -> Float32:
        """Take what was `checked` last: (m,) float32 at 16 kHz that it completes."""
        self._half = piece.half
        self._taken += len(piece.samples)
        return self._resampler.push(piece.samples)

    def flush(self) -> Float32:
        """End the utterance: the samples held back. The intake is spent."""
        return self._resampler.flush()
