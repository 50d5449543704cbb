"""Directories are checked before use, never read outside of themselves, and replaced whole."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from emogene.contract.engine_directory import (
    check_files,
    file_path,
    list_files,
    read_manifest,
    replace_folder,
)
from emogene.contract.errors import BadEngineDirectory, BadOutput
from emogene.contract.manifest import MANIFEST_FILE
from emogene.contract.stages import REQUIRED_STAGES

from .avatars import small_manifest


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    folder = tmp_path / "e"
    with replace_folder(folder) as fresh:
        (fresh / "stages").mkdir()
        for name in REQUIRED_STAGES:
            (fresh / "stages" / f"{name}.onnx").write_bytes(name.encode() * 50)
        (fresh / MANIFEST_FILE).write_bytes(small_manifest(list_files(fresh)).to_bytes())
    return folder


def test_a_good_directory_passes(directory: Path) -> None:
    check_files(directory, read_manifest(directory))


def test_missing_empty_file_and_unreadable(tmp_path: Path) -> None:
    with pytest.raises(BadEngineDirectory, match="nothing there"):
        read_manifest(tmp_path / "nowhere")
    with pytest.raises(BadEngineDirectory, match="an empty folder"):
        read_manifest(tmp_path)
    (tmp_path / "f").write_text("x")
    with pytest.raises(BadEngineDirectory, match="found a file"):
        read_manifest(tmp_path / "f")


def test_what_may_not_be_read_is_named(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's refusal is played, since it refuses nothing to an administrator."""
    manifest, opened = read_manifest(directory), Path.open

    def refused(path: Path, *args: Any, **options: Any) -> Any:
        if path.name in (MANIFEST_FILE, "density.onnx"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, *args, **options)

    monkeypatch.setattr(Path, "open", refused)
    monkeypatch.setattr(Path, "read_bytes", lambda path: refused(path, "rb").read())
    for check in (lambda: read_manifest(directory), lambda: check_files(directory, manifest)):
        with pytest.raises(BadEngineDirectory, match="found Permission denied — make the dir"):
            check()
    monkeypatch.setattr(Path, "exists", lambda path: refused(directory / MANIFEST_FILE))
    with pytest.raises(BadEngineDirectory, match="found Permission denied"):
        read_manifest(directory)


def test_changed_truncated_and_missing_files_are_named(directory: Path) -> None:
    manifest = read_manifest(directory)
    path = directory / "stages" / "density.onnx"
    good = path.read_bytes()
    path.write_bytes(good[:-1] + b"!")
    with pytest.raises(BadEngineDirectory, match=r"density\.onnx.*it was changed"):
        check_files(directory, manifest)
    path.write_bytes(good[:-1])
    with pytest.raises(BadEngineDirectory, match="truncated"):
        check_files(directory, manifest)
    path.unlink()
    with pytest.raises(BadEngineDirectory, match=r"density\.onnx: expected a file"):
        check_files(directory, manifest)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b", "a\\..\\b", "a\0b"])
def test_paths_that_climb_out_are_refused(directory: Path, name: str) -> None:
    with pytest.raises(BadEngineDirectory, match="paths inside the directory"):
        file_path(directory, name)


def test_a_link_that_leads_out_is_refused(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    (directory / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(BadEngineDirectory, match="paths inside the directory"):
        file_path(directory, "link")


def test_a_failed_write_leaves_the_old_directory(directory: Path) -> None:
    before = list_files(directory)
    with pytest.raises(KeyboardInterrupt), replace_folder(directory) as fresh:
        (fresh / "half").write_text("half")
        raise KeyboardInterrupt
    assert list_files(directory) == before
    assert [p.name for p in directory.parent.iterdir()] == ["e"]


def test_a_write_replaces_the_whole_directory(directory: Path) -> None:
    with replace_folder(directory) as fresh:
        (fresh / MANIFEST_FILE).write_bytes(small_manifest().to_bytes())
    assert [p.name for p in directory.iterdir()] == [MANIFEST_FILE]
    assert [p.name for p in directory.parent.iterdir()] == ["e"]


def test_other_peoples_folders_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(BadOutput, match="other files"), replace_folder(tmp_path):
        pass
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_folder_with_something_of_somebodys_is_not_replaced(directory: Path) -> None:
    (directory / "take1.mp4").write_bytes(b"a video rendered with it")
    before = list_files(directory)
    refused = pytest.raises(BadOutput, match=r"other files: take1\.mp4 .*move them away")
    with refused, replace_folder(directory):
        pass
    assert list_files(directory) == before


def test_folders_of_another_kind_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "avatar.json").write_text("checkpoints of hours of training")
    with pytest.raises(BadOutput, match=r"other files: avatar\.json"), replace_folder(tmp_path):
        pass
    with replace_folder(tmp_path, "avatar.json", ()) as fresh:
        (fresh / "avatar.json").write_text("new")
    assert (tmp_path / "avatar.json").read_text() == "new"
