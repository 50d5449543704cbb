"""A coarse head and little of it: the same code as the real material, in seconds."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from emogene.evaluation.material import Material, MaterialConfig

COARSE = 0.03
"""Head units; see tests/training/demo."""

LITTLE = MaterialConfig(frames=9, size=48, minutes=0.1, reading_minutes=0.2, voxel=COARSE)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `emogene-eval` uses where $EMOGENE_CACHE is its parent."""
    return tmp_path_factory.mktemp("cache") / "evaluation"


@pytest.fixture(scope="session")
def material(cache: Path) -> Material:
    return Material(LITTLE, cache)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Networks this small gain nothing from threads, and lose much where tests run side by side."""
    torch.set_num_threads(1)
