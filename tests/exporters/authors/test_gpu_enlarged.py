"""Imported avatars whose pictures are enlarged by a network, on the models of a GPU and of
TensorRT: painted by kernels, enlarged where they lie or by way of the host."""

from __future__ import annotations

import gc
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import emogene
from emogene.contract.data import Condition
from emogene.contract.engine_directory import read_manifest
from emogene.contract.errors import Failure
from emogene.contract.manifest import WEIGHTS_FILE
from emogene.contract.measure import psnr
from emogene.contract.weights import POSES
from emogene.exporters.inspection import inspect_engine_directory
from emogene.kernels.gpu import nvrtc
from emogene.kernels.gpu.plain import PlainField
from emogene.runtime.backends.tensorrt import TensorRtRunner
from emogene.runtime.render import gpu
from tests.kernels.gpu.host_kernels import HASTY, kernels_of_kind
from tests.runtime.engine_fixtures import add_engines, resign
from tests.runtime.fake_cuda import Machine
from tests.runtime.fake_tensorrt import install

pytestmark = pytest.mark.skipif(bool(nvrtc.missing()), reason="NVRTC is not installed")

VERSION = "1.7.1.116"


@pytest.fixture
def directory(imported_engines: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(imported_engines, tmp_path / "e"))
    add_engines(folder, version=VERSION)
    return folder


@pytest.fixture
def machine(
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Machine:
    made = Machine()
    install(made, monkeypatch, tmp_path, rtx=VERSION)
    monkeypatch.setattr(nvrtc, "STANDARD_OPTIONS", HASTY)
    monkeypatch.setattr(gpu, "KINDS", {"plain": PlainField})
    manifest = read_manifest(directory)
    folder = tmp_path_factory.getbasetemp() / "kernels-enlarged"
    made.kernels.update(kernels_of_kind("plain", manifest.field, manifest.torso, folder))
    return made


def frame(avatar: emogene.Avatar, seed: int = 1) -> tuple[Condition, np.ndarray]:
    """A face in a filmed pose."""
    rng, weights = np.random.default_rng(seed), avatar._loaded.weights
    face = rng.normal(0, 0.3, (1, 68, 3)).astype(np.float32)
    windows = rng.normal(size=(1, avatar.manifest.motion.window, 204)).astype(np.float32)
    eyes = np.float32([0.3]) if avatar.manifest.motion.eyes is not None else None
    return Condition(face, windows, face.reshape(1, -1), 0, eyes), weights[POSES][3]


def test_an_engine_reads_pictures_where_they_lie(
    machine: Machine, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = (32, 128)  # the field's 64 pixels are those of the picture that was tried
    with emogene.open(directory, threads=1, renderer="wavefront") as avatar:
        asked = frame(avatar)
        wanted = [avatar.renderer(size, "exact").render(*asked).image for size in sizes]
    with emogene.open(directory, threads=1, renderer="gpu", backend="onnxruntime-cpu") as avatar:
        assert avatar.renderer(32).name == "gpu (plain, sm_86), enlarged by onnxruntime-cpu"
        through = [avatar.renderer(size, "exact").render(*asked).image for size in sizes]
    run = TensorRtRunner.run

    def refusing(runner: TensorRtRunner, values: Any) -> Any:
        assert "picture" not in values, "the picture went by way of the host"
        return run(runner, values)

    monkeypatch.setattr(TensorRtRunner, "run", refusing)
    with emogene.open(directory, threads=1, strict=True) as avatar:
        choice = avatar.renderer_choice
        assert (choice.used, choice.beside) == ("gpu", "")
        renderers = [avatar.renderer(size, "exact") for size in sizes]
        assert renderers[0].name == "gpu (plain, sm_86), enlarged by tensorrt-rtx"
        lying = [renderer.render(*asked).image for renderer in renderers]
        other = renderers[0].render(*frame(avatar, seed=2)).image
        again = renderers[0].render(*asked).image
    assert np.array_equal(again, lying[0]) and not np.array_equal(other, again)
    for right, by_host, by_engine in zip(wanted, through, lying, strict=True):
        assert right.shape == by_host.shape == by_engine.shape and right.std() > 10
        assert psnr(by_host, right) > 65 and psnr(by_engine, right) > 65
    # Closed with the avatar, though somebody holds its renderers.
    gc.collect()
    assert not machine.allocations and not machine.graphs and not machine.streams
    assert renderers


def test_a_picture_larger_than_the_engine_takes(
    machine: Machine, imported_engines: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(imported_engines, tmp_path / "small"))
    stages = read_manifest(folder).stages
    add_engines(folder, stages=[s for s in stages if s != "super_resolution"], version=VERSION)
    add_engines(folder, stages=["super_resolution"], version=VERSION, most=16)
    with emogene.open(folder, threads=1) as avatar:
        renderer, asked = avatar.renderer(64), frame(avatar)
        with pytest.raises(Failure, match="1 to 16 side") as caught:
            renderer.render(*asked)
        assert "\n" not in str(caught.value)
        assert avatar.renderer(32).render(*asked).image.shape == (32, 32, 3)
    gc.collect()
    assert not machine.allocations and not machine.graphs and not machine.streams


def test_the_directorys_engines_see_the_heads_code(
    machine: Machine, directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    manifest = read_manifest(directory)
    assert manifest.torso.head_code
    folder = tmp_path_factory.getbasetemp() / "kernels-enlarged"
    machine.kernels.update(kernels_of_kind("wavefront", manifest.field, manifest.torso, folder))
    for kernel in [k for k in machine.kernels if k.startswith("run_")]:
        del machine.kernels[kernel]  # a launch would fail
    with emogene.open(directory, threads=1, renderer="wavefront") as avatar:
        asked = frame(avatar)
        wanted = avatar.renderer(32, "exact").render(*asked).image
    with emogene.open(directory, threads=1, renderer="gpu-wavefront-engines") as avatar:
        found = avatar.renderer(32, "exact").render(*asked).image
    assert psnr(found, wanted) > 65


def test_a_torso_that_kernels_do_not_paint(machine: Machine, directory: Path) -> None:
    """Its head's code has no tensors here: kernels paint the head, networks the rest."""
    tensors = load_file(directory / WEIGHTS_FILE)
    kept = {n: t for n, t in tensors.items() if not n.startswith("head_encoder.")}
    save_file(kept, directory / WEIGHTS_FILE)
    resign(directory)
    manifest = read_manifest(directory)
    machine.kernels.update(
        kernels_of_kind("plain", manifest.field, None, directory.parent / "kernels")
    )
    said = "the directory's weights lack head_encoder.0.bias (16,)"
    assert inspect_engine_directory(directory)["gpu_kernels_paint"] == (
        f"the head, networks the rest: {said}"
    )
    with emogene.open(directory, threads=1, renderer="wavefront") as avatar:
        asked = frame(avatar)
        wanted = avatar.renderer(32, "exact").render(*asked).image
    with emogene.open(directory, threads=1, strict=True) as avatar:
        choice = avatar.renderer_choice
        assert (choice.used, choice.beside, choice.fallback) == ("gpu", said, "")
        renderer = avatar.renderer(32, "exact")
        assert renderer.name == "head by gpu (plain, sm_86)"
        assert psnr(renderer.render(*asked).image, wanted) > 65
    gc.collect()
    assert not machine.allocations and not machine.graphs and not machine.streams
