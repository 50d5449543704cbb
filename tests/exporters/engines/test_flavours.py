"""Which library builds an engine, and what is said where it cannot."""

from __future__ import annotations

import ctypes
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from emogene.contract.errors import BadOption, Unavailable
from emogene.exporters.engines import flavours


class Driver:
    """A CUDA driver with one GPU, or without."""

    def __init__(self, status: int = 0, gpus: int = 1) -> None:
        self.status, self.gpus = status, gpus

    def cuInit(self, flags: int) -> int:
        return self.status

    def cuDeviceGet(self, device: Any, index: int) -> int:
        return 0 if index < self.gpus else 101

    def cuDeviceGetAttribute(self, value: Any, attribute: int, device: Any) -> int:
        value._obj.value = {75: 9, 76: 0}[attribute]
        return 0 if self.gpus else 101


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
    import sys

    before = set(sys.modules)
    assert flavours.require("tensorrt-rtx").ahead_of_time
    assert flavours.tool("tensorrt-rtx") == f"tensorrt-rtx {rtx}"
    assert not {m for m in set(sys.modules) - before if m.startswith("tensorrt")}


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(BadOption, match="one of tensorrt-rtx, tensorrt, found onnxruntime"):
        flavours.require("onnxruntime")


def test_a_missing_library_names_the_command(tensorrt: Path) -> None:
    with pytest.raises(Unavailable, match=r"module tensorrt_of_test, .*pip install tensorrt"):
        flavours.require("tensorrt")


@pytest.mark.parametrize(
    ("driver", "said"),
    [
        (None, "no NVIDIA driver"),
        (Driver(status=100), "cuInit returns 100"),
        (Driver(gpus=0), "a driver without a GPU"),
    ],
)
def test_tensorrt_needs_a_gpu(
    tensorrt: Path, driver: Driver | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(name: str) -> Driver:
        if driver is None:
            raise OSError(name)
        return driver

    tensorrt.write_text("raise SystemExit('loading it needs the driver')")
    monkeypatch.setattr(ctypes, "CDLL", loaded)
    with pytest.raises(Unavailable, match=f"{said}.*--target tensorrt-rtx"):
        flavours.require("tensorrt")


def test_tensorrt_where_there_is_a_gpu(tensorrt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Driver())
    tensorrt.write_text("__version__ = '10.13.2.6'")
    assert not flavours.require("tensorrt").ahead_of_time
    assert flavours.gpu_architecture() == "sm_90"
    assert flavours.tool("tensorrt") == "tensorrt 10.13.2.6"
    tensorrt.write_text("__version__ = '10.9.0'")
    with pytest.raises(Unavailable, match=r"version 10\.12 or later, found 10\.9\.0.*--upgrade"):
        flavours.require("tensorrt")
    tensorrt.write_text("raise ImportError('libnvinfer.so.11: no such file')")
    with pytest.raises(Unavailable, match=r"libnvinfer\.so\.11.*--force-reinstall"):
        flavours.require("tensorrt")
