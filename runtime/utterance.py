"""One stretch of speech between two flushes, and the motion it gives."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace

import numpy as np

from ..contract.data import Condition, Float32
from ..contract.units import SAMPLES_PER_FRAME, frames_of
from .audio.store import SampleStore
from .blocks import Blocks
from .easing import smoothstep
from .emotion_timeline import EmotionTimeline
from .motion.pipeline import Conditions, MotionPipeline, Shaped
from .motion.step import Moment
from .profiles import Profile
from .speech.networks import SpeechNetworks
from .speech.stream import StreamedSpeech
from .speech.whole import WholeSpeech


@dataclass
class Utterance:
    """What was pushed, and where it stands in the session.

    Attributes:
        first_frame: absolute index of its first frame.
        first_latent: absolute index of its first latent.
        store: its samples.
        ended: whether it was flushed.
    """

    first_frame: int
    first_latent: int
    store: SampleStore = field(default_factory=SampleStore)
    ended: bool = False

    @property
    def samples(self) -> int:
        """How many were pushed."""
        return self.store.end

    @property
    def frames(self) -> int:
        """Frames that show its samples."""
        return frames_of(self.samples)

    def push(self, samples: Float32) -> None:
        """Store (n,) float32 samples."""
        self.store.push(samples)


class Performance:
    """The conditions and silences of an utterance, computed hop by hop as they are read.

    Frames are read in order.

    Args:
        utterance: with a profile that has no look-ahead, one that has ended.
        carried: (204,) neutral landmarks of the frame before its first, which its face glides from;
            None if there is none.
    """

    def __init__(
        self,
        utterance: Utterance,
        networks: SpeechNetworks,
        motion: MotionPipeline,
        emotions: EmotionTimeline,
        profile: Profile,
        seed: int,
        carried: Float32 | None = None,
    ) -> None:
        self._utterance, self._store, self._profile = utterance, utterance.store, profile
        self._motion, self._emotions = motion, emotions
        self._carried = carried if profile.blend else None
        self._glide: Float32 | None = None  # from its first face to the carried one
        kind = WholeSpeech if profile.lookahead is None else StreamedSpeech
        self._speech = kind(
            networks,
            utterance.store,
            profile,
            first_latent=utterance.first_latent,
            seed=seed,
        )
        self._neutral: Blocks[Float32] = Blocks(self._hop, keep=2)
        self._conditions = Conditions(
            self._shaped,
            hop=profile.hop,
            width=motion.window,
            count=self._frames,
            first=utterance.first_frame,
            ahead=self._speech.ahead,
        )

    def condition(self, frame: int) -> Condition:
        """What the fields are given for frame ``frame`` of the utterance."""
        condition = self._conditions[self._own(frame)]
        self._store.forget(min(self._speech.kept_from, frame * SAMPLES_PER_FRAME))
        return replace(condition, first=self._utterance.first_frame + frame)

    def silent(self, frame: int) -> bool:
        """Whether nobody speaks during frame ``frame``, whose condition was read."""
        return self._speech.silent(frame)

    def audio(self, frame: int) -> Float32:
        """(640,) float32 samples that are played with frame ``frame``; silence after the end."""
        first = frame * SAMPLES_PER_FRAME
        played: Float32 = self._store.read(first, first + SAMPLES_PER_FRAME).copy()
        return played

    def neutral(self, frame: int) -> Float32:
        """(204,) float32 neutral landmarks of frame ``frame``, the one read last."""
        hop, place = divmod(self._own(frame), self._profile.hop)
        landmarks: Float32 = self._neutral[hop][place]
        return landmarks

    def _own(self, frame: int) -> int:
        """The frame whose face ``frame`` shows: itself, or the last that has one."""
        return min(frame, self._speech.frames - 1)

    def _frames(self) -> int:
        """Frames with a face of their own; if speech goes on, more than anything looks ahead."""
        goes_on = self._profile.lookahead is not None and not self._utterance.ended
        return sys.maxsize if goes_on else min(self._utterance.frames, self._speech.frames)

    def _hop(self, index: int) -> Float32:
        neutral = self._speech.hop(index)
        if index == 0 and self._carried is not None:
            self._glide = self._carried - neutral[0]
        if self._glide is None:
            return neutral
        frames = index * self._profile.hop + np.arange(len(neutral))
        left = 1.0 - smoothstep((frames + 1) / self._profile.blend)
        glided: Float32 = neutral + self._glide * left.astype(np.float32)[:, None]
        return glided

    def _shaped(self, hop: int) -> Shaped:
        neutral = self._neutral[hop]
        first = self._utterance.first_frame + hop * self._profile.hop
        weights = self._emotions.weights(first, len(neutral))
        return self._motion.shape(neutral, Moment(first, weights))
