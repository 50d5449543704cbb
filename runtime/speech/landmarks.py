"""Features, pitch and noise → neutral landmarks, in overlapping windows (audio-to-motion)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...contract.data import Float32
from ...contract.units import (
    FEATURES_PER_FRAME,
    FIRST_PITCH_BIN,
    FRAMES_PER_LATENT,
    features_in,
    samples_of_features,
)
from ..audio.pitch import coarse_bins, pitch, published_pitch
from ..noise import latent_noise
from ..profiles import Profile
from .features import UtteranceFeatures
from .networks import SpeechNetworks, latents_of

_LATENT = FEATURES_PER_FRAME * FRAMES_PER_LATENT
"""Features in one latent."""


class UtteranceLandmarks:
    """Neutral landmarks of one whole utterance, a hop at a time.

    Args:
        samples: (n,) float32 of the whole utterance, n ≥ 1.
        first_latent: absolute index of its first latent in the session, for the noise.
        seed: of the session.

    Attributes:
        frames: how many have landmarks of their own; see `HearingSpec.ending`.
    """

    def __init__(
        self,
        networks: SpeechNetworks,
        samples: Float32,
        profile: Profile,
        *,
        first_latent: int,
        seed: int,
    ) -> None:
        self._networks, self._profile = networks, profile
        self._first_latent, self._seed = first_latent, seed
        ending = networks.hearing.ending
        if ending == "cut":
            # What gives no latent at all is followed by silence until it gives one.
            samples = np.pad(samples, (0, max(0, samples_of_features(_LATENT) - len(samples))))
            self.latents = features_in(len(samples)) // _LATENT
            hz = published_pitch(samples, networks.pitch)
        else:
            self.latents = latents_of(len(samples))
            hz = pitch(samples, networks.pitch)
        self.frames = self.latents * FRAMES_PER_LATENT
        count = self.latents * _LATENT
        self._features = UtteranceFeatures(
            networks.hubert, samples, count, profile.clip_frames, ending
        )
        self._pitch = _padded(coarse_bins(hz), count)

    def hop(self, index: int) -> Float32:
        """Frames ``index * hop`` … of the utterance: (≤ hop, 204) float32, head space.

        The last hop is padded to whole latents.
        """
        hop, overlap = self._profile.hop, self._profile.overlap
        end = self.frames
        first, last = index * hop, min((index + 1) * hop, end)
        seen_from, seen_to = max(0, first - overlap), min(end, last + overlap)
        a, b = seen_from * FEATURES_PER_FRAME, seen_to * FEATURES_PER_FRAME
        noise = latent_noise(
            self._seed,
            self._first_latent + seen_from // FRAMES_PER_LATENT,
            (seen_to - seen_from) // FRAMES_PER_LATENT,
            self._networks.latent_width,
        )
        made = self._networks.audio_to_motion.run(
            {
                "features": self._features.read(a, b)[None],
                "pitch_bins": self._pitch[None, a:b],
                "noise": noise * np.float32(self._profile.temperature),
            }
        )
        landmarks: Float32 = made["landmarks"][0]
        return landmarks[first - seen_from : last - seen_from]


def _padded(bins: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    full = np.full(count, FIRST_PITCH_BIN, np.int32)
    full[: len(bins)] = bins[:count]
    return full
