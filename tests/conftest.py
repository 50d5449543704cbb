"""What tests of several parts stand on."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import tiny_avatar


@pytest.fixture(scope="session")
def tiny_checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints of the tiny avatar. Read only: copy them to change them."""
    return tiny_avatar.tiny_checkpoints(tmp_path_factory)


@pytest.fixture(scope="session")
def tiny_engines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Engine directory of the tiny avatar. Read only: copy it to change it."""
    return tiny_avatar.tiny_engine_directory(tmp_path_factory)
