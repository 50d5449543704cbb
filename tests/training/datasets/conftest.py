"""What the data tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from .recordings import save_tiny_hubert


@pytest.fixture(scope="session")
def hubert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny HuBERT in transformers' format."""
    return save_tiny_hubert(tmp_path_factory.mktemp("encoder") / "hubert")
