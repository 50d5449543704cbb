"""A coarse head and little of it: the same code as the real material, in seconds."""

from __future__ import annotations

from collections.abc import Iterator
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


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small gain nothing from threads, and lose much where tests run side by side.

    Other parts' tests get theirs back: sums depend on the number of threads to the last bit.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
