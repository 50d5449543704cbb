"""The last word of ``auto``: stages that each hold their tolerance must also hold together.

A network may answer a rounding far below its tolerance with a visible movement: the next stage
decides that, not a norm. So the whole avatar speaks in half, and what moves it too far goes back
to fp32, stage by stage.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ...contract import stages
from ...contract.data import Float32
from ...runtime.loading import Loaded
from .auto import Choice
from .end_to_end import PSNR_LIMIT_DB, PX_LIMIT, EndToEnd, compare_end_to_end
from .half import HalfRunner

MOVING = (stages.HUBERT, stages.AUDIO_TO_MOTION, stages.DEFORMATION)
"""Stages that decide where landmarks are; all others only paint."""


@dataclass(frozen=True)
class Settled:
    """Choices that hold together.

    Attributes:
        choices: stage → its choice.
        end_to_end: the difference they make; None if all stages are fp32.
    """

    choices: Mapping[str, Choice]
    end_to_end: EndToEnd | None


def settle(
    loaded: Loaded,
    choices: Mapping[str, Choice],
    sources: Mapping[str, bytes],
    samples: Float32,
    *,
    size: int | None = None,
    threads: int = 1,
    every: int = 8,
    trial: Callable[[str], None] = lambda what: None,
) -> Settled:
    """Put stages back to fp32 until landmarks and pictures are within their limits.

    Args:
        loaded: the directory with fp32 runners.
        choices: what `auto.choose` found for each stage.
        sources: stage → its fp32 ONNX file, for those that go back.
        samples, size, threads, every: see `compare_end_to_end`.
        trial: told in a few words what is tried next.
    """
    now = dict(choices)
    runners = {
        name: HalfRunner(choice.data, threads)
        for name, choice in choices.items()
        if choice.precision != "fp32"
    }

    def difference(names: list[str], pictures: bool = True) -> EndToEnd:
        half = dataclasses.replace(
            loaded, runners={**loaded.runners, **{name: runners[name] for name in names}}
        )
        step = every if pictures else len(samples)
        return compare_end_to_end(loaded, half, samples, size=size, threads=threads, every=step)

    try:
        left = list(runners)
        while left:
            trial(f"end to end with {len(left)} stages in half")
            found = difference(left)
            if found.passed:
                return Settled(now, found)
            moved = found.landmark_px_max > PX_LIMIT
            suspects = [name for name in left if (name in MOVING) == moved] or left
            alone = {name: difference([name], pictures=not moved) for name in suspects}
            if moved:
                worst = max(suspects, key=lambda name: alone[name].landmark_px_max)
                why = f"landmarks by {alone[worst].landmark_px_max:.2g} px, limit {PX_LIMIT:.2g}"
            else:
                worst = min(suspects, key=lambda name: alone[name].psnr_db_min)
                why = f"pictures to {alone[worst].psnr_db_min:.0f} dB, limit {PSNR_LIMIT_DB:.0f}"
            left.remove(worst)
            reason = f"fp32: {choices[worst].precision} holds its tolerance, but alone moves {why}"
            now[worst] = dataclasses.replace(
                choices[worst], precision="fp32", data=sources[worst], kept=(), reason=reason
            )
        return Settled(now, None)
    finally:
        for runner in runners.values():
            runner.close()
