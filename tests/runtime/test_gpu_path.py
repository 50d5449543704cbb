"""What is said of rendering on a GPU, on machines that lack one thing after the other."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from emogene.kernels.gpu import nvrtc
from emogene.runtime.backends.driver import find_driver
from emogene.runtime.doctor_checks import check_rendering
from emogene.runtime.render.gpu_path import find_gpu_path

from .fake_cuda import Machine


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    made = Machine()
    made.install(monkeypatch, tmp_path)
    monkeypatch.setattr(nvrtc, "missing", lambda: "")
    monkeypatch.setattr(nvrtc, "version", lambda: "13.5")
    return made


def test_everything_is_there(machine: Machine) -> None:
    path = find_gpu_path(find_driver())
    assert path.works and path.wanted and (path.api, path.architecture) == ("cuda-python", "sm_86")
    assert path.found == "Model GPU by cuda-python, kernels compiled by NVRTC 13.5"
    assert find_gpu_path(find_driver(), frozenset({"sm_86"})).found.endswith("cubins for sm_86")
    assert check_rendering(find_driver()).status == "works"


def test_no_gpu(machine: Machine) -> None:
    machine.gpus = 0
    path = find_gpu_path(find_driver())
    assert not path.works and not path.wanted and "no GPU" in path.found and path.remedy
    assert check_rendering(find_driver()).status == "not needed"


def test_too_old_a_gpu(machine: Machine) -> None:
    machine.architecture = "sm_75"
    path = find_gpu_path(find_driver())
    assert not path.works and path.found == "Model GPU is sm_75, kernels need sm_80 or newer"
    assert check_rendering(find_driver()).status == "not needed"


def test_no_library(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("cuda.bindings.driver", "pycuda.driver"):
        monkeypatch.setitem(sys.modules, module, None)  # type: ignore[arg-type]
    path = find_gpu_path(find_driver())
    assert not path.works and path.wanted and "cuda-python is not installed" in path.found
    assert path.remedy == 'pip install "emogene[cuda]"'
    assert check_rendering(find_driver()).status == "does not work"


def test_no_code(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvrtc, "missing", lambda: "not installed")
    path = find_gpu_path(find_driver(), frozenset({"sm_90"}))
    assert not path.works and path.remedy == 'pip install "emogene[cuda]"'
    assert path.found == ("Model GPU is there, no cubins for sm_86 are, and NVRTC is not installed")
    assert find_gpu_path(find_driver(), frozenset({"sm_86"})).works
