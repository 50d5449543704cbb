"""How much memory a build may take: what the system has, or a container's share of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from emogene.exporters.engines import memory


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("MEMINFO", "LIMIT", "USED"):
        monkeypatch.setattr(memory, name, tmp_path / name)
    return tmp_path


def test_this_machine_has_some() -> None:
    assert (memory.available_memory() or 0) > 1 << 20


def test_the_smaller_of_system_and_container(system: Path) -> None:
    assert memory.available_memory() is None
    (system / "MEMINFO").write_text("MemTotal: 9000 kB\nMemAvailable:   5000 kB\n")
    assert memory.available_memory() == 5_000 * 1024
    (system / "LIMIT").write_text("max\n")
    (system / "USED").write_text("1000000\n")
    assert memory.available_memory() == 5_000 * 1024
    (system / "LIMIT").write_text("3000000\n")
    assert memory.available_memory() == 2_000_000
