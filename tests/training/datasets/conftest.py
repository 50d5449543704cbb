"""What the data tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from .filmed_head import FilmedHead
from .recordings import save_tiny_hubert


@pytest.fixture(scope="session")
def hubert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny HuBERT in transformers' format."""
    return save_tiny_hubert(tmp_path_factory.mktemp("encoder") / "hubert")


@pytest.fixture(scope="session")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> FilmedHead:
    """The rendered head talking, 30 frames."""
    return FilmedHead.rendered(tmp_path_factory.mktemp("rig"))
