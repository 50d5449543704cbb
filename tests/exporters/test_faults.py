"""Whatever breaks, there is a clear refusal, and what worked before still works."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from emogene.contract.codec import canonical
from emogene.contract.engine_directory import check_files, read_manifest
from emogene.contract.errors import BadEngineDirectory
from emogene.contract.manifest import FORMAT, _digest
from emogene.exporters import commands
from emogene.runtime.command_line import exit_code

from .conftest import Built
from .directories import copied, fingerprint

FLIPS = 200


def refused(folder: Path) -> BadEngineDirectory:
    """The refusal that every reader of the directory gets before anything is deserialised."""
    with pytest.raises(BadEngineDirectory) as caught:
        check_files(folder, read_manifest(folder))
    assert caught.value.remedy
    return caught.value


def hashed(folder: Path) -> list[Path]:
    return [folder / name for name in fingerprint(folder) if not name.startswith("reports/")]


def test_200_flipped_bits_are_all_caught(built: Built, tmp_path: Path) -> None:
    folder = copied(built.folder, tmp_path / "e")
    files = hashed(folder)
    assert {p.suffix for p in files} >= {".json", ".onnx", ".engine", ".safetensors", ".md"}
    rng = np.random.default_rng(7)
    for turn in range(FLIPS):
        path = files[turn % len(files)]
        with path.open("r+b") as file:
            place = int(rng.integers(path.stat().st_size))
            file.seek(place)
            good = file.read(1)
            file.seek(place)
            file.write(bytes([good[0] ^ 1 << int(rng.integers(8))]))
        refused(folder)
        with path.open("r+b") as file:
            file.seek(place)
            file.write(good)
    check_files(folder, read_manifest(folder))


def test_truncated_and_missing_files_are_caught(built: Built, tmp_path: Path) -> None:
    folder = copied(built.folder, tmp_path / "e")
    for path in hashed(folder):
        good = path.read_bytes()
        for bad in (good[:-1], good[: len(good) // 2], b"", good + b"\0"):
            path.write_bytes(bad)
            refused(folder)
        path.unlink()
        refused(folder)
        path.write_bytes(good)
    check_files(folder, read_manifest(folder))


@pytest.mark.parametrize("command", ["inspect", "verify", "bench", "rebuild"])
def test_a_manifest_from_the_future_is_refused(
    built: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    folder = copied(built.folder, tmp_path / "e")
    plain = json.loads((folder / "manifest.json").read_bytes())
    plain |= {"format": FORMAT + 1, "engines": {"of": "another shape"}}
    plain["digest"] = _digest(plain)
    (folder / "manifest.json").write_bytes(canonical(plain))
    before = fingerprint(folder)
    assert exit_code(commands.app, [command, str(folder)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"format {FORMAT + 1}" in line and "update emogene" in line
    assert fingerprint(folder) == before


KILLED = """
import os, signal, sys
from pathlib import Path
from emogene.contract import engine_directory
from emogene.exporters import build
from emogene.exporters.build import BuildOptions, build_engine_directory
from emogene.exporters.engine_step import EngineOptions
from emogene.exporters.precision_step import PrecisionOptions

phase, checkpoints, target, cache = sys.argv[1:]

def die(*ignored, **alike):
    os.kill(os.getpid(), signal.SIGKILL)

def started(what, done, count):
    if what.startswith(phase):
        die()

for module in (build, engine_directory):
    if hasattr(module, phase):
        setattr(module, phase, die)
options = BuildOptions(
    precision=PrecisionOptions("fp32", {"density": "fp16", "deformation": "auto"}),
    engines=EngineOptions(("onnxruntime", "tensorrt-rtx"), ("sm_86", "sm_120")),
    cache=None if cache == "none" else Path(cache),
)
build_engine_directory(Path(checkpoints), Path(target), options, started)
"""


@pytest.mark.parametrize(
    "phase",
    [
        "exporting hubert",
        "density in fp16",
        "end to end",
        "hubert for tensorrt-rtx",
        "torso_colour for tensorrt-rtx",
        "_read_back",
        "write_reports",
        "_exchange",
    ],
)
def test_a_build_killed_in_any_phase_leaves_the_old_directory(
    built: Built, tmp_path: Path, phase: str
) -> None:
    target = copied(built.folder, tmp_path / "e")
    before = fingerprint(target)
    cache = "none" if phase.startswith("exporting") else str(built.options.cache)
    words = [phase, str(built.checkpoints), str(target), cache]
    done = subprocess.run([sys.executable, "-c", KILLED, *words], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert fingerprint(target) == before
    check_files(target, read_manifest(target))


@pytest.mark.parametrize("free", [0, 20_000, 400_000])
def test_a_full_disk_leaves_the_old_directory(
    built: Built,
    small_disk: Path,
    free: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("EMOGENE_CACHE", str(built.options.cache))
    target = copied(built.folder, small_disk / "e")
    before = fingerprint(target)
    with (small_disk / "other").open("wb") as file:
        file.write(b"x" * (os.statvfs(small_disk).f_bavail * 4096 - free))
    words = ["build-engines", str(built.checkpoints), "-o", str(target), "--target", "onnxruntime"]
    assert exit_code(commands.app, words) in (1, 2)
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and str(target.parent) in error and "space" in error.lower()
    assert fingerprint(target) == before
    assert sorted(path.name for path in small_disk.iterdir()) == ["e", "other"]


def test_commands_refuse_a_damaged_engine(
    built: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copied(built.folder, tmp_path / "e")
    engine = next((folder / "engines" / "tensorrt-rtx").iterdir())
    engine.write_bytes(engine.read_bytes()[:-8])
    for words in (["verify"], ["inspect"], ["bench"], ["rebuild"], ["diff", str(built.folder)]):
        assert exit_code(commands.app, [*words, str(folder)]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert str(engine) in line and "truncated" in line
    assert exit_code(commands.app, ["doctor", str(folder)]) == 1
    assert "emogene-export" in capsys.readouterr().err
    shutil.rmtree(folder)
    assert exit_code(commands.app, ["doctor", str(folder)]) == 1
