"""Features, pitch and noise → neutral landmarks, in overlapping windows (audio-to-motion)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...contract.data import Float32
from ...contract.units import (
    FEATURES_PER_FRAME,
    FIRST_PITCH_BIN,
    FRAMES_PER_LATENT,
)
from ..audio.pitch import pitch_bins
from ..noise import latent_noise
from ..profiles import Profile
from .features import UtteranceFeatures
from .networks import SpeechNetworks, latents_of


class UtteranceLandmarks:
    """Neutral landmarks of one whole utterance, a hop at a time.

    Args:
        samples: (n,) float32 of the whole utterance, n ≥ 1.
        first_latent: absolute index of its first latent in the session, for the noise.
        seed: of the session.
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
        self.latents = latents_of(len(samples))
        count = self.latents * FRAMES_PER_LATENT * FEATURES_PER_FRAME
        self._features = UtteranceFeatures(networks.hubert, samples, count, profile.clip_frames)
        self._pitch = _padded(pitch_bins(samples), count)

    def hop(self, index: int) -> Float32:
        """Frames ``index * hop`` … of the utterance: (≤ hop, 204) float32, head space.

        The last hop is padded to whole latents.
        """
        hop, overlap = self._profile.hop, self._profile.overlap
        end = self.latents * FRAMES_PER_LATENT
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
