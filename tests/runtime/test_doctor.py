"""The doctor: what works on a machine, and whether a directory will run on it."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from emogene.contract.codec import to_plain
from emogene.contract.engine_directory import hash_file, read_manifest
from emogene.contract.manifest import MANIFEST_FILE, WEIGHTS_FILE
from emogene.kernels import native
from emogene.runtime import doctor_checks
from emogene.runtime.backends.driver import Driver
from emogene.runtime.doctor import Diagnosis, doctor
from emogene.runtime.doctor_checks import Check, check_disk, check_gpu, check_processor

from .engine_fixtures import add_engines
from .fake_cuda import Machine
from .fake_tensorrt import install

NAMES = [
    *("kernels", "processor", "ONNX Runtime", "PyAV", "disk", "GPU", "CUDA"),
    *("rendering on a GPU", "TensorRT", "TensorRT-RTX"),
]


@pytest.fixture
def directory(tiny_engines: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_engines, tmp_path / "e"))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    made = Machine()
    install(made, monkeypatch, tmp_path, rtx="1.7.1.116")
    return made


def named(diagnosis: Diagnosis, name: str) -> Check:
    return next(check for check in diagnosis.checks if check.name == name)


def test_a_machine_without_a_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(Machine(gpus=0), monkeypatch, tmp_path)
    found = doctor()
    assert found.runs and found.uses == "onnxruntime-cpu" and found.directory == ""
    assert [check.name for check in found.checks] == NAMES
    working = [c.name for c in found.checks if c.status == "works"]
    assert working == ["kernels", "processor", "ONNX Runtime", "PyAV", "disk"]
    assert {c.status for c in found.checks if c.name not in working} == {"not needed"}
    assert "CPUExecutionProvider" in named(found, "ONNX Runtime").found
    assert json.loads(json.dumps(to_plain(found)))["checks"][0]["status"] == "works"


def test_a_machine_with_everything(machine: Machine) -> None:
    found = doctor()
    assert "Model GPU (sm_86, 1 GB)" in named(found, "GPU").found
    assert named(found, "TensorRT-RTX") == Check("TensorRT-RTX", "works", "1.7.1.116")
    assert named(found, "TensorRT").status == "not needed"
    assert named(found, "TensorRT").remedy.startswith("pip install tensorrt")
    assert named(found, "CUDA").status == "works"


def test_a_gpu_without_cuda_python(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", None)  # type: ignore[arg-type]
    found = named(doctor(), "CUDA")
    assert found.status == "does not work" and found.remedy == 'pip install "emogene[cuda]"'


def test_a_driver_that_is_broken(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine.status = 803
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 580.65.06\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = named(doctor(), "GPU")
    assert found.status == "does not work" and "driver 580.65.06, but cuInit" in found.found
    assert "different versions" in found.found and found.remedy
    smi.write_text("#!/bin/sh\nexit 9\n")
    assert named(doctor(), "GPU").status == "not needed"


def test_kernels_that_are_not_there(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    native.library.cache_clear()
    monkeypatch.setenv(native.LIBRARY_VARIABLE, "/nowhere/libemogene_kernels.so")
    try:
        found = doctor(directory)
    finally:
        native.library.cache_clear()
    assert not found.runs and found.uses == "" and "no such file" in found.why
    assert "pip install ." in found.remedy == named(found, "kernels").remedy


def test_too_old_a_processor_and_a_full_disk(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(doctor_checks.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(doctor_checks, "_cpu_flags", lambda: frozenset({"sse2"}))
    assert check_processor().status == "does not work"
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1, 1, 1000))
    full = check_disk(tmp_path / "not" / "yet")
    assert full.status == "does not work" and str(tmp_path) in full.found


def test_a_gpu_check_needs_no_driver_version() -> None:
    assert check_gpu(Driver(problem="none")).found == "none"


def test_a_directory_that_runs_on_the_processor(directory: Path) -> None:
    found = doctor(directory)
    assert found.runs and found.uses == "onnxruntime-cpu" and found.engines == ()
    assert found.directory == str(directory) and found.candidates[-1].works


def test_a_directory_with_engines(machine: Machine, directory: Path) -> None:
    add_engines(directory, stages=["density"])
    add_engines(directory, stages=["colour"], architectures=("sm_120",))
    found = doctor(directory)
    density, colour = found.engines
    assert (density.stage, density.status, density.remedy) == ("density", "works", "")
    assert "sm_86, sm_89 by tensorrt-rtx 1.7.1.116" in density.found
    assert colour.status == "does not work" and "expected an engine for sm_86" in colour.found
    assert colour.remedy == f"emogene-export rebuild {directory} --target tensorrt-rtx --sm 86"
    assert found.runs and found.uses == "onnxruntime-cpu"  # half an avatar's engines are not used
    assert machine.log == []
    machine.gpus = 0
    assert {engine.status for engine in doctor(directory).engines} == {"not needed"}


def test_weights_that_are_none(directory: Path) -> None:
    """Signed by whoever wrote them, so that no hash tells."""
    (directory / WEIGHTS_FILE).write_bytes(b"\xff" * 64)
    manifest = read_manifest(directory)
    made = dataclasses.replace(
        manifest,
        files={**manifest.files, WEIGHTS_FILE: hash_file(directory / WEIGHTS_FILE)},
    )
    (directory / MANIFEST_FILE).write_bytes(made.to_bytes())
    found = doctor(directory)
    assert not found.runs and WEIGHTS_FILE in found.why and "safetensors" in found.why
    assert found.remedy and found.pictures is None


def test_a_directory_that_is_damaged(directory: Path, tmp_path: Path) -> None:
    (directory / "stages" / "density.onnx").write_bytes(b"short")
    found = doctor(directory)
    assert not found.runs and "density.onnx" in found.why and "truncated" in found.why
    assert "emogene-export build-engines" in found.remedy
    (directory / MANIFEST_FILE).unlink()
    assert "manifest.json" in doctor(directory).why
    assert "nothing there" in doctor(tmp_path / "none").why
