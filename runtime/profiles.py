"""How a session trades delay for fidelity. A profile is data; there is one code path."""

from __future__ import annotations

from dataclasses import dataclass

from ..contract.errors import BadOption
from ..contract.units import (
    FRAMES_PER_LATENT,
    FRAMES_PER_SECOND,
    HUBERT_RECEPTIVE_FIELD,
    SAMPLES_PER_FEATURE,
    SAMPLES_PER_FRAME,
    frames_of,
)
from .audio.autocorrelation import PitchSettings
from .render.quality import BALANCED, Quality

OVERHANG = max(HUBERT_RECEPTIVE_FIELD - SAMPLES_PER_FEATURE, PitchSettings().after)
"""Samples beyond the last feature of a piece that the encoder or the pitch tracker look at, unless
an avatar hears otherwise (`SpeechNetworks.overhang`); within a frame in any case."""

_RANGES = (
    ("clip_seconds", 1, 600),
    ("left", 1, 15_000),
    ("blend", 0, 1_000),
    ("max_stored_seconds", 1, 86_400),
    ("temperature", 0.0, 10.0),
    ("emotion_fade", 0, 1_000),
)


@dataclass(frozen=True)
class Profile:
    """The lengths on which a session computes; all stand on absolute indices.

    Attributes:
        name: what `Avatar.session` calls it.
        lookahead: frames of sound after a hop that it waits for, a multiple of four; None waits
            for the end of the utterance.
        clip_seconds: with the whole utterance there, HuBERT hears this much at a time, seconds.
        left: otherwise, frames of sound before a hop that HuBERT hears with it.
        hop: frames that the audio-to-motion network decodes at once; a multiple of four.
        overlap: frames it is shown on each side of a hop; a multiple of four. Flow and decoder
            reach 75 frames, but what lies beyond 68 changes less than rounding does, so that 68
            make the hops equal to one long run. With a look-ahead, no more than that after it.
        blend: frames over which the face glides into an utterance that begins where another ended.
        max_stored_seconds: audio a session holds at most, pushed but not yet shown, seconds.
        temperature: factor on the unit normal noise of the audio-to-motion network.
        emotion_fade: frames over which one emotion turns into the next.
        quality: of the pictures, unless a session is asked for another.
    """

    name: str
    lookahead: int | None = None
    clip_seconds: int = 20
    left: int = 25
    hop: int = 300
    overlap: int = 68
    blend: int = 0
    max_stored_seconds: int = 3600
    temperature: float = 0.2
    emotion_fade: int = 10
    quality: Quality = BALANCED

    def __post_init__(self) -> None:
        for field in ("hop", "overlap", "lookahead"):
            value = getattr(self, field)
            if value is None and field == "lookahead":
                continue
            if value % FRAMES_PER_LATENT or value < 0 or (field != "overlap" and value == 0):
                raise BadOption(
                    f"profile {self.name}, {field}",
                    expected=f"a positive multiple of {FRAMES_PER_LATENT} frames",
                    found=str(value),
                    remedy="hops stand on the latents of the audio-to-motion network",
                )
        for field, low, high in _RANGES:
            value = getattr(self, field)
            if not low <= value <= high:
                raise BadOption(
                    f"profile {self.name}, {field}",
                    expected=f"{low} … {high}",
                    found=str(value),
                )

    @property
    def clip_frames(self) -> int:
        """Frames in one HuBERT clip."""
        return self.clip_seconds * FRAMES_PER_SECOND

    @property
    def delay(self) -> int | None:
        """Frames of sound, from a frame's own on, that let it be computed in any case.

        None where it waits for the end of the utterance.
        """
        if self.lookahead is None:
            return None
        return self.hop + self.lookahead + frames_of(OVERHANG)

    def heard(self, hop: int, overhang: int = OVERHANG) -> int:
        """Samples of the utterance, from its start, that hop number ``hop`` depends on.

        Only for profiles with a look-ahead.
        """
        assert self.lookahead is not None
        return ((hop + 1) * self.hop + self.lookahead) * SAMPLES_PER_FRAME + overhang

    def computable(self, samples: int, overhang: int = OVERHANG, *, ended: bool) -> int:
        """Frames that can be computed of an utterance of which ``samples`` were pushed."""
        if ended:
            return frames_of(samples)
        if self.lookahead is None:
            return 0
        whole = (samples - overhang) // SAMPLES_PER_FRAME - self.lookahead
        return max(0, whole) // self.hop * self.hop


OFFLINE = Profile("offline")
"""Equal to one run over the whole utterance, in bounded memory; frames come after `flush`."""

LIVE = Profile("live", lookahead=4, hop=4, overlap=16, left=50, blend=6, max_stored_seconds=60)
"""Frames come while somebody speaks, a third of a second after their sound, without end. What its
windows cost and change stands in docs/live.md."""

PROFILES: dict[str, Profile] = {profile.name: profile for profile in (OFFLINE, LIVE)}


def find_profile(profile: str | Profile) -> Profile:
    """The profile of this name; a `Profile` is returned as it is.

    Raises:
        BadOption: there is none of this name.
    """
    if isinstance(profile, Profile):
        return profile
    if profile in PROFILES:
        return PROFILES[profile]
    raise BadOption(
        "profile",
        expected=f"one of {', '.join(PROFILES)}",
        found=repr(profile),
        remedy="leave it out for offline",
    )
