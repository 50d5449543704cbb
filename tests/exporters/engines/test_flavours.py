"""Which library builds an engine, and what is said where it cannot."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

from emogene.contract.errors import BadOption, Unavailable
from emogene.exporters.engines import build, flavours
from emogene.runtime.backends import driver
from emogene.runtime.backends.driver import Driver, Gpu

from . import networks

HOPPER = Driver((Gpu("a GPU", "sm_90", 1 << 30),), (13, 0), "580.65.06")


@pytest.fixture
def tensorrt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of TensorRT's name whose version the test writes, and no other TensorRT."""
    known = dataclasses.replace(flavours.FLAVOURS["tensorrt"], modules=("tensorrt_of_test",))
    known = dataclasses.replace(known, distributions=())
    monkeypatch.setitem(flavours.FLAVOURS, "tensorrt", known)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "tensorrt_of_test.py"


def test_tensorrt_rtx_is_found_without_loading_it(rtx: str) -> None:
    before = set(sys.modules)
    assert flavours.require("tensorrt-rtx").target == "tensorrt-rtx"
    assert flavours.tool("tensorrt-rtx") == f"tensorrt-rtx {rtx}"
    assert not {m for m in set(sys.modules) - before if m.startswith("tensorrt")}


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(BadOption, match="one of tensorrt, tensorrt-rtx, found onnxruntime"):
        flavours.require("onnxruntime")


def test_a_missing_library_names_the_command(tensorrt: Path) -> None:
    with pytest.raises(Unavailable, match=r"module tensorrt_of_test, .*pip install tensorrt"):
        flavours.require("tensorrt")


@pytest.mark.parametrize("problem", ["no NVIDIA driver is installed", "the driver sees no GPU"])
def test_tensorrt_needs_a_gpu(
    tensorrt: Path, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensorrt.write_text("raise SystemExit('loading it needs the driver')")
    monkeypatch.setattr(driver, "find_driver", lambda: Driver(problem=problem))
    with pytest.raises(Unavailable, match=f"{problem}.*--target tensorrt-rtx"):
        flavours.require("tensorrt")


def test_tensorrt_where_there_is_a_gpu(tensorrt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "find_driver", lambda: HOPPER)
    tensorrt.write_text("__version__ = '10.13.2.6'")
    assert flavours.require("tensorrt").target == "tensorrt"
    assert flavours.gpu_architecture() == "sm_90"
    assert flavours.tool("tensorrt") == "tensorrt 10.13.2.6"
    tensorrt.write_text("__version__ = '10.9.0'")
    with pytest.raises(Unavailable, match=r"version 10\.12 or later, found 10\.9\.0.*--upgrade"):
        flavours.require("tensorrt")
    tensorrt.write_text("raise ImportError('libnvinfer.so.11: no such file')")
    with pytest.raises(Unavailable, match=r"libnvinfer\.so\.11.*--force-reinstall"):
        flavours.require("tensorrt")


def test_the_same_worker_builds_with_tensorrts_names(
    rtx: str, tensorrt: Path, mlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorRT-RTX under TensorRT's name, without what only TensorRT-RTX has."""
    tensorrt.write_text(
        "from tensorrt_rtx_bindings import *\n"
        "from tensorrt_rtx_bindings import __version__\n"
        "del ComputeCapability\n"
    )
    # The worker has a table of its own.
    (tensorrt.parent / "as_tensorrt.py").write_text(
        "import dataclasses\n"
        "from emogene.exporters.engines import flavours, worker\n"
        "known, modules = flavours.FLAVOURS['tensorrt'], ('tensorrt_of_test',)\n"
        "flavours.FLAVOURS['tensorrt'] = dataclasses.replace(known, modules=modules)\n"
        "worker.main()\n"
    )
    monkeypatch.setattr(build, "WORKER", (sys.executable, "-m", "as_tensorrt"))
    monkeypatch.setattr(driver, "find_driver", lambda: HOPPER)
    monkeypatch.setitem(flavours.OLDEST, "tensorrt", (1, 0))
    request = networks.request(mlp, target="tensorrt", architectures=())
    built = build.build_engine(request, tmp_path / "e.engine")
    assert built.architectures == ("sm_90",) and built.tool == f"tensorrt {rtx}"
    with pytest.raises(BadOption, match=r"nothing with --target tensorrt.*found sm_86"):
        build.build_engine(networks.request(mlp, target="tensorrt"), tmp_path / "e.engine")
