"""The cache finds exactly what was kept, says why it misses, and never gives what is damaged."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from emogene.contract.engine_directory import replace_folder
from emogene.exporters.stage_cache import StageCache, note_misses, source_hash

PARTS = {"checkpoint": "a" * 64, "torch": "2.13.0"}


@pytest.fixture
def cache(tmp_path: Path) -> StageCache:
    """Holds one entry of ``PARTS``."""
    made = StageCache(tmp_path / "cache")
    made.keep("export", "anna", PARTS, lambda folder: (folder / "x.onnx").write_bytes(b"network"))
    return made


def test_what_was_kept_is_found(cache: StageCache) -> None:
    found = cache.find("export", "anna", dict(reversed(PARTS.items())))
    assert found.folder is not None and (found.folder / "x.onnx").read_bytes() == b"network"


def test_a_miss_says_which_part_changed(cache: StageCache) -> None:
    assert cache.find("export", "bert", PARTS | {"torch": "1"}).why == "never made before"
    newer = cache.find("export", "anna", PARTS | {"torch": "2.14.0"})
    assert newer.folder is None and newer.why == "torch 2.13.0 → 2.14.0"
    other = cache.find("export", "anna", PARTS | {"checkpoint": "b" * 64})
    assert other.why == "the checkpoint changed"
    both = cache.find("export", "anna", {"checkpoint": "b" * 64, "onnx": "1.18"})
    assert both.why == "the checkpoint changed, onnx none → 1.18, torch 2.13.0 → none"


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "entry"])
def test_a_damaged_entry_is_never_given(cache: StageCache, damage: str) -> None:
    folder = cache.find("export", "anna", PARTS).folder
    assert folder is not None
    file = folder / "x.onnx"
    if damage == "flip":
        file.write_bytes(b"netwosk")
    elif damage == "truncate":
        file.write_bytes(b"net")
    elif damage == "remove":
        file.unlink()
    else:
        (folder / "entry.json").write_bytes(b"{")
    found = cache.find("export", "anna", PARTS)
    assert found.folder is None and found.why == "its entry was damaged"
    assert cache.find("export", "anna", PARTS).why == "its entry was removed"


def test_a_cache_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = StageCache(tmp_path / "file")
    cache.keep("export", "anna", PARTS, lambda folder: None)
    assert cache.find("export", "anna", PARTS).folder is None


def test_a_cache_that_is_full_is_no_failure(cache: StageCache) -> None:
    def fill(folder: Path) -> None:
        with replace_folder(folder / "checkpoints", "card.json") as within:
            raise OSError(errno.ENOSPC, "No space left on device", str(within))

    cache.keep("import", "anna", PARTS, fill)
    assert cache.find("import", "anna", PARTS).folder is None
    assert cache.root is not None and not list((cache.root / "import").iterdir())


def test_what_a_killed_process_was_writing_is_removed(cache: StageCache) -> None:
    """A child killed while it filled an entry; the next to fill it finds its leavings gone."""
    assert cache.root is not None
    killed = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from emogene.exporters.stage_cache import StageCache\n"
        "def fill(folder):\n"
        "    (folder / 'half').write_bytes(b'x')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        f"StageCache(Path(sys.argv[1])).keep('import', 'anna', {PARTS!r}, fill)\n"
    )
    done = subprocess.run([sys.executable, "-c", killed, cache.root], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = (cache.root / "import").iterdir()
    with mock.patch("emogene.contract.scratch._BEGINNING", 0):
        cache.keep("import", "anna", PARTS, lambda folder: None)
    assert not left.exists() and cache.find("import", "anna", PARTS).folder is not None


def test_filling_that_fails_leaves_nothing(cache: StageCache) -> None:
    def fill(folder: Path) -> None:
        (folder / "half").write_bytes(b"x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.keep("export", "anna", {"torch": "3"}, fill)
    assert cache.root is not None
    assert cache.find("export", "anna", {"torch": "3"}).folder is None
    assert len(list((cache.root / "export").iterdir())) == 1


def test_none_keeps_and_finds_nothing() -> None:
    cache = StageCache(None)
    cache.keep("export", "anna", PARTS, lambda folder: 1 / 0)
    assert cache.find("export", "anna", PARTS).folder is None
    assert cache.entries() == () and cache.clear() == (0, 0)


def test_listing_and_clearing(cache: StageCache) -> None:
    (entry,) = cache.entries()
    assert (entry.kind, entry.subject) == ("export", "anna") and entry.size > 7
    assert cache.clear() == (1, entry.size)
    assert cache.entries() == ()


def test_the_source_hash_follows_the_source() -> None:
    assert source_hash("contract") == source_hash("contract") != source_hash("exporters")


def test_misses_with_one_reason_take_one_line() -> None:
    lines: list[str] = []
    note_misses(lines.append, True, {"a": "new", "b": "new", "c": "torch 1 → 2"}, 2, "engines")
    assert lines == [
        "cache: 2 engines found",
        "cache: a, b not found, new",
        "cache: c not found, torch 1 → 2",
    ]
    note_misses(lines.append, False, {"a": "new"}, 2, "engines")
    assert len(lines) == 3
