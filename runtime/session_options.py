"""How a session was opened: with this, and what was pushed, its frames come again."""

from __future__ import annotations

from dataclasses import dataclass

from .poses.idle import IdleRule
from .profiles import Profile
from .render.quality import Quality


@dataclass(frozen=True)
class SessionOptions:
    """The arguments of `Avatar.session`, and whose session it was.

    Attributes:
        avatar: digest of its manifest.
        emotion: worn from the start.
        intensity: of that emotion.
        seed: of all that is random.
        profile: lengths of its windows.
        size: side of the pictures, pixels.
        idle: rule for still poses.
        quality: of the pictures.
        sample_rate: samples a second of what is pushed.
    """

    avatar: str
    emotion: str
    intensity: float
    seed: int
    profile: Profile
    size: int
    idle: IdleRule
    quality: Quality
    sample_rate: int
