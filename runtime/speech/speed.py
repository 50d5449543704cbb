"""Whether this machine hears fast enough for a profile whose frames must come in time."""

from __future__ import annotations

import threading
import time

import numpy as np

from ...contract.errors import Unavailable
from ...contract.units import (
    FEATURES_PER_FRAME,
    FIRST_PITCH_BIN,
    FRAMES_PER_LATENT,
    FRAMES_PER_SECOND,
    HUBERT_RECEPTIVE_FIELD,
    SAMPLES_PER_FEATURE,
    SAMPLES_PER_FRAME,
)
from ..profiles import Profile
from .networks import SpeechNetworks

LARGEST_SHARE = 0.5
"""Of a hop's own length that hearing it may take: pictures need the rest."""

_TRIES = 3

REMEDY = "use the offline profile, a GPU, or an avatar with a smaller speech encoder"


class HearingSpeed:
    """Measures, once for each profile, how long an avatar's networks take to hear a hop."""

    def __init__(self, networks: SpeechNetworks) -> None:
        self._networks = networks
        self._lock = threading.Lock()
        self._shares: dict[Profile, float] = {}

    def share(self, profile: Profile) -> float:
        """Time to hear a hop over the hop's own length; the first call measures it.

        Args:
            profile: one with a look-ahead.
        """
        with self._lock:
            if profile not in self._shares:
                self._shares[profile] = self._measure(profile)
            return self._shares[profile]

    def check(self, profile: Profile) -> None:
        """Refuse a profile that could not keep up; one without a look-ahead always can.

        Raises:
            Unavailable: hearing takes more than `LARGEST_SHARE` of the time there is.
        """
        if profile.lookahead is None:
            return
        share = self.share(profile)
        if share > LARGEST_SHARE:
            raise Unavailable(
                f"profile {profile.name}",
                expected=f"speech heard in at most {LARGEST_SHARE:g} of its own length",
                found=f"{share:.2g} of it taken by {self._networks.hubert.backend}",
                remedy=REMEDY,
            )

    def _measure(self, profile: Profile) -> float:
        self._hear(profile)  # the first run makes room
        hop = profile.hop / FRAMES_PER_SECOND
        share = float("inf")
        for _ in range(_TRIES):
            began = time.perf_counter()
            self._hear(profile)
            share = min(share, (time.perf_counter() - began) / hop)
            if share <= LARGEST_SHARE:
                break  # others may disturb a run, none makes it quicker than it is
        return share

    def _hear(self, profile: Profile) -> None:
        """What every hop of a long stream costs, on silence."""
        assert profile.lookahead is not None
        overhang = HUBERT_RECEPTIVE_FIELD - SAMPLES_PER_FEATURE
        frames = profile.left + profile.hop + profile.lookahead
        samples = np.zeros((1, frames * SAMPLES_PER_FRAME + overhang), np.float32)
        width = self._networks.hubert.run({"samples": samples})["features"].shape[-1]
        seen = profile.overlap + profile.hop + min(profile.overlap, profile.lookahead)
        latents = np.zeros((1, self._networks.latent_width, seen // FRAMES_PER_LATENT), np.float32)
        self._networks.audio_to_motion.run(
            {
                "features": np.zeros((1, seen * FEATURES_PER_FRAME, width), np.float32),
                "pitch_bins": np.full((1, seen * FEATURES_PER_FRAME), FIRST_PITCH_BIN, np.int32),
                "noise": latents,
            }
        )
