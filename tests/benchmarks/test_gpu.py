"""The GPU benchmark without a GPU: what it says, what it imports, and a dry run on the model of
one, whose kernels are compiled for the host."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.gpu import asks, floors, peaks, report, run, scenes
from benchmarks.gpu.__main__ import NO_GPU, main
from benchmarks.roofline import FrameCounts

from emogene.kernels.gpu import nvrtc
from emogene.kernels.gpu.plain import PlainField, plain_program
from emogene.kernels.gpu.specification import all_grids, all_networks
from tests.kernels.gpu.host_kernels import WARPS, host_kernels
from tests.runtime.fake_cuda import Machine

ROOT = Path(__file__).parents[2]

BARE = """
import importlib, pkgutil, sys

REFUSED = {"av", "librosa", "soundfile", "soxr", "onnxruntime", "safetensors", "onnx", "scipy"}

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in REFUSED:
            raise ImportError(f"{name} is not on this machine")

sys.meta_path.insert(0, Refuse())
for part in ("emogene.contract", "emogene.kernels", "benchmarks.gpu"):
    package = importlib.import_module(part)
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
from benchmarks.gpu import run, scenes
from emogene.kernels.gpu.field_memory import model_arrays
scene = scenes.make_scene("realtime", 1)
frame = scene.frame(8, 2)
assert model_arrays(scene.field, scene.weights, scene.torso.spec)[3].max() > 0
assert run._reference(scene).render(frame.inputs(), frame.background).samples > 0
from benchmarks.gpu.__main__ import main
sys.exit(main([]))
"""


def without_a_gpu() -> bool:
    return not Path("/dev/nvidia0").exists()


@pytest.mark.skipif(not without_a_gpu(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_and_needs_little() -> None:
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"}
    environment["EMOGENE_KERNELS_LIBRARY"] = "/nowhere"  # it was not compiled either
    done = subprocess.run(
        [sys.executable, "-c", BARE], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == NO_GPU == 3, done.stderr
    assert done.stdout == "" and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("no GPU to measure: ")


@pytest.mark.skipif(bool(nvrtc.missing()), reason="NVRTC is not installed")
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90", "sm_120"])
def test_the_measuring_kernels_compile(architecture: str) -> None:
    made = nvrtc.compile_cubin(peaks.measure_unit(), architecture)
    assert [k.name for k in made.kernels] == [
        *("copy_bytes", "half_products", "multiply_adds", "random_loads"),
    ]
    assert not any(k.spill_loads or k.stack for k in made.kernels)


@pytest.fixture
def machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Machine:
    """A GPU whose own kernels do nothing and whose renderers are real."""
    made = Machine()
    made.install(monkeypatch, tmp_path)
    monkeypatch.setattr(scenes, "STEPS", 1.5)
    monkeypatch.setattr(run, "CHECK_SIZE", 16)
    monkeypatch.setattr(run, "RUNS", 2)
    monkeypatch.setattr(run, "REFERENCE_RUNS", 1)
    # The tensor cores' kernels take long on the host; they have tests of their own.
    monkeypatch.setattr(run, "RENDERERS", {"plain": PlainField})
    monkeypatch.setattr(run, "sanitizer", lambda: None)
    # Of the cubin only names and parameters are read.
    hasty = (*nvrtc.STANDARD_OPTIONS, "--Ofast-compile=max")
    monkeypatch.setattr(nvrtc, "STANDARD_OPTIONS", hasty)
    for name in ("copy_bytes", "half_products", "multiply_adds", "random_loads"):
        made.kernels[name] = lambda *launch: None
    real = run.make_scene

    def make_scene(name: str, seed: int) -> scenes.GpuScene:
        """Its kernels replace those of the scene before."""
        scene = real(name, seed)
        unit = plain_program(scene.field, scene.torso.spec).unit
        folder = tmp_path_factory.getbasetemp()
        made.kernels.update(host_kernels(unit, ("bake_nodes", "paint_pixels"), folder))
        asked = asks.ask_unit(scene.field, scene.torso.spec, made.architecture)
        names = re.findall(r"__global__ void (\w+)", asked.text)
        meeting = tuple(name for name in names if name.startswith("ask_tensor_"))
        alone = tuple(name for name in names if name not in meeting)
        made.kernels.update(host_kernels(asked, meeting, folder, WARPS, alone))
        return scene

    monkeypatch.setattr(run, "make_scene", make_scene)
    return made


@pytest.mark.skipif(bool(nvrtc.missing()), reason="NVRTC is not installed")
def test_a_dry_run(
    machine: Machine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        run, "measure_peaks", lambda gpu: peaks.measure_peaks(gpu, copied=1 << 21, loops=16)
    )
    result = run.measure(run.Options((12,), 100.0, seed=1), device="cpu")
    assert all(c["passed"] for c in result["checks"]), result["checks"]
    told = [c["name"] for c in result["checks"]]
    for name in scenes.SCENES:
        scene = scenes.make_scene(name, 1)
        for network in all_networks(scene.field, scene.torso.spec):
            assert f"network {network.name}, {name}" in told
            assert f"tensor cores {network.name}, {name}" in told
        for grid in all_grids(scene.field, scene.torso.spec):
            assert f"grid {grid.name}, {name}" in told and f"halves {grid.name}, {name}" in told
        for renderer in run.RENDERERS:
            assert f"{renderer}, {name}" in told
    assert [(f["scene"], f["renderer"]) for f in result["frames"]] == [
        (scene, renderer)
        for scene in scenes.SCENES
        for renderer in ("PyTorch reference", *run.RENDERERS)
    ]
    for frame in result["frames"]:
        if frame["renderer"] != "PyTorch reference":
            # PyTorch rounds positions otherwise: a sample across a cell's border is much in 144
            # pixels. The checks above are on identical samples.
            assert frame["psnr"] > 25 and frame["samples"] > frame["rays"] > 20
            assert frame["streams"] == int(40 / frame["ms"]) and frame["floor_ms"] > 0
    assert json.loads(json.dumps(result)) == result
    out = capsys.readouterr().out
    assert "| operations ms | reached | bytes ms | reached |" in out
    assert "compute-sanitizer is not here" in out and "| realtime | 12² | plain |" in out
    page = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"
    head, rest = page.split(report.BEGIN)
    assert report.block(result).startswith(report.BEGIN) and head and rest
    assert not machine.allocations


@pytest.mark.skipif(bool(nvrtc.missing()), reason="NVRTC is not installed")
def test_a_wrong_kernel_is_noticed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = run.make_scene

    def spoiled(name: str, seed: int) -> Any:
        scene = real(name, seed)
        for kernel in ("paint_pixels", "ask_march", "ask_grid_torso", "ask_blend"):
            machine.kernels[kernel] = lambda *launch: None  # poison stays
        return scene

    monkeypatch.setattr(run, "make_scene", spoiled)
    assert main(["--checks-only", "--seed", "1"]) == 1
    out = capsys.readouterr().out
    wrong = ("plain", "numbers of samples", "distances", "grid torso", "bytes")
    assert out.count("✗") == 2 * len(wrong)
    for name in wrong:
        assert f"| {name}, realtime | ✗ |" in out and f"| {name}, authors | ✗ |" in out


def test_nvidias_checkers_are_run_and_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "compute-sanitizer"
    tool.write_text(
        """#!/bin/sh
case "$*" in
"--tool memcheck --error-exitcode 9 "*"-m benchmarks.gpu --checks-only --seed 5 --check-size 16")
    echo "========= ERROR SUMMARY: 0 errors" ;;
*) echo "========= RACECHECK SUMMARY: 2 hazards displayed"; exit 9 ;;
esac
"""
    )
    tool.chmod(0o755)
    monkeypatch.setattr(run, "sanitizer", lambda: str(tool))
    memory, races = run._sanitized(5)
    assert memory == {
        "name": "compute-sanitizer memcheck",
        "passed": True,
        "found": "ERROR SUMMARY: 0 errors",
    }
    assert not races["passed"] and "2 hazards" in races["found"]


def test_floors() -> None:
    """A frame of a thousand samples, by hand."""
    scene = scenes.make_scene("authors", 1)
    field, torso = scene.field, scene.torso.spec
    rates = peaks.GpuPeaks(100.0, 10.0, 1000.0, 2000.0)
    made = floors.floors(field, torso, scene.weights, FrameCounts(1000, 0, 0), 4, rates)
    networks = sum(n.multiply_adds for n in field.networks)
    reading = 2 * 16 * 8 * 2  # two grids of sixteen levels: corners and features
    assert made.operations == pytest.approx(1e-6 * 2 * 1000 * (networks / 2000 + reading / 1000))
    assert made.loads == pytest.approx(1e-6 * 1000 * 2 * 16 * 4 / 10)
    floats = sum(w.size for w in scene.weights.values() if w.dtype.kind == "f")
    bits = sum(w.nbytes for w in scene.weights.values() if w.dtype.kind == "u")
    assert made.bytes == pytest.approx(1e-6 * (2 * floats + bits + 6 * 16) / 100)
    assert made.most == max(made.operations, made.loads, made.bytes)
