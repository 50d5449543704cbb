"""Every exported network beside its PyTorch reference, on the same inputs, in turns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch

from emogene.contract.measure import relative_l2
from emogene.exporters.examples import example_inputs, varying_symbol
from emogene.exporters.runners import TorchRunner
from emogene.exporters.stages import LOADERS, stage_signatures
from emogene.reference.avatar import ReferenceAvatar
from emogene.runtime.loading import Loaded

from .timing import Timing, in_turns

LENGTHS = {"samples": 80_000, "latents": 109, "frames": 300, "points": 16_384, "pixels": 16_384}
"""Length of each stage's varying dimension: 5 s of speech; a hop with its overlap; a full batch."""


@dataclass(frozen=True)
class StageRow:
    """One stage: what ran, how long, and how far apart the results are.

    Attributes:
        stage: its name.
        length: of its varying dimension, with the dimension's name.
        torch, runtime: times of the reference and of the runtime, milliseconds.
        relative_l2: the largest over its outputs.
    """

    stage: str
    length: str
    torch: Timing
    runtime: Timing
    relative_l2: float

    @property
    def ratio(self) -> float:
        """How many times faster the runtime is."""
        return self.torch.median / self.runtime.median


def measure_stages(
    avatar: ReferenceAvatar, loaded: Loaded, threads: int, budget: float
) -> Iterator[StageRow]:
    """Measure every stage for about ``budget`` seconds each."""
    torch.set_num_threads(threads)
    for name, signature in stage_signatures(avatar).items():
        symbol = varying_symbol(signature)
        inputs = example_inputs(name, signature, LENGTHS[symbol])
        ours = loaded.runners[name]
        with TorchRunner(LOADERS[name](avatar), signature) as theirs:
            expected, found = theirs.run(inputs), ours.run(inputs)
            error = max(relative_l2(found[k], v) for k, v in expected.items())
            times = in_turns(
                {"torch": partial(theirs.run, inputs), "runtime": partial(ours.run, inputs)}, budget
            )
        yield StageRow(name, f"{LENGTHS[symbol]} {symbol}", times["torch"], times["runtime"], error)
