"""``emogene-train`` as a user types it: help without heavy imports, one line for every mistake."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from emogene.runtime.command_line import exit_code
from emogene.training import commands


def test_help_needs_no_heavy_module() -> None:
    script = (
        "import sys\n"
        "for name in ('torch', 'transformers', 'numba', 'scipy', 'onnx'):\n"
        "    sys.modules[name] = None\n"
        "from emogene.training.commands import main\n"
        "sys.argv = ['emogene-train', 'demo', '--help']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--minutes-scale" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["demo", "-o", "c", "--stage", "bake"], "one of hubert, sync, vae, deformation, film"),
        (["demo", "-o", "c", "--minutes-scale", "0"], "minutes scale: expected a positive number"),
        (["demo", "-o", "c", "--minutes-scale", "nan"], "minutes scale: expected a positive"),
        (["head", "nowhere"], "emogene-train demo --stage film"),
        (["vae", "nowhere"], "emogene-train demo"),
        (["demo"], "--output"),
        (["dmeo"], "dmeo"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert exit_code(commands.app, arguments) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1 and said in error[0]
    assert not list(tmp_path.iterdir())


def test_a_missing_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "TRAIN_MODULES", ("torch", "no_such_module"))
    assert exit_code(commands.app, ["torso", str(tmp_path)]) == 1
    assert 'pip install "emogene[train]"' in capsys.readouterr().err
