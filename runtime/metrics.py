"""What a session counts of itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SessionMetrics:
    """A session's counters at one moment; times are wall-clock time.

    Attributes:
        frames: pulled so far.
        ready: that could be pulled now.
        held_seconds: of sound in memory.
        first_frame_seconds: from the first push to the first frame's end; None before it.
        speech_seconds: spent on hearing and motion, all frames together.
        render_seconds: spent on pictures, all frames together.
        waited_seconds: spent on waiting for other sessions' frames, all frames together.
        interrupts: how many there were.
        dropped_seconds: of sound that interrupts dropped.
    """

    frames: int = 0
    ready: int = 0
    held_seconds: float = 0.0
    first_frame_seconds: float | None = None
    speech_seconds: float = 0.0
    render_seconds: float = 0.0
    waited_seconds: float = 0.0
    interrupts: int = 0
    dropped_seconds: float = 0.0
