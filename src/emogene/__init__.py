"""EmoGene: speech and an emotion label in, a 3D talking head out.

    import emogene
    with emogene.open() as avatar:
        for frame in avatar.render("speech.wav", emotion="happy"):
            ...  # frame.image: (H, W, 3) uint8 RGB

Importing this package loads none of its parts; they come with first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .contract.data import Frame
    from .contract.emotions import EMOTIONS
    from .contract.errors import BadInput, EmoGeneError, Failure, Unavailable
    from .runtime.avatar import Avatar, open
    from .runtime.emotion_track import EmotionPoint, EmotionTrack
    from .runtime.live.driver import LiveDriver
    from .runtime.live.options import LiveMetrics, LiveOptions
    from .runtime.live.replay import replay
    from .runtime.session import Session

_HOMES = {
    "Avatar": ".runtime.avatar",
    "open": ".runtime.avatar",
    "EmotionPoint": ".runtime.emotion_track",
    "EmotionTrack": ".runtime.emotion_track",
    "LiveDriver": ".runtime.live.driver",
    "LiveMetrics": ".runtime.live.options",
    "LiveOptions": ".runtime.live.options",
    "Session": ".runtime.session",
    "replay": ".runtime.live.replay",
    "Frame": ".contract.data",
    "EMOTIONS": ".contract.emotions",
    "EmoGeneError": ".contract.errors",
    "BadInput": ".contract.errors",
    "Unavailable": ".contract.errors",
    "Failure": ".contract.errors",
}

__all__ = [
    "EMOTIONS",
    "Avatar",
    "BadInput",
    "EmoGeneError",
    "EmotionPoint",
    "EmotionTrack",
    "Failure",
    "Frame",
    "LiveDriver",
    "LiveMetrics",
    "LiveOptions",
    "Session",
    "Unavailable",
    "__version__",
    "open",
    "replay",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home, __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
