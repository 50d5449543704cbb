"""Conditions and poses of real speech, recorded once and rendered by whoever is measured."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from emogene.contract.data import Condition, Float32
from emogene.contract.units import SAMPLE_RATE
from emogene.runtime.audio.load import load
from emogene.runtime.avatar import Avatar
from emogene.runtime.loading import Loaded
from emogene.runtime.render.quality import Quality
from emogene.runtime.render.renderer import Picture, Renderer

from .timing import Stopwatch

RECORDED = 4.0
"""Seconds of speech whose moments are recorded."""


@dataclass(frozen=True)
class Moment:
    """What a renderer is given for a frame.

    Attributes:
        condition: F = 1.
        pose: (3, 4) float32.
    """

    condition: Condition
    pose: Float32


class WatchedRenderer:
    """A `Renderer` that notes what it is given and the processor time of rendering it.

    Attributes:
        moments: everything it was given.
        watch: processor time, of all cores.
    """

    def __init__(self, inner: Renderer, *, paint: bool) -> None:
        self._inner, self._paint = inner, paint
        self.background, self.camera, self.quality = inner.background, inner.camera, inner.quality
        self.moments: list[Moment] = []
        self.watch = Stopwatch()

    @property
    def name(self) -> str:
        """What statistics call it."""
        return self._inner.name

    def render(self, condition: Condition, pose: Float32) -> Picture:
        """The picture, or the bare background where it does not paint."""
        self.moments.append(Moment(condition, pose))
        if not self._paint:
            return Picture(self.background, 0.0)
        with self.watch:
            return self._inner.render(condition, pose)


class WatchedAvatar(Avatar):
    """An avatar whose renderers are watched.

    Attributes:
        watched: the renderer made last.
    """

    def __init__(self, loaded: Loaded, threads: int, *, paint: bool = True) -> None:
        super().__init__(loaded, threads)
        self._paint = paint
        self.watched: WatchedRenderer | None = None

    def renderer(
        self, size: int | None = None, quality: str | Quality = "balanced"
    ) -> WatchedRenderer:
        """See `Avatar.renderer`."""
        self.watched = WatchedRenderer(super().renderer(size, quality), paint=self._paint)
        return self.watched


def speech(seconds: float) -> Float32:
    """The packaged sample, said again and again: (16000 · seconds,) float32."""
    once = load(str(files("emogene.runtime") / "data" / "sample.wav"))
    count = max(1, round(SAMPLE_RATE * seconds))
    return np.resize(once, count)


def record(loaded: Loaded, threads: int, frames: int) -> list[Moment]:
    """``frames`` moments spread evenly over the packaged sample's beginning, said happily."""
    avatar = WatchedAvatar(loaded, threads, paint=False)
    for _ in avatar.render(speech(RECORDED), emotion="happy", size=2):
        pass
    assert avatar.watched is not None
    moments = avatar.watched.moments
    chosen = np.linspace(0, len(moments) - 1, frames).round().astype(int)
    return [moments[i] for i in chosen]
