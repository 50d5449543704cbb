"""A run is its settings and its data."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from emogene.training.identity import outline, run_identity
from emogene.training.loop import LoopConfig


@dataclass(frozen=True)
class _Config:
    rate: float = 0.1
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(minutes=1))


def test_identity_is_all_but_the_budget() -> None:
    assert run_identity(_Config(), film=[3]) == {"rate": 0.1, "film": [3]}
    assert run_identity(_Config(loop=LoopConfig(minutes=7))) == run_identity(_Config())


def test_outline_tells_data_apart_but_not_machines() -> None:
    rng = np.random.default_rng(0)
    clips = [rng.normal(1.0, 1.0, (40, 204)).astype(np.float32) for _ in range(3)]
    assert outline(clips) == outline(iter(clips))
    assert outline(clips) == outline([clip * np.float32(1 + 1e-7) for clip in clips])
    others = (clips[:2], [*clips[:2], clips[2][:-1]], [*clips[:2], clips[2] * 1.1], clips[2:])
    assert all(outline(other) != outline(clips) for other in others)
    assert outline([]) == [0, 0, 0.0, 0.0]
