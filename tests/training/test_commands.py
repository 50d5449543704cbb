"""``emogene-train`` as a user types it: help without heavy imports, one line for every mistake."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from emogene.contract.errors import BadOption, BadOutput, Unavailable
from emogene.reference.checkpoint import load_network
from emogene.reference.torso_field import TorsoField
from emogene.runtime.command_line import exit_code
from emogene.training import commands, stages
from emogene.training.config import read_config, write_config
from emogene.training.demo.recipe import DemoConfig
from emogene.training.devices import check_device
from emogene.training.loop import LoopConfig
from emogene.training.torso_field import TorsoTrainingConfig
from tests.patience import eventually

from .tiny_field import tiny_torso
from .tiny_film import write_tiny_film

EMOGENE_TRAIN = Path(sys.executable).with_name("emogene-train")


def test_help_needs_no_heavy_module() -> None:
    script = (
        "import sys\n"
        "for name in ('torch', 'transformers', 'numba', 'scipy', 'onnx', 'matplotlib', 'yaml'):\n"
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
        (["demo", "-o", "c", "--config", "none.yaml"], "none.yaml: expected a YAML file"),
        (["demo", "-o", "c", "--device", "tpu"], "--device: expected cpu, cuda or cuda:N"),
        (["head", "nowhere"], "make it first: emogene-train demo -o OUTPUT --stage film --work"),
        (["sync", "nowhere"], "make it first: emogene-train hubert nowhere"),
        (["vae", "nowhere", "--data", "d"], "emogene-train sync nowhere --data d"),
        (["deform", "w", "--data", "nowhere"], "nowhere/manifest.json: expected a data set's"),
        (["head", "w", "--data", "nowhere"], "nowhere/film: expected the films of a prepared"),
        (["hubert", "w", "--data", "d"], "--data"),
        (["torso"], "WORK: expected the folder to train in"),
        (["curves", "."], "expected a stage with a curve"),
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
    error = [line for line in error if not line.endswith(": begun")]
    assert len(error) == 1 and said in error[0]
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_missing_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "TRAIN_MODULES", ("torch", "no_such_module"))
    assert exit_code(commands.app, ["torso", str(tmp_path)]) == 1
    assert 'pip install "emogene[train]"' in capsys.readouterr().err


@pytest.mark.parametrize("stage", ["demo", "hubert", "sync", "vae", "deform", "head", "torso"])
def test_the_printed_configuration_is_one(
    stage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.yaml").write_text("{}" if stage == "demo" else "loop: {minutes: 7}")
    arguments = [stage, "--config", str(tmp_path / "mine.yaml"), "--minutes-scale", "2"]
    assert exit_code(commands.app, [*arguments, "--print-config"]) == 0
    (tmp_path / "printed.yaml").write_text(capsys.readouterr().out)
    whole = DemoConfig()
    if stage == "demo":
        assert read_config(tmp_path / "printed.yaml", whole) == whole.scaled(2)
    else:
        default = getattr(whole, {"deform": "deformation"}.get(stage, stage))
        assert read_config(tmp_path / "printed.yaml", default).loop.minutes == 14


def test_a_stage_of_a_demo_keeps_the_demos_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = DemoConfig()
    write_config(tmp_path / "config.yaml", replace(config, torso=replace(config.torso, pixels=33)))
    assert exit_code(commands.app, ["torso", str(tmp_path), "--print-config"]) == 0
    assert "pixels: 33" in capsys.readouterr().out
    # Prepared data has nothing to do with that demo.
    elsewhere = ["torso", str(tmp_path), "--data", "d", "--print-config"]
    assert exit_code(commands.app, elsewhere) == 0
    assert "pixels: 512" in capsys.readouterr().out


# Training through the commands: the torso of a tiny film, whose imports are most of the time.


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `emogene-train prepare` leaves of a video, in small."""
    folder = tmp_path_factory.mktemp("data")
    write_tiny_film(folder / "film" / "training")
    write_tiny_film(folder / "film" / "held_out", frames=3, seed=1)
    return folder


def tiny(folder: Path, steps: int) -> Path:
    loop = LoopConfig(steps=steps, warmup_steps=2, clip_norm=0.0, log_every_s=0.0, save_every_s=0.0)
    path = folder / "tiny.yaml"
    write_config(path, TorsoTrainingConfig(tiny_torso(), frames=2, pixels=64, loop=loop))
    return path


def arguments(work: Path, data: Path, steps: int) -> list[str]:
    return ["torso", str(work), "--data", str(data), "--config", str(tiny(data, steps))]


def weights(work: Path) -> dict[str, torch.Tensor]:
    return load_file(work / "torso" / "network" / "weights.safetensors")


def stopped_by(signal_number: int, command: list[str], work: Path) -> tuple[int, str]:
    """Run a training in a process, end it with a signal once it has checkpoints."""
    program = [str(EMOGENE_TRAIN), *command]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    state = work / "torso" / "state.safetensors"
    before = state.stat().st_mtime_ns if state.exists() else 0
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True, env=environment) as process:
        eventually(
            lambda: (
                process.poll() is not None or (state.exists() and state.stat().st_mtime_ns > before)
            )
        )
        assert process.poll() is None
        process.send_signal(signal_number)
        error = process.communicate()[1]
        return process.returncode, error


def test_what_is_killed_or_interrupted_ends_with_the_same_bits(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = 400
    assert exit_code(commands.app, arguments(tmp_path / "whole", data, steps)) == 0
    command = arguments(tmp_path / "stopped", data, steps)
    assert stopped_by(signal.SIGKILL, command, tmp_path / "stopped")[0] == -signal.SIGKILL
    code, error = stopped_by(signal.SIGINT, command, tmp_path / "stopped")
    assert code == 130
    assert error.splitlines()[-1].startswith("interrupted: the same command goes on")
    assert "Traceback" not in error
    assert not (tmp_path / "stopped" / "torso" / "report.json").exists()
    capsys.readouterr()
    assert exit_code(commands.app, command) == 0
    assert "torso: goes on at step " in capsys.readouterr().err
    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "stopped")
    assert whole.keys() == resumed.keys()
    for name, value in whole.items():
        assert torch.equal(resumed[name], value), name


def test_a_training_leaves_what_it_says(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(commands.app, arguments(tmp_path, data, 5)) == 0
    said = capsys.readouterr()
    assert '"steps": 5' in said.out
    assert said.err.splitlines()[0] == "torso: begun"
    assert said.err.splitlines()[-1].startswith("torso: done in ")
    left = {path.name for path in (tmp_path / "torso").iterdir()}
    assert left == {
        "config.yaml", "curve.csv", "curve.png", "comparison.png", "network", "report.json",
        "state.safetensors", "time.json",
    }  # fmt: skip
    default = TorsoTrainingConfig()
    assert read_config(tmp_path / "torso" / "config.yaml", default).loop.steps == 5
    load_network(tmp_path / "torso" / "network", TorsoField)
    assert stages.read_time(tmp_path / "torso")["cpu_s"] > 0
    assert exit_code(commands.app, ["curves", str(tmp_path)]) == 0
    assert (tmp_path / "curves.png").stat().st_size > 0
    # Another configuration in the same folder is refused, and nothing is lost.
    (tmp_path / "other.yaml").write_text("alpha_weight: 0.5")
    command = [
        "torso",
        str(tmp_path),
        "--data",
        str(data),
        "--config",
        str(tmp_path / "other.yaml"),
    ]
    assert exit_code(commands.app, command) == 2
    error = capsys.readouterr().err
    assert "alpha_weight was 0.05 and is 0.5" in error
    assert f"--config {tmp_path / 'torso' / 'config.yaml'}" in error
    assert read_config(tmp_path / "torso" / "config.yaml", default).alpha_weight == 0.05


def test_dimensions_that_do_not_fit_are_refused_before_anything_is_made(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "odd.yaml").write_text("network: {torso: {octaves: 5}}")
    command = ["torso", str(tmp_path / "w"), "--data", str(data)]
    assert exit_code(commands.app, [*command, "--config", str(tmp_path / "odd.yaml")]) == 2
    assert "torso.network: expected dimensions that fit together" in capsys.readouterr().err
    assert not (tmp_path / "w").exists()


def test_a_place_that_cannot_be_written_is_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "w").write_text("a file")
    assert exit_code(commands.app, arguments(tmp_path / "w", data, 1)) == 2
    assert "a file where its folder should be" in capsys.readouterr().err
    with pytest.raises(BadOutput, match=r"expected 1000000\.0 GB free on its disk, found "):
        stages.require_space(tmp_path / "not" / "yet", 10**15)
    stages.require_space(tmp_path / "not" / "yet", 1)


def test_devices_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert check_device("cuda:0").type == "cuda" and check_device("cpu").type == "cpu"
    with pytest.raises(Unavailable, match=r"--device cuda:1: .*1 GPUs — train with --device cpu"):
        check_device("cuda:1")
    for name in ("meta", "gpu", "cuda:x", ""):
        with pytest.raises(BadOption, match="cpu, cuda or cuda:N"):
            check_device(name)
