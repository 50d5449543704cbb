"""Any sample rate → 16 kHz, in pieces, with the same result for any cut of them."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

from ...contract.errors import BadAudio
from ...contract.units import FRAMES_PER_SECOND, SAMPLE_RATE

Float32 = NDArray[np.float32]

LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000
"""Sample rates taken, Hz; outside them a number is a mistake."""


class Resampler:
    """Band-limited conversion of mono audio to 16 kHz (soxr, quality HQ).

    n samples give round(n · 16000 / rate) in all, with no shift in time. Until more audio or
    `flush` comes the filter holds back up to 40 ms at 22…48 kHz, 80 ms at 96 kHz and more, and
    115 ms at 8 kHz.

    Args:
        rate: samples a second of what is pushed.

    Raises:
        BadAudio: the rate is not one audio has.
    """

    def __init__(self, rate: int) -> None:
        if not LOWEST_RATE <= rate <= HIGHEST_RATE:
            raise BadAudio(
                "sample rate",
                expected=f"{LOWEST_RATE}…{HIGHEST_RATE} Hz",
                found=f"{rate} Hz",
                remedy="give the rate the samples were recorded at",
            )
        self._stream = (
            None
            if rate == SAMPLE_RATE
            else soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
        )

    def push(self, samples: Float32) -> Float32:
        """Take (n,) float32 at the source rate; return the (m,) float32 at 16 kHz it completes."""
        return self._convert(samples, last=False)

    def flush(self) -> Float32:
        """End the audio: the samples held back. The resampler is spent."""
        return self._convert(np.zeros(0, np.float32), last=True)

    def _convert(self, samples: Float32, last: bool) -> Float32:
        if self._stream is None:
            return samples
        converted: Float32 = self._stream.resample_chunk(np.ascontiguousarray(samples), last=last)
        return converted


def held_back(rate: int) -> int:
    """Samples at 16 kHz that a `Resampler` fed a frame at a time holds back, at most; measured."""
    resampler, most, got = Resampler(rate), 0, 0
    block = np.zeros(-(-rate // FRAMES_PER_SECOND), np.float32)
    for pushed in range(1, 26):
        got += len(resampler.push(block))
        most = max(most, pushed * len(block) * SAMPLE_RATE // rate - got)
    return most
