"""Which backend is taken for a directory, and what is said of the others."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import emogene
from emogene.contract.codec import to_plain
from emogene.contract.engine_directory import read_manifest
from emogene.contract.engines import VariantSpec
from emogene.contract.errors import BadEngineDirectory, BadOption, Unavailable
from emogene.runtime.backends import opening
from emogene.runtime.backends.choice import Choice, choose
from emogene.runtime.backends.onnxruntime import OnnxRuntimeRunner
from emogene.runtime.command_line import exit_code
from emogene.runtime.commands import app

from .engine_fixtures import add_engines
from .fake_cuda import Machine
from .fake_tensorrt import install

CPU = "onnxruntime-cpu"


@pytest.fixture
def directory(tiny_engines: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_engines, tmp_path / "e"))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    made = Machine()
    install(made, monkeypatch, tmp_path, rtx="1.7.1.116", proper="10.13.2.6")
    return made


def chosen(directory: Path, asked: str = "auto", **options: Any) -> Choice:
    return choose(directory, read_manifest(directory), asked, **options)


def lost(choice: Choice) -> str:
    """Why and how: of the fallback that must have happened, on ONNX Runtime's CPU provider."""
    assert choice.used == CPU and choice.fallback is not None
    return f"{choice.fallback.reason} — {choice.fallback.remedy}"


def test_without_engines_and_gpu_nothing_is_missed(directory: Path) -> None:
    choice = chosen(directory, strict=True)
    assert choice.used == CPU and choice.fallback is None and choice.engines == {}
    assert [c.backend for c in choice.candidates] == [
        "tensorrt",
        "tensorrt-rtx",
        "onnxruntime-cuda",
        CPU,
    ]
    assert all(c.works or (c.reason and c.remedy) for c in choice.candidates)
    assert "CPUExecutionProvider" in choice.why
    json.dumps(to_plain(choice.candidates))


def test_engines_are_not_missed_without_a_gpu_unless_asked_for(
    directory: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    add_engines(directory)
    install(Machine(gpus=0), monkeypatch, tmp_path, rtx="1.7.1.116")
    assert chosen(directory, strict=True).fallback is None
    said = lost(chosen(directory, "tensorrt-rtx"))
    assert "the driver sees no GPU" in said and "install the NVIDIA driver" in said
    with pytest.raises(Unavailable, match="backend tensorrt-rtx: expected it to work"):
        chosen(directory, "tensorrt-rtx", strict=True)


def test_engines_that_fit_are_taken(machine: Machine, directory: Path) -> None:
    add_engines(directory)
    choice = chosen(directory, strict=True)
    assert choice.used == "tensorrt-rtx" and choice.fallback is None
    assert choice.engines.keys() == read_manifest(directory).stages.keys()
    assert "sm_86 (Model GPU)" in choice.why
    add_engines(directory, "tensorrt", ["density"], version="10.13.2.6")
    assert chosen(directory).used == "tensorrt"
    assert "colour" in chosen(directory).why  # stages without an engine are named
    assert chosen(directory, "onnxruntime").used == CPU
    assert "deserialize_cuda_engine" not in machine.log


def test_of_several_engines_the_one_that_fits_and_takes_most(
    machine: Machine, directory: Path
) -> None:
    add_engines(directory, stages=["density"], architectures=("sm_75",))
    add_engines(directory, stages=["density"], architectures=("sm_86",), most=64)
    add_engines(directory, stages=["density"], architectures=("sm_86", "sm_120"), most=4096)
    engine = chosen(directory).engines["density"]
    assert engine.architectures == ("sm_86", "sm_120") and engine.profile.maximum == 4096


def test_engines_for_other_gpus(machine: Machine, directory: Path) -> None:
    add_engines(directory, architectures=("sm_89", "sm_120"))
    said = lost(chosen(directory))
    assert "expected an engine for sm_86 (Model GPU), found one for sm_89, sm_120" in said
    assert said.endswith(f"emogene-export rebuild {directory} --target tensorrt-rtx --sm 86")
    machine.architecture = "sm_90"  # which TensorRT-RTX does not serve
    assert lost(chosen(directory)).endswith("--target tensorrt")
    with pytest.raises(Unavailable, match="sm_90"):
        chosen(directory, strict=True)


def test_engines_of_another_version(machine: Machine, directory: Path) -> None:
    add_engines(directory, version="1.6.0.1")
    said = lost(chosen(directory))
    assert "built by tensorrt-rtx 1.7.1.116" in said and "built by tensorrt-rtx 1.6.0.1" in said
    assert "emogene-export rebuild" in said


def test_an_old_driver(machine: Machine, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from emogene.runtime.backends import compatibility

    monkeypatch.setattr(compatibility, "package_version", lambda flavour: ("1.7.1.116", 13))
    add_engines(directory)
    machine.cuda = 12080
    said = lost(chosen(directory))
    assert "a driver for CUDA 13" in said and "CUDA 12.8" in said and "update the NVIDIA" in said
    machine.cuda = 14000
    assert chosen(directory, strict=True).used == "tensorrt-rtx"


@pytest.mark.parametrize("status", [100, 803, 12345])
def test_a_broken_driver(machine: Machine, directory: Path, status: int) -> None:
    add_engines(directory)
    machine.status = status
    assert f"cuInit returned {status}" in lost(chosen(directory, "tensorrt-rtx"))


def test_a_missing_library(
    machine: Machine, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_engines(directory)
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)  # type: ignore[arg-type]
    said = lost(chosen(directory))
    assert "the Python module tensorrt_rtx or tensorrt_rtx_bindings, found not installed" in said
    assert said.endswith('pip install "emogene[gpu]"')


def test_a_library_of_the_future(
    directory: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install(Machine(), monkeypatch, tmp_path, proper="12.0.0.1")
    add_engines(directory, "tensorrt", version="12.0.0.1")
    assert "expected version 10 or 11, found 12.0.0.1" in lost(chosen(directory))


def test_names_of_backends(directory: Path) -> None:
    with pytest.raises(BadOption, match="backend: expected one of auto, onnxruntime, tensorrt"):
        chosen(directory, "cuda")
    assert "pip install onnxruntime-gpu" in lost(chosen(directory, "onnxruntime-cuda"))


def test_an_engine_that_does_not_open_is_given_up(machine: Machine, directory: Path) -> None:
    from .engine_fixtures import resign

    *_, engine = add_engines(directory)
    path = directory / engine.file
    path.write_bytes(path.read_bytes()[:-1])
    resign(directory)
    with emogene.open(directory, threads=1) as avatar:
        assert set(avatar.backends.values()) == {CPU}
        assert "magicTag does not match" in lost(avatar.choice)
    with pytest.raises(Unavailable, match="magicTag"):
        emogene.open(directory, threads=1, strict=True)
    assert not machine.contexts and not machine.allocations
    (directory / "stages" / "density.onnx").write_bytes(b"nothing")
    resign(directory)
    with pytest.raises(BadEngineDirectory, match=r"density\.onnx"):
        emogene.open(directory, threads=1)


def test_a_provider_that_onnx_runtime_drops_is_told(
    machine: Machine, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with onnxruntime-gpu where CUDA's libraries do not load: listed, and then not taken."""
    real, listed = onnxruntime.InferenceSession, ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: listed)
    monkeypatch.setattr(
        onnxruntime,
        "InferenceSession",
        lambda path, options, providers: real(path, options, providers=listed[1:]),
    )
    with emogene.open(directory, threads=1, backend="onnxruntime") as avatar:
        assert avatar.choice.fallback is not None
        assert avatar.choice.fallback.backend == "onnxruntime-cuda"
        assert "put it on onnxruntime-cpu" in lost(avatar.choice)
    with pytest.raises(Unavailable, match="backend onnxruntime-cuda"):
        emogene.open(directory, threads=1, backend="onnxruntime", strict=True)


def test_flipped_bits_are_found_before_anything_is_deserialised(
    machine: Machine, directory: Path
) -> None:
    engine, *_ = add_engines(directory)
    path = directory / engine.file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 8
    path.write_bytes(data)
    with pytest.raises(BadEngineDirectory, match="it was changed"):
        emogene.open(directory, threads=1)
    assert machine.log == []


def test_the_command(
    machine: Machine, directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import soundfile

    from tests.speech import spoken

    add_engines(directory, architectures=("sm_120",))
    soundfile.write(tmp_path / "s.wav", spoken()[:6400], 16_000)
    line = [
        str(tmp_path / "s.wav"),
        *("--engine-dir", str(directory), "--size", "16", "--threads", "1"),
        *("-o", str(tmp_path / "o.y4m"), "--stats", "json"),
    ]
    assert exit_code(app, [*line, "--backend", "nonsense"]) == 2
    assert "error: backend: expected one of auto" in capsys.readouterr().err
    assert exit_code(app, [*line, "--strict"]) == 1
    assert "rebuild" in capsys.readouterr().err and not (tmp_path / "o.y4m").exists()
    assert exit_code(app, line) == 0
    out, err = capsys.readouterr()
    assert err.startswith(f"note: {CPU} instead of tensorrt-rtx: engines/tensorrt-rtx/")
    told = json.loads(out)
    assert (told["backend"], told["backend_asked"]) == (CPU, "auto")
    by_name = {c["backend"]: c for c in told["backend_candidates"]}
    assert by_name[CPU]["works"] and "sm_120" in by_name["tensorrt-rtx"]["reason"]


def add_variant(directory: Path, stage: str, precision: str, file: str) -> None:
    """Another file of ``stage`` in the manifest, a copy of its own under another name."""
    from .engine_fixtures import resign

    manifest = read_manifest(directory)
    shutil.copy(directory / manifest.stages[stage].file, directory / file)
    resign(directory, variants=(VariantSpec(stage, precision, file, None),))


def test_a_stage_runs_in_the_precision_asked_for(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_variant(directory, "hubert", "int8", "stages/hubert.int8.onnx")
    opened: list[str] = []

    class Noted(OnnxRuntimeRunner):
        def __init__(self, path: Path, *rest: Any, **options: Any) -> None:
            opened.append(path.name)
            super().__init__(path, *rest, **options)

    monkeypatch.setattr(opening, "OnnxRuntimeRunner", Noted)
    with emogene.open(directory, precisions={"hubert": "int8"}) as avatar:
        assert next(avatar.render(np.zeros(640, np.float32), size=8)).index == 0
    assert "hubert.int8.onnx" in opened and "hubert.onnx" not in opened
    opened.clear()
    with emogene.open(directory):
        assert "hubert.onnx" in opened and "hubert.int8.onnx" not in opened


@pytest.mark.parametrize(
    ("precisions", "message"),
    [
        ({"hubert": "fp16"}, "one this directory holds: fp32, int8.*--int8-hubert"),
        ({"hubrt": "int8"}, "one of the stages .*hubert"),
    ],
)
def test_precisions_that_are_not_there(
    directory: Path, precisions: dict[str, str], message: str
) -> None:
    add_variant(directory, "hubert", "int8", "stages/hubert.int8.onnx")
    with pytest.raises(BadOption, match=message):
        emogene.open(directory, precisions=precisions)


def test_the_command_reads_precisions(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--sample", "--engine-dir", str(directory), "--precision"]
    assert exit_code(app, [*words, "int8"]) == 2
    assert "expected STAGE=NAME" in capsys.readouterr().err
    assert exit_code(app, [*words, "density=fp8"]) == 2
    assert "precision of density" in capsys.readouterr().err
