"""What the tests of GPU kernels share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from emogene.kernels.gpu import nvrtc
from emogene.kernels.gpu.opening import open_gpu
from emogene.kernels.gpu.protocol import Gpu

from ...runtime.fake_cuda import Machine
from . import fake_pycuda
from .host_kernels import HASTY


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where kernels compiled for the host and cubins are kept: each is made once."""
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    """The model of a driver and its GPU, in place of the real one."""
    made = Machine()
    made.install(monkeypatch, tmp_path)
    return made


@pytest.fixture
def gpu(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Gpu]:
    """The model's, by cuda-python or the parameter; all must have been given back at the end."""
    fake_pycuda.install(monkeypatch)
    with open_gpu(getattr(request, "param", "cuda-python")) as opened:
        yield opened
    assert not machine.allocations and not machine.graphs and not machine.streams


@pytest.fixture
def hastily(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile cubins in less time, where only names and parameters are read of them."""
    monkeypatch.setattr(nvrtc, "STANDARD_OPTIONS", HASTY)
