"""What tests of the runtime stand on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import emogene
from tests.speech import spoken


@pytest.fixture(scope="session")
def avatar(tiny_engines: Path) -> Iterator[emogene.Avatar]:
    """The tiny avatar, opened; two threads."""
    with emogene.open(tiny_engines, threads=2) as opened:
        yield opened


@pytest.fixture(scope="session")
def speech() -> NDArray[np.float32]:
    """Two seconds of speech with half a second of silence before and after."""
    silence = np.zeros(8000, np.float32)
    return np.concatenate([silence, spoken()[:32_000], silence])
