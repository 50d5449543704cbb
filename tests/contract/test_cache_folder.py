"""One folder for all that can be made again, and everything that caches uses it."""

from __future__ import annotations

from pathlib import Path

import pytest

from emogene.contract.cache_folder import CACHE_VARIABLE, cache_folder


def test_our_variable_before_the_users_folder_before_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (CACHE_VARIABLE, "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "emogene"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache_folder() == tmp_path / "x" / "emogene"
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


def test_the_variable_is_read_in_one_place() -> None:
    root = Path(__file__).parents[2]
    parts = ("contract", "runtime", "exporters", "training")
    sources = [p for part in parts for p in (root / part).rglob("*.py")]
    reading = [p.name for p in sources if '"EMOGENE_CACHE"' in p.read_text("utf-8")]
    assert reading == ["cache_folder.py"]
