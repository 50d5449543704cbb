"""Scenes for the kernels of a frame in rounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from ... import fused_scenes
from .stand import RAYS, SMALL, Made, Waves


@pytest.fixture
def made(compiled: Path) -> Made:
    """Waves of a kind of scene."""

    def make(kind: str, rays: int = RAYS, threshold: float = 0.0) -> Waves:
        return Waves(fused_scenes.scene(kind, camera=SMALL), rays, compiled, threshold)

    return make
