"""What the tests of GPU kernels share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where kernels compiled for the host and cubins are kept: each is made once."""
    return tmp_path_factory.mktemp("kernels")
