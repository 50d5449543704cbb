"""Whatever a caller has → 16 kHz mono float32."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...contract.errors import BadAudio, BadOption
from ...contract.units import SAMPLE_RATE
from .decode import decode_bytes, decode_file
from .resample import Resampler

Float32 = NDArray[np.float32]

Samples: TypeAlias = NDArray[np.float32] | NDArray[np.float64] | NDArray[np.int16]

AudioSource: TypeAlias = str | os.PathLike[str] | bytes | Samples | Iterable[Samples]
"""A file's path, a file's bytes, raw samples, or an iterable of raw samples."""

LOUDEST = 16.0
"""Largest magnitude taken of float samples. Full scale is 1; a hot recording may pass it a little,
integers stored as floats pass it by thousands."""

_INT16_SCALE = 1 / 32768


def load(source: AudioSource, *, rate: int | None = None) -> Float32:
    """All of ``source`` at once: (n,) float32 mono at 16 kHz. Arguments as `as_chunks`."""
    return np.concatenate(list(as_chunks(source, rate=rate)))


def as_chunks(source: AudioSource, *, rate: int | None = None) -> Iterator[Float32]:
    """``source`` as 16 kHz mono, piece by piece as it is decoded.

    The pieces together do not depend on how the source was cut.

    Args:
        source: path of an audio or video file; the bytes of one; (n,) raw mono samples, float32 or
            float64 in [-1, 1] or int16; or an iterable of such arrays.
        rate: samples a second of raw samples, 16000 if not given; a file says its own.

    Returns:
        Iterator over (n,) float32, n > 0; at least one sample in all.

    Raises:
        BadAudio: at once when the source cannot be opened or is of no use; while iterating when it
            turns out to hold no samples, samples that are no numbers, or damage from its start.
        BadOption: ``rate`` was given for a file.
    """
    if isinstance(source, (str, os.PathLike, bytes, bytearray, memoryview)):
        if rate is not None:
            raise BadOption(
                "rate",
                expected="none beside a file, which says its own",
                found=str(rate),
                remedy="leave it out, or pass the samples as an array",
            )
        if isinstance(source, (str, os.PathLike)):
            decoded = decode_file(source)
        else:
            decoded = decode_bytes(bytes(source))
        return _converted(decoded.name, decoded.blocks, Resampler(decoded.rate))
    resampler = Resampler(SAMPLE_RATE if rate is None else rate)
    if isinstance(source, np.ndarray):
        first = as_float(source)
        if not len(first):
            raise _no_samples("audio samples")
        return _converted("audio samples", iter([first]), resampler)
    if isinstance(source, Iterable):
        return _converted("audio samples", map(as_float, source), resampler)
    raise _no_audio(type(source).__name__)


def _converted(name: str, blocks: Iterator[Float32], resampler: Resampler) -> Iterator[Float32]:
    got = 0
    for block in blocks:
        check_samples(name, block, got)
        got += len(block)
        converted = resampler.push(block)
        if len(converted):
            yield converted
    if not got:
        raise _no_samples(name)
    converted = resampler.flush()
    if len(converted):
        yield converted


def as_float(samples: Any) -> Float32:
    """Raw mono samples → (n,) float32 in [-1, 1], a copy.

    Raises:
        BadAudio: they are no (n,) array of float32, float64 or int16.
    """
    if not isinstance(samples, np.ndarray):
        raise _no_audio(type(samples).__name__)
    if samples.ndim != 1:
        raise BadAudio(
            "audio samples",
            expected="one channel, shape (n,)",
            found=f"shape {samples.shape}",
            remedy="average the channels",
        )
    if samples.dtype == np.int16:
        scaled: Float32 = samples.astype(np.float32) * np.float32(_INT16_SCALE)
        return scaled
    if samples.dtype in (np.float32, np.float64):
        return samples.astype(np.float32)
    raise BadAudio(
        "audio samples",
        expected="float32 or float64 in [-1, 1], or int16",
        found=str(samples.dtype),
        remedy="convert them with .astype",
    )


def check_samples(name: str, block: Float32, start: int) -> None:
    """Refuse (n,) float samples that are no sound; ``start`` is the index of the first.

    Raises:
        BadAudio: one of them is not finite, or passes `LOUDEST`.
    """
    finite = np.isfinite(block)
    if not finite.all():
        place = int(np.argmin(finite))
        raise BadAudio(
            name,
            expected="finite samples",
            found=f"{block[place]} at sample {start + place}",
            remedy="repair the recording or what computed it",
        )
    peak = float(np.abs(block).max(initial=0.0))
    if peak > LOUDEST:
        raise BadAudio(
            name,
            expected="samples in [-1, 1]",
            found=f"a peak of {peak:g}",
            remedy="divide by full scale, 32768 for 16 bits",
        )


def _no_samples(name: str) -> BadAudio:
    return BadAudio(
        name, expected="at least one sample", found="none", remedy="record or pass some sound"
    )


def _no_audio(kind: str) -> BadAudio:
    return BadAudio(
        "audio",
        expected="a path, a file's bytes, an array of samples or an iterable of arrays",
        found=kind,
        remedy="pass one of these",
    )
