"""Avatars that paint on the model of a GPU, whose kernels are compiled for the host."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import emogene
from emogene.contract.engine_directory import read_manifest
from emogene.contract.errors import Failure, Unavailable
from emogene.kernels.gpu import nvrtc
from emogene.kernels.gpu.plain import PlainField, plain_program
from emogene.runtime.commands import RendererOption
from emogene.runtime.render import gpu
from emogene.runtime.render.choice import GPU_KINDS, RENDERERS, choose_renderer
from emogene.runtime.render.gpu import GpuRenderer
from emogene.runtime.render.gpu_path import GpuPath
from tests.kernels.gpu.host_kernels import host_kernels

from .fake_cuda import Machine

pytestmark = pytest.mark.skipif(bool(nvrtc.missing()), reason="NVRTC is not installed")

WORKS = GpuPath(True, "Model GPU by cuda-python", "", True, "cuda-python", "sm_86")
BROKEN = GpuPath(False, "NVRTC is not installed", "pip install it", True, "cuda-python", "sm_86")
ABSENT = GpuPath(False, "no libcuda.so.1", "install a driver")


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("host-kernels")


@pytest.fixture
def directory(tiny_engines: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_engines, tmp_path / "e"))


@pytest.fixture
def machine(
    directory: Path, compiled: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Machine:
    made = Machine()
    made.install(monkeypatch, tmp_path)
    # The tensor cores' kernels take long on the host; they have tests of their own.
    monkeypatch.setattr(gpu, "KINDS", {"plain": PlainField})
    monkeypatch.setenv("EMOGENE_CACHE", str(compiled / "cache"))
    manifest = read_manifest(directory)
    unit = plain_program(manifest.field, manifest.torso).unit
    made.kernels.update(host_kernels(unit, ("bake_nodes", "paint_pixels"), compiled))
    return made


def frames(avatar: emogene.Avatar, speech: Any) -> list[np.ndarray]:
    return [frame.image for frame in avatar.render(speech[:8000], size=24, quality="exact")]


def test_an_avatar_paints_on_the_gpu(machine: Machine, directory: Path, speech: Any) -> None:
    with emogene.open(directory, threads=1, renderer="fused") as avatar:
        expected = frames(avatar, speech)
    with emogene.open(directory, threads=1, strict=True) as avatar:
        assert avatar.renderer_choice.used == "gpu" and not avatar.renderer_choice.fallback
        assert "Model GPU by cuda-python" in avatar.renderer_choice.why
        with avatar.session(size=24) as session:
            assert session.renderer == "gpu (plain, sm_86)"
        found = frames(avatar, speech)
        assert machine.log.count("cuStreamBeginCapture") == 2  # a size each, the trial's too
    assert len(found) == len(expected) > 10
    for one, other in zip(found, expected, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1
    assert not machine.allocations and not machine.graphs
    assert machine.log.count("cuDevicePrimaryCtxRelease") == 1


def test_a_picture_may_stay_there(machine: Machine, directory: Path) -> None:
    with emogene.open(directory, threads=1) as avatar:
        renderer = avatar.renderer(24, "exact")
        assert isinstance(renderer, GpuRenderer)
        painted: dict[str, Any] = {}
        real = renderer.render

        def caught(condition: Any, pose: Any) -> Any:
            painted.update(condition=condition, pose=pose)
            return real(condition, pose)

        renderer.render = caught  # type: ignore[method-assign]
        with avatar.session(size=24, quality="exact") as session:
            session.push(np.zeros(6400, np.float32))
            session.flush()
            last = [frame.image for frame in session][-1]
        lying = renderer.lying(painted["condition"], painted["pose"])
        assert lying.__cuda_array_interface__["shape"] == (24, 24, 3)
        assert np.array_equal(lying.numpy(), last)


def lost(avatar: emogene.Avatar) -> str:
    assert avatar.renderer_choice.used == "fused"
    return avatar.renderer_choice.fallback


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda machine, patch: patch.setattr(machine, "kernels", {}), "cuLaunchKernel.* 719"),
        (
            lambda machine, patch: machine.kernels.update(paint_pixels=lambda *launch: None),
            r"the picture that the CPU paints, to 50 dB, found another one",
        ),
        (lambda machine, patch: patch.setattr(machine, "memory", 4096), "memory of the GPU"),
        (
            lambda machine, patch: patch.setattr(nvrtc, "missing", lambda: "not installed"),
            "no cubins for sm_86 are, and NVRTC is not installed",
        ),
    ],
)
def test_a_gpu_that_does_not_work_is_given_up_loudly(
    machine: Machine,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Machine, pytest.MonkeyPatch], None],
    said: str,
) -> None:
    spoil(machine, monkeypatch)
    with emogene.open(directory, threads=1) as avatar:
        assert re.search(said, lost(avatar)), lost(avatar)
    with pytest.raises(Unavailable, match="as --strict wants no other") as caught:
        emogene.open(directory, threads=1, strict=True)
    assert "\n" not in str(caught.value)
    with pytest.raises((Failure, Unavailable), match=said):
        emogene.open(directory, threads=1, renderer="gpu")
    assert not machine.allocations


def test_who_asks_for_the_cpu_gets_it(machine: Machine, directory: Path) -> None:
    for options in ({"backend": "onnxruntime-cpu"}, {"renderer": "fused"}):
        with emogene.open(directory, threads=1, strict=True, **options) as avatar:
            assert avatar.renderer_choice.used == "fused" and not lost(avatar)


def test_choosing(directory: Path) -> None:
    with emogene.open(directory, threads=1) as avatar:
        manifest, weights = avatar.manifest, avatar._loaded.weights

    def choose(asked: str = "auto", on_cpu: bool = True, **options: Any) -> tuple[str, str]:
        made = choose_renderer(asked, manifest, weights, on_cpu=on_cpu, **options)
        return made.used, made.fallback

    assert choose(gpu=WORKS) == choose("gpu", gpu=WORKS) == ("gpu", "")
    assert choose(on_cpu=False, gpu=WORKS) == ("gpu", "")
    assert choose(gpu=ABSENT) == choose() == ("fused", "")
    assert choose(gpu=BROKEN) == ("fused", BROKEN.found)
    assert choose(on_cpu=False, gpu=BROKEN) == ("wavefront", BROKEN.found)
    assert choose("wavefront", gpu=WORKS) == ("wavefront", "")
    assert choose(gpu=WORKS, recast={"density"}) == ("wavefront", "")
    for name, kernels in GPU_KINDS.items():
        chosen = choose_renderer(name, manifest, weights, on_cpu=True, gpu=WORKS)
        assert (chosen.used, chosen.kernels) == ("gpu", kernels)
        with pytest.raises(Unavailable, match="gpu renderer: expected a GPU to use"):
            choose(name, gpu=ABSENT)
    assert {option.value for option in RendererOption} == set(RENDERERS)
    for path in (BROKEN, ABSENT):
        with pytest.raises(Unavailable, match=f"gpu renderer: .*{path.found} — {path.remedy}"):
            choose("gpu", gpu=path)
    with pytest.raises(
        Unavailable, match="gpu renderer: expected an avatar and a marching it takes"
    ):
        choose("gpu", gpu=WORKS, marching="authors")


class Unfit(PlainField):
    """A faster kind that this GPU cannot run."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        raise Unavailable("shared memory", expected="200 KiB a block", found="99 KiB")


def test_a_faster_kind_that_does_not_fit(
    machine: Machine, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "KINDS", {"swift": Unfit, "plain": PlainField})
    with emogene.open(directory, threads=1) as avatar:
        choice = avatar.renderer_choice
        assert choice.used == "gpu"
        assert choice.fallback == (
            "swift kernels: shared memory: expected 200 KiB a block, found 99 KiB"
        )
        assert avatar.renderer(24).name == "gpu (plain, sm_86)"
    with pytest.raises(Unavailable, match="its fastest kernels, as --strict wants no others"):
        emogene.open(directory, threads=1, strict=True)
    assert not machine.allocations
