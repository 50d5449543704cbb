"""What the exporters' tests stand on."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for every test: neither the user's nor another test's."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("EMOGENE_CACHE", str(folder))
    return folder
