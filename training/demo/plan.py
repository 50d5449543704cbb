"""What making the demo will take: minutes a stage, and room on the disk."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from .footage import FootageConfig
from .recipe import CHAINS, DemoConfig

_FRAME_S = 0.2
"""CPU seconds that filming a frame of 512² takes; in proportion to its pixels."""

_PIXEL_BYTES = 9
"""Of a film: colour 3, two coverages 1 each, two depths 2 each."""

_OTHERS_BYTES = 300 * 10**6
"""Of the networks with their checkpoints, the rig and the pictures."""

_AROUND_MIN = 1.0
"""Minutes a training takes beside its budget: preparing its data, judging and drawing."""


@dataclass(frozen=True)
class PlannedStage:
    """A stage to come: its chain, its name, and how long it takes where that is known."""

    chain: str
    stage: str
    minutes: float | None


def plan(config: DemoConfig, done: Iterable[str] = ()) -> tuple[PlannedStage, ...]:
    """Every stage of the demo that is not `done`, in order; minutes of one core each."""
    skipped = set(done)
    return tuple(
        PlannedStage(chain, stage, _minutes(config, stage))
        for chain, stages in CHAINS.items()
        for stage in stages
        if stage not in skipped
    )


def minutes_in_all(stages: Iterable[PlannedStage]) -> float | None:
    """Minutes on two cores, a chain each; None where a stage's are not known."""
    chains: dict[str, float] = {}
    for one in stages:
        if one.minutes is None:
            return None
        chains[one.chain] = chains.get(one.chain, 0.0) + one.minutes
    return max(chains.values(), default=0.0)


def frames_filmed(config: FootageConfig) -> int:
    """Frames of both films."""
    each = math.ceil(config.take_frames / config.every)
    held_out_each = math.ceil(config.held_out_take_frames / config.held_out_every)
    return config.takes * each + config.held_out_takes * held_out_each


def bytes_needed(config: DemoConfig) -> int:
    """Room the work folder takes, films first of all."""
    return frames_filmed(config.footage) * config.footage.size**2 * _PIXEL_BYTES + _OTHERS_BYTES


def _minutes(config: DemoConfig, stage: str) -> float | None:
    if stage == "film":
        share = (config.footage.size / 512) ** 2
        return frames_filmed(config.footage) * share * _FRAME_S / 60
    minutes: float | None = getattr(config, stage).loop.minutes
    return None if minutes is None else minutes + _AROUND_MIN
