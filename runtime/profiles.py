"""How a session trades delay for fidelity. A profile is data; there is one code path."""

from __future__ import annotations

from dataclasses import dataclass

from ..contract.errors import BadOption
from ..contract.units import FRAMES_PER_LATENT, FRAMES_PER_SECOND
from .render.quality import BALANCED, Quality

_RANGES = (
    ("clip_seconds", 1, 600),
    ("max_stored_seconds", 1, 86_400),
    ("temperature", 0.0, 10.0),
    ("emotion_fade", 0, 1_000),
)


@dataclass(frozen=True)
class Profile:
    """The lengths on which a session computes; all stand on absolute indices.

    Attributes:
        name: what `Avatar.session` calls it.
        clip_seconds: HuBERT hears this much at a time, seconds.
        hop: frames that the audio-to-motion network decodes at once; a multiple of four.
        overlap: frames it is shown on each side of a hop; a multiple of four. Its flow reaches 60
            frames and its decoder 8, so 68 make the hops equal to one long run.
        max_stored_seconds: audio a session holds at most, pushed but not yet shown, seconds.
        temperature: factor on the unit normal noise of the audio-to-motion network.
        emotion_fade: frames over which one emotion turns into the next.
        quality: of the pictures, unless a session is asked for another.
    """

    name: str
    clip_seconds: int = 20
    hop: int = 300
    overlap: int = 68
    max_stored_seconds: int = 3600
    temperature: float = 0.2
    emotion_fade: int = 10
    quality: Quality = BALANCED

    def __post_init__(self) -> None:
        for field in ("hop", "overlap"):
            value = getattr(self, field)
            if value % FRAMES_PER_LATENT or value < 0 or (field == "hop" and value == 0):
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


OFFLINE = Profile("offline")
"""Equal to one run over the whole utterance, in bounded memory; frames come after `flush`."""

PROFILES: dict[str, Profile] = {profile.name: profile for profile in (OFFLINE,)}


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
