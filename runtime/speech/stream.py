"""Neutral landmarks of speech that goes on, hop by hop, in bounded memory.

Each hop hears a piece of the stream anew: some left context, itself and a little look-ahead, all on
fixed indices. So a hop is a function of the samples up to its end of hearing and of nothing else,
however they were pushed.
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from ...contract.data import Float32
from ...contract.units import (
    FEATURES_PER_FRAME,
    FRAMES_PER_LATENT,
    HUBERT_RECEPTIVE_FIELD,
    SAMPLES_PER_FEATURE,
    SAMPLES_PER_FRAME,
)
from ..audio.normalise import RunningMoments
from ..audio.pitch import PitchTracker, coarse_bins
from ..audio.silence import Silences
from ..audio.store import SampleStore
from ..noise import latent_noise
from ..profiles import Profile
from .networks import SpeechNetworks

_OVERHANG = HUBERT_RECEPTIVE_FIELD - SAMPLES_PER_FEATURE


class StreamedSpeech:
    """What is said in one utterance that may still go on, a hop at a time, in order.

    Args:
        samples: what was pushed of it; silence follows its end.
        profile: one with a look-ahead.
        first_latent: absolute index of its first latent in the session, for the noise.
        seed: of the session.

    Attributes:
        ahead: frames beyond a hop that are guessed with it.
        frames: how many have landmarks of their own: all, as silence follows the end.
    """

    frames = sys.maxsize

    def __init__(
        self,
        networks: SpeechNetworks,
        samples: SampleStore,
        profile: Profile,
        *,
        first_latent: int,
        seed: int,
    ) -> None:
        assert profile.lookahead is not None
        self._networks, self._samples, self._profile = networks, samples, profile
        self._lookahead = profile.lookahead
        self.ahead = min(profile.overlap, profile.lookahead)
        self._first_latent, self._seed = first_latent, seed
        self._heard, self._next = 0, 0
        self._moments, self._tracker = RunningMoments(), PitchTracker(networks.pitch)
        self._silences = Silences()
        # Of the frames before the next hop that audio-to-motion is shown again.
        self._features: Float32 | None = None
        self._pitch: Float32 = np.zeros(0, np.float32)
        self._pitch_from = 0

    @property
    def kept_from(self) -> int:
        """Samples before this index are not read any more."""
        return max(0, self._next * self._profile.hop - self._profile.left) * SAMPLES_PER_FRAME

    def hop(self, index: int) -> Float32:
        """Frames ``index * hop`` … of the utterance, and the look-ahead as far as it is guessed.

        Returns:
            (hop + ahead, 204) float32, head space.
        """
        assert index == self._next, "hops come in order"
        profile = self._profile
        first, end = index * profile.hop, (index + 1) * profile.hop
        seen_from, seen_to = max(0, first - profile.overlap), end + self.ahead
        self._listen(profile.heard(index, self._networks.overhang))
        new = self._encode(max(0, first - profile.left), first, end + self._lookahead)
        known = new if self._features is None else np.concatenate([self._features, new])
        noise = latent_noise(
            self._seed,
            self._first_latent + seen_from // FRAMES_PER_LATENT,
            (seen_to - seen_from) // FRAMES_PER_LATENT,
            self._networks.latent_width,
        )
        made = self._networks.audio_to_motion.run(
            {
                "features": known[None, : (seen_to - seen_from) * FEATURES_PER_FRAME],
                "pitch_bins": self._pitch_bins(seen_from, seen_to)[None],
                "noise": noise * np.float32(profile.temperature),
            }
        )
        self._next += 1
        kept = max(0, end - profile.overlap)
        self._features = known[(kept - seen_from) * FEATURES_PER_FRAME :][
            : (end - kept) * FEATURES_PER_FRAME
        ].copy()
        landmarks: Float32 = made["landmarks"][0]
        return landmarks[first - seen_from :]

    def silent(self, frame: int) -> bool:
        """Whether nobody speaks during ``frame``, which must lie in a hop that was computed."""
        return self._silences[frame]

    def _listen(self, until: int) -> None:
        """Show the samples up to index ``until`` to all that follows the stream."""
        piece = self._samples.read(self._heard, until)
        self._heard = until
        self._moments.push(piece)
        self._silences.push(piece)
        self._pitch = np.concatenate([self._pitch, self._tracker.push(piece)])

    def _encode(self, left: int, first: int, end: int) -> Float32:
        """Features of frames ``first`` … ``end - 1``, heard from frame ``left`` on."""
        raw = self._samples.read(left * SAMPLES_PER_FRAME, end * SAMPLES_PER_FRAME + _OVERHANG)
        heard = self._networks.hubert.run({"samples": self._moments.scale(raw)[None]})
        features: Float32 = heard["features"][0]
        return features[(first - left) * FEATURES_PER_FRAME :]

    def _pitch_bins(self, first: int, last: int) -> NDArray[np.int32]:
        """Bins of frames ``first`` … ``last - 1``; of the last ones the best guess."""
        begin, end = first * FEATURES_PER_FRAME, last * FEATURES_PER_FRAME
        self._pitch = self._pitch[begin - self._pitch_from :]
        self._pitch_from = begin
        hz = np.zeros(end - begin, np.float32)
        known = np.concatenate([self._pitch, self._tracker.undecided()])[: len(hz)]
        hz[: len(known)] = known
        return coarse_bins(hz)
