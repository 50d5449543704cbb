"""The networks that hear, and the clock they share."""

from __future__ import annotations

from dataclasses import dataclass

from ...contract.units import FRAMES_PER_LATENT, frames_of
from ..backends.protocol import Runner


@dataclass(frozen=True)
class SpeechNetworks:
    """The two networks that hear.

    Attributes:
        hubert: (1, samples) → (1, features, D).
        audio_to_motion: features, pitch bins and noise → landmarks; see `contract.stages`.
        latent_width: channels of the noise.
    """

    hubert: Runner
    audio_to_motion: Runner
    latent_width: int


def latents_of(samples: int) -> int:
    """Latents needed to cover ``samples``; the last may be partly silence."""
    return -(-frames_of(samples) // FRAMES_PER_LATENT)
