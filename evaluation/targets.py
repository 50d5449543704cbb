"""What the shipped avatar must reach, and whether it does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..contract.emotions import EMOTIONS, NEUTRAL

Figures = Mapping[str, float | bool]


@dataclass(frozen=True)
class Target:
    """A bound on one figure.

    Attributes:
        what: in words.
        figure: its name among the figures.
        side: on which side of the bound it must be.
        bound: the bound itself counts as reached.
        unit: of both.
    """

    what: str
    figure: str
    side: Literal["at least", "at most"]
    bound: float
    unit: str = ""

    def reached(self, value: float) -> bool:
        """Whether `value` is on the right side; NaN is not."""
        return value >= self.bound if self.side == "at least" else value <= self.bound


TARGETS = (
    Target("head, given true landmarks", "psnr.head", "at least", 34.0, "dB"),
    Target("mouth, given true landmarks", "psnr.mouth", "at least", 29.0, "dB"),
    Target("SSIM, given true landmarks", "ssim", "at least", 0.95),
    Target("torso and background", "psnr.torso", "at least", 40.0, "dB"),
    Target("mouth error over a mean face's", "mouth_error_ratio", "at most", 0.35),
    Target("mouth opening, correlation", "mouth_opening_correlation", "at least", 0.88),
    Target("lip-sync offset, either way", "sync_offset_frames.absolute", "at most", 1.0, "frames"),
    Target("p, b, m closed, worst emotion", "closure.lowest", "at least", 0.90),
    Target("emotions nearer with deformation", "lmd.improved", "at least", 7.0, "of 7"),
    Target("emotion probe, rendered frames", "emotion_probe_accuracy", "at least", 0.95),
    Target("emotions that grow with intensity", "intensity.monotonic", "at least", 7.0, "of 7"),
    Target("phones, held-out sentences", "phone_accuracy", "at least", 0.70),
    Target("phones, held-out voices", "phone_accuracy.held_out_voice", "at least", 0.60),
    Target("phones, 20 dB noise", "phone_accuracy.noise_20db", "at least", 0.60),
    Target("samples a hit ray", "samples_per_ray", "at most", 3.5),
    Target("engine directory", "engine_megabytes", "at most", 12.0, "MB"),
)


@dataclass(frozen=True)
class Verdict:
    """A target and what was found; NaN where there is no figure."""

    target: Target
    value: float

    @property
    def reached(self) -> bool:
        """Whether the target is met."""
        return self.target.reached(self.value)


def verdicts(figures: Figures) -> list[Verdict]:
    """Every target with its figure."""
    known = {**figures, **_counted(figures)}
    return [Verdict(target, float(known.get(target.figure, math.nan))) for target in TARGETS]


def _counted(figures: Figures) -> dict[str, float]:
    """What the targets ask of several figures at once."""
    moved = [emotion for emotion in EMOTIONS if emotion != NEUTRAL]
    if any(f"lmd.{e}" not in figures for e in moved):
        return {}
    nearer = (figures[f"lmd.{e}"] < figures[f"lmd.{e}.without_deformation"] for e in moved)
    growing = (bool(figures.get(f"intensity.{e}.monotonic")) for e in moved)
    return {
        "lmd.improved": float(sum(nearer)),
        "intensity.monotonic": float(sum(growing)),
        "sync_offset_frames.absolute": abs(float(figures["sync_offset_frames"])),
    }
