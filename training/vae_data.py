"""What the speech networks learn from: speech as a session hears it, faces as they move."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..contract.emotions import EMOTIONS
from ..contract.errors import BadInput
from ..contract.landmarks import FLAT
from ..contract.units import FEATURES_PER_FRAME, FRAMES_PER_LATENT, SAMPLES_PER_FRAME
from ..reference.speech_encoder import SpeechEncoder
from ..runtime.audio.pitch import pitch_bins
from .demo.performance import expression
from .demo.speech.corpus import Utterance
from .demo.speech.phones import PhoneSegment
from .demo.speech.visemes import speech_parameters
from .hearing import Hearing, hear
from .speech_batches import AugmentationConfig, degrade, stream_of

Float32 = NDArray[np.float32]

LandmarksOf = Callable[[Float32], Float32]
"""(F, 21) face parameters → (F, 68, 3) landmarks in head space: the rig."""

RECORDING = AugmentationConfig(speed=(1.0, 1.0), equaliser_db=5.0, babble_share=0.0)
"""Rooms and microphones for the degraded copy of every clip."""


@dataclass(frozen=True)
class MotionClip:
    """Speech and the face that speaks it, F frames, F a multiple of 4."""

    features: Float32
    """(2 F, D) of the speech encoder."""
    pitch_bins: NDArray[np.int32]
    """(2 F,) in 1…255."""
    landmarks: Float32
    """(F, 204) head space: lips and jaw only; brows and blinks are nobody's speech."""
    segments: tuple[PhoneSegment, ...] = ()
    """What is said when; none where nobody knows."""


def mouth_of(utterance: Utterance) -> Float32:
    """(F, 8) mouth parameters while `utterance` is said."""
    return speech_parameters(utterance.segments, utterance.seconds)


def motion_clips(
    utterances: Sequence[Utterance],
    encoder: SpeechEncoder,
    landmarks_of: LandmarksOf,
    *,
    hearing: Hearing | None = None,
    degraded: bool = False,
    seed: int = 0,
) -> tuple[MotionClip, ...]:
    """A clip of every utterance; utterances shorter than four frames are left out.

    Args:
        hearing: how a live session hears them; None is the whole utterance at once.
        degraded: the speech passes a room and a noisy microphone and is heard live, with another
            `Hearing` drawn for every utterance. The landmarks stay as they are.
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
        samples = utterance.samples
        if degraded:
            samples = degrade(samples, stream, RECORDING, rng)
        heard = Hearing.draw(rng) if degraded else hearing
        features = hear(encoder, samples, count, heard)
        landmarks = landmarks_of(expression(mouth_of(utterance)[:frames], "neutral"))
        clips.append(
            MotionClip(
                features,
                pitch_bins(samples)[:count],
                landmarks.reshape(frames, FLAT).astype(np.float32),
                utterance.segments,
            )
        )
    return tuple(clips)


def with_emotions(
    clips: Sequence[MotionClip],
    utterances: Sequence[Utterance],
    landmarks_of: LandmarksOf,
    *,
    seed: int = 0,
) -> tuple[MotionClip, ...]:
    """The clips of `utterances`, in order, spoken with emotions of intensity 0 to 1.5 instead."""
    rng = np.random.default_rng(seed)
    spoken = [
        one for one in utterances if len(one.samples) >= FRAMES_PER_LATENT * SAMPLES_PER_FRAME
    ]
    made = []
    for clip, utterance in zip(clips, spoken, strict=True):
        emotion, intensity = EMOTIONS[rng.integers(len(EMOTIONS))], float(rng.uniform(0.0, 1.5))
        face = expression(mouth_of(utterance)[: len(clip.landmarks)], emotion, intensity)
        moved = landmarks_of(face).reshape(len(clip.landmarks), FLAT)
        made.append(replace(clip, landmarks=moved.astype(np.float32)))
    return tuple(made)


def long_enough(clips: Sequence[MotionClip], frames: int, what: str) -> list[MotionClip]:
    """The clips of `frames` frames or more.

    Raises:
        BadInput: there is none, or nobody's lips move in any of them.
    """
    longest = max((len(clip.landmarks) for clip in clips), default=0)
    usable = [clip for clip in clips if len(clip.landmarks) >= frames]
    if not usable:
        raise BadInput(
            what,
            expected=f"a clip of at least {frames} frames ({frames / 25:g} s)",
            found=f"{len(clips)} clips, the longest of {longest} frames",
            remedy="give longer recordings, or train on shorter windows",
        )
    if max(float(np.ptp(clip.landmarks, axis=0).max()) for clip in usable) < 1e-4:
        raise BadInput(
            what,
            expected="landmarks that move with speech",
            found=f"{len(usable)} clips of a face that never moves",
            remedy="use recordings in which somebody speaks",
        )
    return usable
