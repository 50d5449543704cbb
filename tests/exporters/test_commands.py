"""``emogene-export`` as people call it: exit codes, one clear line an error, tables and JSON."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from emogene.contract.codec import canonical
from emogene.contract.manifest import Manifest, _digest
from emogene.contract.stages import Signature
from emogene.exporters import commands, exporting
from emogene.runtime.command_line import exit_code

from .directories import copied, fingerprint, forge_hashes
from .test_build import tampered


def call(*words: object) -> int:
    return exit_code(commands.app, [str(word) for word in words])


def one_line(text: str) -> str:
    """The only line on standard error."""
    (line,) = text.strip().splitlines()
    assert line.startswith("error: ") and "Traceback" not in line
    return line


def test_build_verify_and_inspect(
    tiny_checkpoints: Path,
    tiny_engines: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def read(stage: str, module: object, signature: Signature) -> bytes:
        return (tiny_engines / "stages" / f"{stage}.onnx").read_bytes()

    monkeypatch.setattr(exporting, "onnx_bytes", read)
    target = tmp_path / "e"
    assert call("build-engines", tiny_checkpoints, "-o", target, "--target", "onnxruntime") == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err == "" and len(lines) == 12
    assert lines[0] == "cache: exported stages not found, never made before"
    pattern = r"\[✓\] \w+ +fp32  rel L2 \d\.\de-\d\d ≤ 1e-05  \(\w+ \d+, \d+, \d+\)"
    assert all(re.fullmatch(pattern, line) for line in lines[1:10]), lines
    assert f"{target}: 9 networks" in lines[10]
    assert f"emogene-run --engine-dir {target} AUDIO" in lines[11]
    report = json.loads((target / "reports" / "report.json").read_text())
    assert report["command"] == "emogene-export build-engines CHECKPOINTS -o DIRECTORY"

    assert call("verify", target) == 0
    assert len(capsys.readouterr().out.splitlines()) == 10
    assert call("inspect", target) == 0
    assert "audio_to_motion" in capsys.readouterr().out


def test_a_missed_tolerance_ends_with_1_and_the_command_to_see_it_again(
    tiny_checkpoints: Path,
    tiny_engines: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def wrong(stage: str, module: object, signature: Signature) -> bytes:
        return tampered((tiny_engines / "stages" / f"{stage}.onnx").read_bytes())

    monkeypatch.setattr(exporting, "onnx_bytes", wrong)
    target = tmp_path / "e"
    assert call("build-engines", tiny_checkpoints, "-o", target, "--stage", "density") == 1
    out, err = capsys.readouterr()
    assert out.startswith("[✗] density ") and " > 1e-05 " in out
    again = f"emogene-export build-engines {tiny_checkpoints} -o {target} --stage density"
    assert one_line(err).endswith(again)
    assert not target.exists()


def test_a_real_stage_is_traced_and_nothing_else_is_printed(
    tiny_checkpoints: Path, tmp_path: Path
) -> None:
    """The one test that walks the command itself, in its own process."""
    words = ["build-engines", str(tiny_checkpoints), "-o", str(tmp_path / "e")]
    program = "from emogene.exporters.commands import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *words, "--stage", "density", "--stage", "deformation"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line[:8] for line in lines[:2]] == ["[✓] defo", "[✓] dens"]
    assert lines[2].startswith("2 stages compared")
    assert list(tmp_path.iterdir()) == []


def test_verify_fails_on_tampered_weights(
    tiny_engines: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copied(tiny_engines, tmp_path / "e")
    path = folder / "stages" / "colour.onnx"
    path.write_bytes(tampered(path.read_bytes()))
    assert call("verify", folder) == 2
    assert str(path) in one_line(capsys.readouterr().err)
    forge_hashes(folder)
    assert call("verify", folder) == 1
    out, err = capsys.readouterr()
    assert "[✗] colour" in out and "stage colour" in one_line(err)
    assert call("verify", folder, "--json") == 1
    report = json.loads(capsys.readouterr().out)
    assert report["passed"] is False
    assert [s["stage"] for s in report["stages"] if not s["passed"]] == ["colour"]


def test_verify_json(tiny_engines: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = fingerprint(tiny_engines)
    assert call("verify", tiny_engines, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["passed"] is True and len(report["stages"]) == 9
    assert fingerprint(tiny_engines) == before


def test_inspect_shows_everything_that_matters(
    tiny_engines: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert call("inspect", tiny_engines) == 0
    text = " ".join(capsys.readouterr().out.split())
    for word in (
        "tiny: ",
        "torso_condition",
        "features (1, 8*latents, 32)",
        "fp32",
        "1e-05",
        "skin (3 levels × 2, read at displaced)",
        "336 a sample, 624 a ray, 576 a torso pixel",
        "160 (6.4 s)",
        "of 32³ cells occupied",
        "deform → blink → clamp → normalise → window",
        "angry, contempt, disgust, fear, happy, neutral, sad, surprise",
        "torch 2.",
        "Random numbers; Apache-2.0",
    ):
        assert word in text, word


def test_inspect_json_and_ignored_sections(
    tiny_engines: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copied(tiny_engines, tmp_path / "e")
    plain = json.loads((folder / "manifest.json").read_text())
    plain["hologram"] = {"from": "the future"}
    plain["digest"] = _digest(plain)
    (folder / "manifest.json").write_bytes(canonical(plain))
    assert call("inspect", folder, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ignored"] == ["hologram"] and found["poses"] == 160
    assert found["multiply_adds"] == {"sample": 336, "ray": 624, "torso_pixel": 576}
    assert found["manifest"]["stages"]["hubert"]["error"]["lengths"] == [400, 6653, 16000]
    assert Manifest.from_bytes((folder / "manifest.json").read_bytes()).ignored == ("hologram",)
    assert call("inspect", folder) == 0
    assert "hologram" in capsys.readouterr().out


def test_brackets_in_a_licence_are_no_markup(
    tiny_engines: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copied(tiny_engines, tmp_path / "e")
    forge_hashes(folder, licence="[bold]not[/nothing] a tag", name="[red]")
    assert call("inspect", folder) == 0
    out = capsys.readouterr().out
    assert "[bold]not[/nothing] a tag" in out and "[red]: " in out


@pytest.mark.parametrize("command", ["inspect", "verify"])
def test_what_is_no_engine_directory(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty, file = tmp_path / "empty", tmp_path / "file"
    empty.mkdir()
    file.write_text("not a directory")
    for target, found in (
        (empty, "an empty folder"),
        (file, "a file"),
        (tmp_path / "no", "nothing"),
    ):
        assert call(command, target) == 2
        out, err = capsys.readouterr()
        assert out == "" and str(target) in one_line(err) and found in err


def test_usage_errors_end_with_2(
    tiny_checkpoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("build-engines", tiny_checkpoints) == 2
    assert "--output" in one_line(capsys.readouterr().err)
    assert call("build-engines", tmp_path / "no", "-o", tmp_path / "e") == 2
    assert str(tmp_path / "no") in one_line(capsys.readouterr().err)
    wrong = ("build-engines", tiny_checkpoints, "-o", tmp_path / "e", "--stage", "hubret")
    assert call(*wrong) == 2
    assert "expected one of hubert" in one_line(capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_extra_names_the_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxscript" else real(name)
    )
    assert call("build-engines", "-o", tmp_path / "e") == 1
    line = one_line(capsys.readouterr().err)
    assert "'onnxscript'" in line and line.endswith('pip install "emogene[export]"')


def test_without_built_in_checkpoints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "files", lambda package: tmp_path)
    assert call("build-engines", "-o", tmp_path / "e") == 1
    assert "emogene-train demo -o CHECKPOINTS" in one_line(capsys.readouterr().err)


def test_the_built_in_checkpoints_are_taken_when_none_are_named(
    tiny_checkpoints: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "checkpoints").symlink_to(tiny_checkpoints)
    monkeypatch.setattr(resources, "files", lambda package: tmp_path)
    assert call("build-engines", "-o", tmp_path / "e", "--stage", "torso_deform") == 0
    assert capsys.readouterr().out.startswith("[✓] torso_deform")
