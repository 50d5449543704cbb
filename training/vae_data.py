"""What the audio-to-motion network learns from: speech as it hears it, faces as they move."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..contract.landmarks import FLAT
from ..contract.units import (
    FEATURES_PER_FRAME,
    FRAMES_PER_LATENT,
    HUBERT_RECEPTIVE_FIELD,
    SAMPLE_RATE,
    SAMPLES_PER_FEATURE,
    SAMPLES_PER_FRAME,
)
from ..reference.speech_encoder import SpeechEncoder
from ..runtime.audio.normalise import normalise
from ..runtime.audio.pitch import pitch_bins
from .demo.performance import expression
from .demo.speech.corpus import Utterance
from .demo.speech.visemes import speech_parameters
from .speech_batches import AugmentationConfig, degrade, stream_of

Float32 = NDArray[np.float32]

LandmarksOf = Callable[[Float32], Float32]
"""(F, 21) face parameters → (F, 68, 3) landmarks in head space: the rig."""

RECORDING = AugmentationConfig(speed=(1.0, 1.0), equaliser_db=5.0, babble_share=0.0)
"""Rooms and microphones for the degraded copy of every clip."""


@dataclass(frozen=True)
class MotionClip:
    """Speech and the neutral face that speaks it, F frames, F a multiple of 4."""

    features: Float32
    """(2 F, D) of the speech encoder."""
    pitch_bins: NDArray[np.int32]
    """(2 F,) in 1…255."""
    landmarks: Float32
    """(F, 204) head space: lips and jaw only; brows and blinks are nobody's speech."""


def mouth_of(utterance: Utterance) -> Float32:
    """(F, 8) mouth parameters while `utterance` is said."""
    return speech_parameters(utterance.segments, utterance.seconds)


def motion_clips(
    utterances: Sequence[Utterance],
    encoder: SpeechEncoder,
    landmarks_of: LandmarksOf,
    *,
    degraded: bool = False,
    seed: int = 0,
) -> tuple[MotionClip, ...]:
    """A clip of every utterance; utterances shorter than four frames are left out.

    With `degraded` the speech passes a room and a noisy microphone, and is heard in pieces of 1
    to 4 s that know nothing of each other: what a live session hears at its worst. The landmarks
    stay as they are.
    """
    rng = np.random.default_rng(seed)
    stream = stream_of(utterances)
    clips = []
    for utterance in utterances:
        frames = len(utterance.samples) // SAMPLES_PER_FRAME
        frames -= frames % FRAMES_PER_LATENT
        if frames == 0:
            continue
        count = frames * FEATURES_PER_FRAME
        samples, piece = utterance.samples, count
        if degraded:
            samples = degrade(samples, stream, RECORDING, rng)
            piece = int(rng.uniform(1.0, 4.0) * SAMPLE_RATE / SAMPLES_PER_FEATURE)
        landmarks = landmarks_of(expression(mouth_of(utterance)[:frames], "neutral"))
        clips.append(
            MotionClip(
                _features(encoder, samples, count, piece),
                pitch_bins(samples)[:count],
                landmarks.reshape(frames, FLAT).astype(np.float32),
            )
        )
    return tuple(clips)


@torch.no_grad()
def _features(encoder: SpeechEncoder, samples: Float32, count: int, piece: int) -> Float32:
    """(count, D): features of normalised speech, `piece` features at a time."""
    padded = np.zeros(count * SAMPLES_PER_FEATURE + HUBERT_RECEPTIVE_FIELD, np.float32)
    used = samples[: len(padded)]
    padded[: len(used)] = normalise(used)
    found = []
    for first in range(0, count, piece):
        last = min(first + piece, count)
        start = first * SAMPLES_PER_FEATURE
        end = (last - 1) * SAMPLES_PER_FEATURE + HUBERT_RECEPTIVE_FIELD
        found.append(encoder(torch.from_numpy(padded[None, start:end]))[0].numpy())
    return np.concatenate(found)
