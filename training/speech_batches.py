"""Batches of degraded speech with phone labels, for the encoder's training.

Everything random comes from the generator handed in, so a resumed run sees the same batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from ..contract.errors import BadInput
from ..contract.units import HUBERT_RECEPTIVE_FIELD, SAMPLE_RATE, SAMPLES_PER_FEATURE
from .demo.speech.corpus import Utterance
from .demo.speech.phones import PHONE_INDEX, SILENCE
from .hearing import Listener
from .ranges import DECIBELS, NOT_NEGATIVE, POSITIVE, SHARE

Float32 = NDArray[np.float32]
_LEAST_DEVIATION = 1e-5
_OVERLAP = HUBERT_RECEPTIVE_FIELD - SAMPLES_PER_FEATURE  # samples a piece needs beyond its frames


@dataclass(frozen=True)
class AugmentationConfig:
    """How speech is degraded; each effect is drawn anew for every block."""

    speed: Annotated[tuple[float, float], POSITIVE] = (0.82, 1.22)
    """Playback speed: pitch, formants and tempo together."""
    equaliser_share: Annotated[float, SHARE] = 0.7
    """Share of blocks that pass a random smooth equaliser."""
    equaliser_db: Annotated[float, NOT_NEGATIVE] = 8.0
    """Standard deviation of the equaliser's gains, dB."""
    reverb_share: Annotated[float, SHARE] = 0.35
    reverb_s: Annotated[tuple[float, float], POSITIVE] = (0.05, 0.4)
    """Time in which the reverberation falls by 60 dB, seconds."""
    noise_share: Annotated[float, SHARE] = 0.7
    noise_db: Annotated[tuple[float, float], DECIBELS] = (5.0, 35.0)
    """Signal-to-noise ratio, dB; its colour is drawn from white to brown."""
    babble_share: Annotated[float, SHARE] = 0.15
    babble_db: Annotated[tuple[float, float], DECIBELS] = (8.0, 25.0)
    """Ratio to another voice speaking at the same time, dB."""
    level: Annotated[float, NOT_NEGATIVE] = 0.25
    """Standard deviation of the level's logarithm after normalisation: a live normaliser is
    never exactly right."""


@dataclass(frozen=True)
class SpeechStream:
    """All utterances end to end."""

    samples: Float32
    """(N,) at 16 kHz."""
    labels: NDArray[np.int8]
    """(N,) phone index of every sample."""


def stream_of(utterances: Sequence[Utterance]) -> SpeechStream:
    """Join utterances into one stream that blocks are cut from.

    Raises:
        BadInput: there is no utterance, or nobody says anything.
    """
    spoken = {segment.phone for utterance in utterances for segment in utterance.segments}
    if spoken <= {SILENCE}:
        raise BadInput(
            "training speech",
            expected="utterances in which something is said",
            found=f"{len(utterances)} utterances, no phone but silence",
            remedy="use recordings with speech, and say which phones they hold",
        )
    labels = []
    for utterance in utterances:
        phones = np.zeros(len(utterance.samples), np.int8)
        for segment in utterance.segments:
            first, last = round(segment.start * SAMPLE_RATE), round(segment.end * SAMPLE_RATE)
            phones[first:last] = PHONE_INDEX[segment.phone]
        labels.append(phones)
    samples = np.concatenate([utterance.samples for utterance in utterances])
    return SpeechStream(samples.astype(np.float32), np.concatenate(labels))


def draw_blocks(
    stream: SpeechStream,
    blocks: int,
    frames: int,
    config: AugmentationConfig,
    rng: np.random.Generator,
) -> tuple[Float32, NDArray[np.int64]]:
    """Blocks of degraded speech, not normalised, and the phone at the centre of every feature.

    Returns:
        samples (blocks, 320 · frames + 80) float32 and labels (blocks, frames) int64.
    """
    length = frames * SAMPLES_PER_FEATURE + _OVERLAP
    samples = np.empty((blocks, length), np.float32)
    labels = np.empty((blocks, frames), np.int64)
    centres = HUBERT_RECEPTIVE_FIELD // 2 + SAMPLES_PER_FEATURE * np.arange(frames)
    for block in range(blocks):
        clean, places = _cut(stream, length, rng.uniform(*config.speed), rng)
        labels[block] = stream.labels[places[centres]]
        samples[block] = degrade(clean, stream, config, rng)
    return samples, labels


def heard_whole(samples: Float32) -> Float32:
    """Blocks (B, N) normalised each by its own moments, as an utterance is offline."""
    centred = samples - samples.mean(1, keepdims=True)
    return centred / (samples.std(1, keepdims=True) + _LEAST_DEVIATION)


def heard_in_pieces(samples: Float32, pieces: int) -> Float32:
    """Blocks (B, N) cut into `pieces` that know nothing of each other, as a live session's do.

    Each is scaled as if the stream had begun with its block. A feature t of a piece of
    T features has t features of left context and T - 1 - t of look-ahead, so pieces of several
    lengths show the network every context from none to all.

    Returns:
        (B · pieces, n) float32, n = 320 · T + 80.
    """
    step = (samples.shape[1] - _OVERLAP) // SAMPLES_PER_FEATURE // pieces
    cut = []
    for block in samples:
        listener = Listener(block)
        for last in range(step, pieces * step + 1, step):
            begin = (last - step) * SAMPLES_PER_FEATURE
            cut.append(listener.hear(begin, last * SAMPLES_PER_FEATURE + _OVERLAP))
    return np.stack(cut)


def degrade(
    clean: Float32, stream: SpeechStream, config: AugmentationConfig, rng: np.random.Generator
) -> Float32:
    """Equaliser, reverberation, babble and noise, (N,) → (N,) float32, in one pair of FFTs.

    Convolution is circular: the tail of a reverberation comes in at the block's start.
    """
    size = fft.next_fast_len(len(clean), real=True)
    if rng.random() < config.babble_share:
        other, _ = _cut(stream, len(clean), 1.0, rng)
        clean = clean + _scaled(other, _power(clean), rng.uniform(*config.babble_db))
    spectrum = fft.rfft(clean, size)
    bins = len(spectrum)
    if rng.random() < config.equaliser_share:
        # Gains at random points of a logarithmic frequency axis, joined by straight lines in dB.
        knots = rng.normal(0.0, config.equaliser_db, 9)
        axis = np.log1p(np.arange(bins) / bins * 40.0) / np.log1p(40.0) * 8.0
        decibels = np.interp(axis, np.arange(9), knots)
        spectrum = spectrum * (10.0 ** (decibels / 20.0)).astype(np.float32)
    if rng.random() < config.reverb_share:
        spectrum = spectrum * fft.rfft(_room(config, rng), size)
    if rng.random() < config.noise_share:
        # White below the corner, then falling; no energy where nothing is heard (0 Hz).
        corner = 100.0 * size / SAMPLE_RATE
        slope = (1.0 + np.arange(bins, dtype=np.float32) / corner) ** -rng.uniform(0.0, 1.2)
        slope[0] = 0.0
        noise = rng.standard_normal((2, bins), np.float32) * slope
        noise_power = float(np.square(noise).mean()) * 2
        signal_power = float(np.square(np.abs(spectrum)).mean())
        gain = 10.0 ** (-rng.uniform(*config.noise_db) / 20.0)
        gain *= (signal_power / max(noise_power, 1e-12)) ** 0.5
        spectrum = spectrum + np.float32(gain) * (noise[0] + 1j * noise[1])
    whole = fft.irfft(spectrum.astype(np.complex64), size)
    return np.asarray(whole[: len(clean)], np.float32)


def _cut(
    stream: SpeechStream, length: int, speed: float, rng: np.random.Generator
) -> tuple[Float32, NDArray[np.int64]]:
    """`length` samples from a random place at `speed`, and the place each was read at."""
    reach = int(length * speed) + 2
    if reach >= len(stream.samples):
        # A short corpus (a test's) is read round and round.
        places = rng.integers(len(stream.samples)) + np.arange(length) * speed
        whole = places.astype(np.int64) % len(stream.samples)
        return stream.samples[whole], whole
    places = rng.integers(len(stream.samples) - reach) + np.arange(length) * speed
    whole = places.astype(np.int64)
    rest = (places - whole).astype(np.float32)
    left, right = stream.samples[whole], stream.samples[whole + 1]
    return left + rest * (right - left), whole


def _room(config: AugmentationConfig, rng: np.random.Generator) -> Float32:
    """An impulse response: the direct sound and a tail of decaying noise."""
    seconds = rng.uniform(*config.reverb_s)
    count = int(seconds * SAMPLE_RATE)
    decay = np.exp(-6.9 * np.arange(count, dtype=np.float32) / count)
    tail = rng.standard_normal(count, np.float32) * decay
    tail *= rng.uniform(0.2, 1.0) / np.sqrt(float(np.square(tail).sum()))
    tail[0] = 1.0
    return tail


def _power(samples: Float32) -> float:
    return float(np.square(samples).mean())


def _scaled(samples: Float32, power: float, ratio_db: float) -> Float32:
    """`samples` brought `ratio_db` below `power`."""
    gain = (power / max(_power(samples), 1e-12)) ** 0.5 * 10.0 ** (-ratio_db / 20.0)
    return samples * np.float32(gain)
