"""The commands about whole directories as people call them: lines, tables and JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from emogene.exporters import commands
from emogene.runtime.command_line import exit_code

from .conftest import Built
from .directories import copied, fingerprint


def call(*words: object) -> int:
    return exit_code(commands.app, [str(word) for word in words])


def plain(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_full_build_from_the_cache(
    built: Built,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EMOGENE_CACHE", str(built.options.cache))
    words = ["build-engines", built.checkpoints, "-o", tmp_path / "e"]
    words += ["--target", "onnxruntime", "--target", "tensorrt-rtx", "--sm", "8.6,sm_120"]
    words += ["--precision", "density=fp16", "--precision", "deformation=auto"]
    assert call(*words) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err == "" and len(lines) == 9 + 2 + 9 + 6 + 2 + 4
    for said in ("9 exported stages found", "2 precisions found", "9 engines found"):
        assert f"cache: {said}" in lines
    assert any(line.startswith("[✓] density           fp16  rel L2 ") for line in lines)
    assert any(line.startswith("[✓] end to end, half against fp32: ") for line in lines)
    assert any("tensorrt-rtx sm_86,120" in line for line in lines)
    cubins = {
        f"cubins/{program}.{gpu}.cubin"
        for program in ("fused", "plain", "wavefront")
        for gpu in ("sm_86", "sm_120")
    }
    assert fingerprint(tmp_path / "e").keys() == fingerprint(built.folder).keys() | cubins
    assert any(line.startswith("[✓] plain             sm_86  2 kernels") for line in lines)


def test_verify_on_device(built: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = copied(built.folder, tmp_path / "e")
    assert call("verify", folder, "--on-device") == 0
    lines = capsys.readouterr().out.splitlines()
    marks = [line[:3] for line in lines if line.startswith("[")]
    assert len(marks) == 20 and set(marks) <= {"[✓]", "[–]"}
    assert lines[-1].startswith(f"{folder}: every hash and ")
    assert call("verify", folder, "--json") == 0
    report = plain(capsys)
    assert len(report["stages"]) + len(report["not_executed"]) == 20


def test_inspect_shows_precisions_and_engines(
    built: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("inspect", built.folder) == 0
    out = capsys.readouterr().out
    for word in ("Further precisions", "Engines", "sm_86,120", "points=1:16384:65536"):
        assert word in out, word
    assert call("inspect", built.folder, "--json") == 0
    assert len(plain(capsys)["manifest"]["engines"]) == 9


def test_diff(built: Built, tiny_engines: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("diff", built.folder, built.folder) == 0
    assert "hold the same" in capsys.readouterr().out
    assert call("diff", tiny_engines, built.folder) == 0
    out = capsys.readouterr().out
    assert "engines/tensorrt-rtx/hubert.fp32.engine" in out and "Networks" in out
    assert call("diff", tiny_engines, built.folder, "--json") == 0
    assert plain(capsys)["same"] is False


def test_bench(built: Built, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("bench", built.folder, "--seconds", 0) == 0
    out = capsys.readouterr().out
    assert "onnxruntime-cpu" in out and "4096 points" in out and "median ms" in out
    assert call("bench", built.folder, "--seconds", 0, "--json") == 0
    assert len(plain(capsys)) == 20


def test_doctor(built: Built, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("doctor") == 0
    out = capsys.readouterr().out
    assert "[✓] kernels" in out and "ONNX Runtime" in out and "this machine: runs with" in out
    assert call("doctor", built.folder) == 0
    assert f"{built.folder}: runs with " in capsys.readouterr().out
    assert call("doctor", built.folder, "--json") == 0
    found = plain(capsys)
    assert found["runs"] is True and len(found["engines"]) == 9


def test_cache_list_and_clear(
    built: Built,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert built.options.cache is not None
    monkeypatch.setenv("EMOGENE_CACHE", str(copied(built.options.cache, tmp_path / "cache")))
    assert call("cache", "list") == 0
    out = capsys.readouterr().out
    assert "hubert fp32 tensorrt-rtx" in out and str(built.checkpoints) in out
    assert call("cache", "list", "--json") == 0
    kinds = {entry["kind"] for entry in plain(capsys)["entries"]}
    assert kinds >= {"export", "precision", "end-to-end", "verified", "engine"}
    assert call("cache", "clear") == 0
    assert "removed" in capsys.readouterr().out
    assert call("cache", "list", "--json") == 0
    assert plain(capsys)["entries"] == []


def test_no_cache_leaves_none(
    tiny_checkpoints: Path, tmp_path: Path, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("build-engines", tiny_checkpoints, "-o", tmp_path / "e", "--precision", "fp8")
    assert call(*words) == 2
    assert "one of fp32, fp16, bf16, auto" in capsys.readouterr().err
    assert call(*words[:4], "--sm", "90", "--target", "tensorrt-rtx") == 2
    assert "--target tensorrt" in capsys.readouterr().err
    assert list(own_cache.iterdir()) == [] == list(tmp_path.iterdir())
