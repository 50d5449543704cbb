"""Engines in frames that the GPU paints in rounds, on the models of TensorRT and of a GPU."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import emogene
from emogene.contract.engine_directory import read_manifest
from emogene.contract.errors import Failure, Unavailable
from emogene.kernels.gpu import nvrtc
from emogene.kernels.gpu.specification import networks_by_role
from emogene.runtime.render.gpu_engines import engine_networks
from tests.kernels.gpu.host_kernels import wavefront_kernels

from .engine_fixtures import add_engines
from .fake_cuda import Machine
from .fake_tensorrt import install

pytestmark = pytest.mark.skipif(bool(nvrtc.missing()), reason="NVRTC is not installed")

VERSION = "1.7.1.116"


@pytest.fixture
def directory(tiny_engines: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_engines, tmp_path / "e"))


@pytest.fixture
def machine(
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Machine]:
    """A GPU with TensorRT-RTX on it; nothing may be left on it."""
    made = Machine()
    install(made, monkeypatch, tmp_path, rtx=VERSION)
    manifest = read_manifest(directory)
    folder = tmp_path_factory.getbasetemp() / "engines-in-rounds"
    made.kernels.update(wavefront_kernels(manifest.field, manifest.torso, folder))
    yield made
    gc.collect()
    assert not made.allocations and not made.graphs and not made.streams


def add_all_engines(directory: Path) -> None:
    """Engines of every stage; those that frames in rounds ask take up to 4096 rows."""
    manifest = read_manifest(directory)
    asked = networks_by_role(manifest.field, manifest.torso)
    add_engines(directory, stages=[s for s in manifest.stages if s not in asked])
    add_engines(directory, stages=asked, most=4096)


def frames(avatar: emogene.Avatar, speech: Any) -> list[np.ndarray]:
    return [frame.image for frame in avatar.render(speech[:4000], size=24, quality="exact")]


def test_engines_give_what_our_own_networks_give(
    machine: Machine, directory: Path, speech: Any
) -> None:
    add_all_engines(directory)
    with emogene.open(directory, threads=1, renderer="gpu-wavefront") as avatar:
        assert avatar.renderer_choice.used == "gpu"
        expected = frames(avatar, speech)
        machine.log.clear()
        again = frames(avatar, speech)
        # Our own kernel: no engine runs for pictures, only for what they are of.
        assert machine.log.count("cuGraphLaunch") == len(again)
    name = "gpu-wavefront-engines"
    for kernel in [k for k in machine.kernels if k.startswith("run_")]:
        del machine.kernels[kernel]  # a launch would fail
    with emogene.open(directory, threads=1, strict=True, renderer=name) as avatar:
        assert avatar.choice.used == "tensorrt-rtx"
        found = frames(avatar, speech)
        assert avatar.renderer(24).name == "gpu (wavefront-engines, sm_86)"
    assert len(found) == len(expected) > 4
    for one, other, same in zip(found, expected, again, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1 and np.array_equal(other, same)
    assert any((one != other).any() for one, other in pairwise(found))


def test_a_chunk_is_as_large_as_the_engines_take(
    machine: Machine, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_all_engines(directory)
    with emogene.open(directory, threads=1, renderer="fused", backend="tensorrt-rtx") as avatar:
        loaded = avatar._loaded
        fields = (loaded.manifest.field, loaded.manifest.torso)
        networks, most = engine_networks(*fields, loaded.runners)
        assert most == 4096 and "density" in networks and "torso_colour" in networks
        with pytest.raises(Failure, match="1 to 4096 points"):
            networks["density"].bind(5000, 256, 256, 256)


def test_without_engines_it_is_refused(machine: Machine, directory: Path) -> None:
    with pytest.raises(Unavailable, match=r"engines in the wavefront kernels.*run by") as caught:
        emogene.open(directory, threads=1, renderer="gpu-wavefront-engines")
    assert "\n" not in str(caught.value)
