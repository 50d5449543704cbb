"""Folders that are being written: gone afterwards, also where their writer was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from emogene.contract import scratch
from emogene.contract.engine_directory import replace_folder

WRITER = """
import sys
from pathlib import Path
from emogene.contract.scratch import scratch_beside

with scratch_beside(Path(sys.argv[1])) as folder:
    (folder / "half").write_bytes(b"written")
    print(folder, flush=True)
    sys.stdin.read()
"""

pytestmark = pytest.mark.skipif(scratch.fcntl is None, reason="no file locks on this system")


@pytest.fixture
def writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setattr(scratch, "_BEGINNING", -1.0)
    command = [sys.executable, "-c", WRITER, str(tmp_path / "e")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().decode().strip())
        process.kill()


def test_what_a_killed_writer_left_is_removed(tmp_path: Path, writer) -> None:  # type: ignore[no-untyped-def]
    process, left = writer
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (left / "half").exists()
    with scratch.scratch_beside(tmp_path / "e") as folder:
        assert not left.exists() and folder.exists() and not any(folder.iterdir())
    assert not any(tmp_path.iterdir())


def test_what_is_being_written_stays(tmp_path: Path, writer) -> None:  # type: ignore[no-untyped-def]
    process, busy = writer
    with scratch.scratch_beside(tmp_path / "e"):
        assert (busy / "half").exists()
    process.communicate()
    assert process.returncode == 0 and not any(tmp_path.iterdir())


def test_what_is_young_or_of_another_name_stays(tmp_path: Path) -> None:
    # mkdtemp's own, before it is locked; a folder moved away; somebody's; a link.
    kept = [tmp_path / name for name in (".e.abcdefgh", ".e.abcdefgh.old", ".e.x", ".f.abcdefgh")]
    for path in kept:
        path.mkdir()
    (tmp_path / ".e.ijklmnop").symlink_to(tmp_path / ".e.x")
    with scratch.scratch_beside(tmp_path / "e"):
        pass
    assert all(path.exists() for path in kept) and (tmp_path / ".e.ijklmnop").is_symlink()


def test_a_folder_that_is_moved_away_stays_and_what_it_replaced_goes(tmp_path: Path) -> None:
    for text in ("one", "two"):
        with replace_folder(tmp_path / "e", "mark", ()) as folder:
            (folder / "mark").write_text(text)
        assert (tmp_path / "e" / "mark").read_text() == text
        assert os.listdir(tmp_path) == ["e"]
    with pytest.raises(KeyError), replace_folder(tmp_path / "e", "mark", ()) as folder:
        raise KeyError
    assert os.listdir(tmp_path) == ["e"] and (tmp_path / "e" / "mark").read_text() == "two"
