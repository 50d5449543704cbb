"""``build-engines`` straight from published folders: one path with ``import``, and resumable."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from unittest import mock

import pytest

from emogene.contract.engine_directory import read_manifest
from emogene.exporters import exporting
from emogene.exporters.authors.assemble import ImportOptions
from emogene.exporters.authors.kept import imported_folder
from emogene.exporters.commands import app
from emogene.runtime.command_line import exit_code

from .checkpoints import Folders
from .conftest import sources_of

ONNX_ALONE = ("--target", "onnxruntime")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOGENE_CACHE", str(cache))


def build(folders: Folders, target: Path, *more: str) -> int:
    return exit_code(
        app, ["build-engines", *folders.arguments(), *ONNX_ALONE, *more, "-o", str(target)]
    )


def test_a_build_that_was_stopped_goes_on(
    folders: Folders, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Stopped in its fourth network: import and three networks are found again, the rest made."""
    made: list[str] = []
    export = exporting._export_stage

    def stopping(avatar, stage, signature, path, threads):  # type: ignore[no-untyped-def]
        if stage == "condition" and "condition" not in made:
            made.append(stage)
            raise KeyboardInterrupt
        made.append(stage)
        return export(avatar, stage, signature, path, threads)

    monkeypatch.setattr(exporting, "_export_stage", stopping)
    target = tmp_path / "e"
    assert build(folders, target) != 0
    assert not target.exists()
    assert made == ["hubert", "audio_to_motion", "deformation", "condition"]
    said = capsys.readouterr().out
    assert "the import not found, never made before" in said and "--lm_deform_delta 0" in said

    made.clear()
    made.append("condition")
    assert build(folders, target) == 0
    assert set(made) & {"hubert", "audio_to_motion", "deformation"} == set()
    said = capsys.readouterr().out
    assert "cache: the import found" in said and "--lm_deform_delta 0" in said
    assert read_manifest(target).name == "imported"
    # The whole is kept now; its parts are not kept twice.
    assert not list((cache / "exports" / "stage").glob("*"))

    made.clear()
    assert build(folders, tmp_path / "again") == 0 and made == []
    capsys.readouterr()
    assert exit_code(app, ["cache", "list"]) == 0
    listed = capsys.readouterr().out
    assert "import " in listed and f"MB  {target}\n" in listed
    assert str(cache / "exports") not in listed


def test_it_is_the_same_as_importing_first(folders: Folders, tmp_path: Path) -> None:
    assert exit_code(app, ["import", *folders.arguments(), "-o", str(tmp_path / "c")]) == 0
    words = ["build-engines", str(tmp_path / "c"), *ONNX_ALONE, "-o", str(tmp_path / "two")]
    assert exit_code(app, words) == 0
    assert build(folders, tmp_path / "one") == 0
    one, two = read_manifest(tmp_path / "one"), read_manifest(tmp_path / "two")
    assert one.checkpoint == two.checkpoint and one.files == two.files


def test_another_option_or_file_imports_anew(
    folders: Folders, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(folders, tmp_path / "e") == 0
    capsys.readouterr()
    stage = ("--stage", "deformation")
    assert build(folders, tmp_path / "e", *stage, "--blink-mode", "period") == 0
    assert "the import not found, the options changed" in capsys.readouterr().out
    copied = tmp_path / "deform"
    shutil.copytree(folders.lm_deform, copied)
    next(copied.glob("*.ckpt")).rename(copied / "model_ckpt_steps_999999.ckpt")
    moved = dataclasses.replace(folders, lm_deform=copied)
    assert build(moved, tmp_path / "e", *stage) == 0
    assert "the import found" in capsys.readouterr().out  # the bytes are the same


def test_without_a_cache_nothing_is_kept(
    folders: Folders, tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(cache.rglob("*"))
    assert build(folders, tmp_path / "e", "--no-cache", "--stage", "deformation") == 0
    assert sorted(cache.rglob("*")) == before
    assert "cache:" not in capsys.readouterr().out


@pytest.mark.parametrize("command", ["import", "build-engines"])
def test_folders_that_are_not_named_are_all_said(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [command, "--a2m", "x", "--bfm", "y", "-o", str(tmp_path / "z")]
    assert exit_code(app, words) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "found no --lm-deform, no --dataset, no --torso (or --head, for a head" in said


def test_a_folder_and_published_checkpoints_exclude_each_other(
    folders: Folders, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["build-engines", str(tmp_path), *folders.arguments(), "-o", str(tmp_path / "e")]
    assert exit_code(app, words) == 2
    assert "expected a checkpoints folder or published checkpoints" in capsys.readouterr().err


def test_what_is_told_does_not_hang_on_the_cache(folders: Folders, tmp_path: Path) -> None:
    """Told once, whether the cache keeps the import, cannot begin it, or fails at its end."""
    broken, full = tmp_path / "file", tmp_path / "full"
    broken.write_text("where the cache should be")
    told: dict[str, list[str]] = {}
    for name, cache in {"none": None, "new": tmp_path / "new", "broken": broken}.items():
        said = told[name] = []
        with imported_folder(sources_of(folders), ImportOptions(), cache, said.append, str):
            pass
    with mock.patch("emogene.exporters.stage_cache.hash_file", side_effect=OSError):
        said = told["full"] = []
        with imported_folder(sources_of(folders), ImportOptions(), full, said.append, str):
            pass
    assert "--lm_deform_delta 0" in "".join(told["none"])
    assert told["new"] == told["broken"] == told["full"] == told["none"]
