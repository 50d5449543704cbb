"""One stretch of speech between two flushes, and the motion it gives."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..contract.data import Condition, Float32
from ..contract.units import SAMPLES_PER_FRAME, frames_of
from .audio.silence import speaking
from .emotion_timeline import EmotionTimeline
from .motion.pipeline import Conditions, MotionPipeline, Shaped
from .motion.step import Moment
from .profiles import Profile
from .speech.landmarks import SpeechNetworks, UtteranceLandmarks

LOOSE_PIECES = 1024
"""Pushes that are joined into one array, so that tiny ones do not cost an array each."""


@dataclass
class Utterance:
    """What was pushed, and where it stands in the session.

    Attributes:
        first_frame: absolute index of its first frame.
        first_latent: absolute index of its first latent.
        pieces: its samples in order, at most `LOOSE_PIECES` of them as they were pushed.
        samples: how many they are.
        ended: whether it was flushed.
    """

    first_frame: int
    first_latent: int
    pieces: list[Float32] = field(default_factory=list)
    samples: int = 0
    ended: bool = False
    _loose: int = 0

    @property
    def frames(self) -> int:
        """Frames that show its samples."""
        return frames_of(self.samples)

    def push(self, samples: Float32) -> None:
        """Store (n,) float32 samples."""
        self.pieces.append(samples)
        self.samples += len(samples)
        self._loose += 1
        if self._loose == LOOSE_PIECES:
            self.pieces[-LOOSE_PIECES:] = [np.concatenate(self.pieces[-LOOSE_PIECES:])]
            self._loose = 0

    def join(self) -> Float32:
        """All samples, (n,) float32."""
        if len(self.pieces) > 1:
            self.pieces = [np.concatenate(self.pieces)]
        return self.pieces[0]


class Performance:
    """The conditions and silences of a whole utterance, computed hop by hop as they are read."""

    def __init__(
        self,
        utterance: Utterance,
        networks: SpeechNetworks,
        motion: MotionPipeline,
        emotions: EmotionTimeline,
        profile: Profile,
        seed: int,
    ) -> None:
        self._samples = utterance.join()
        self._first, self._hop = utterance.first_frame, profile.hop
        self._motion, self._emotions = motion, emotions
        self._landmarks = UtteranceLandmarks(
            networks, self._samples, profile, first_latent=utterance.first_latent, seed=seed
        )
        self._silent: NDArray[np.bool_] = ~speaking(self._samples)
        self.conditions = Conditions(
            self._shaped,
            hop=profile.hop,
            width=motion.window,
            count=utterance.frames,
            first=utterance.first_frame,
        )

    def condition(self, frame: int) -> Condition:
        """What the fields are given for frame ``frame`` of the utterance."""
        return self.conditions[frame]

    def silent(self, frame: int) -> bool:
        """Whether nobody speaks during frame ``frame`` of the utterance."""
        return bool(self._silent[frame])

    def audio(self, frame: int) -> Float32:
        """(640,) float32 samples that are played with frame ``frame``; silence after the end."""
        played = np.zeros(SAMPLES_PER_FRAME, np.float32)
        piece = self._samples[frame * SAMPLES_PER_FRAME : (frame + 1) * SAMPLES_PER_FRAME]
        played[: len(piece)] = piece
        return played

    def _shaped(self, hop: int) -> Shaped:
        neutral = self._landmarks.hop(hop)
        first = self._first + hop * self._hop
        weights = self._emotions.weights(first, len(neutral))
        return self._motion.shape(neutral, Moment(first, weights))
