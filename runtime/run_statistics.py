"""What ``emogene-run --stats json`` prints."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..contract.codec import to_plain
from ..contract.data import Frame
from ..contract.units import FRAMES_PER_SECOND
from .avatar import Avatar
from .session import Session


@dataclass
class RunStatistics:
    """Collects what is told of a run, frame by frame.

    Attributes:
        began: when the run began, `time.perf_counter` seconds.
    """

    began: float = field(default_factory=time.perf_counter)
    _render: list[float] = field(default_factory=list)
    _samples: list[float] = field(default_factory=list)
    _idle: int = 0
    _first: float | None = None

    def add(self, frame: Frame) -> None:
        """Take note of a frame that was just pulled."""
        if self._first is None:
            self._first = time.perf_counter() - self.began
        self._render.append(frame.render_seconds)
        self._samples.append(frame.samples_per_ray)
        self._idle += frame.idle

    def to_plain(self, avatar: Avatar, session: Session) -> dict[str, Any]:
        """The statistics as JSON values; times in milliseconds or seconds, as their names say."""
        elapsed = time.perf_counter() - self.began
        milliseconds = 1e3 * np.array(self._render or [0.0])
        frames = len(self._render)
        return {
            "avatar": avatar.name,
            "backend": ", ".join(sorted(set(avatar.backends.values()))),
            "backends": avatar.backends,
            "backend_asked": avatar.choice.asked,
            "backend_candidates": to_plain(avatar.choice.candidates),
            "renderer": session.renderer,
            "renderer_why": avatar.renderer_choice.why,
            "quality": session.quality,
            "threads": avatar.threads,
            "size": session.size,
            "profile": session.profile.name,
            "frames": frames,
            "seconds_of_video": frames / FRAMES_PER_SECOND,
            "seconds_elapsed": round(elapsed, 4),
            "seconds_to_first_frame": round(self._first or 0.0, 4),
            "frames_per_second": round(frames / elapsed, 3) if elapsed > 0 else 0.0,
            "render_ms_p50": round(float(np.percentile(milliseconds, 50)), 3),
            "render_ms_p95": round(float(np.percentile(milliseconds, 95)), 3),
            "samples_per_ray": round(float(np.mean(self._samples or [0.0])), 3),
            "idle_frames": self._idle,
            "idle_segments": session.idle_segments,
        }
