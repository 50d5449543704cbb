"""The networks that hear, and the clock they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...contract.hearing import OWN_HEARING, HearingSpec
from ...contract.manifest import Manifest
from ...contract.stages import AUDIO_TO_MOTION, HUBERT
from ...contract.units import (
    FRAMES_PER_LATENT,
    HUBERT_RECEPTIVE_FIELD,
    SAMPLES_PER_FEATURE,
    frames_of,
)
from ..audio.autocorrelation import PitchSettings
from ..backends.protocol import Runner


@dataclass(frozen=True)
class SpeechNetworks:
    """The two networks that hear.

    Attributes:
        hubert: (1, samples) → (1, features, D).
        audio_to_motion: features, pitch bins and noise → landmarks; see `contract.stages`.
        latent_width: channels of the noise.
        hearing: how they were trained to hear.
    """

    hubert: Runner
    audio_to_motion: Runner
    latent_width: int
    hearing: HearingSpec = OWN_HEARING

    @property
    def pitch(self) -> PitchSettings:
        """What counts as pitch, and where it is looked for."""
        return PitchSettings(middle=self.hearing.pitch_middle)

    @property
    def overhang(self) -> int:
        """Samples beyond the last feature of a piece that hearing it looks at."""
        return max(HUBERT_RECEPTIVE_FIELD - SAMPLES_PER_FEATURE, self.pitch.after)

    @staticmethod
    def of(manifest: Manifest, runners: Mapping[str, Runner]) -> SpeechNetworks:
        """Those of an avatar, among its runners by the name of their stage."""
        return SpeechNetworks(
            runners[HUBERT], runners[AUDIO_TO_MOTION], manifest.latent_width, manifest.hearing
        )


def latents_of(samples: int) -> int:
    """Latents needed to cover ``samples``; the last may be partly silence."""
    return -(-frames_of(samples) // FRAMES_PER_LATENT)
