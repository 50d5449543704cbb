"""The GPU benchmark without a GPU: what it says, what it imports, and a dry run on the model of
one, whose kernels are compiled for the host."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from benchmarks.gpu import floors, peaks, report, run, sanitizer, scenes
from benchmarks.gpu.__main__ import NO_GPU
from benchmarks.gpu.steps import SANITIZERS, Options, steps
from benchmarks.roofline import FrameCounts

from emogene.kernels.gpu import nvrtc
from emogene.kernels.gpu.specification import all_grids, all_networks

from .model_gpu import make, make_wrong

ROOT = Path(__file__).parents[2]
OPTIONS = Options((12,), 3600, seed=1, check_size=12)

needs_nvrtc = pytest.mark.skipif(bool(nvrtc.missing()), reason="NVRTC is not installed")

BARE = """
import importlib, pkgutil, sys

REFUSED = {"av", "librosa", "soundfile", "soxr", "onnxruntime", "safetensors", "onnx", "scipy"}
REFUSED |= {"rich", "typer", "transformers", "numba", "matplotlib", "PIL", "yaml", "pytest"}

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
from benchmarks.gpu import scenes, session
from emogene.kernels.gpu.field_memory import model_arrays
scene = scenes.make_scene("realtime", 1)
frame = scene.frame(8, 2)
assert model_arrays(scene.field, scene.weights, scene.torso.spec)[3].max() > 0
assert session.reference(scene).render(frame.inputs(), frame.background).samples > 0
assert type(session.reference(scene)).__module__.endswith("kernels.reference.fused")
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


def test_from_a_source_tree_that_lost_its_links(tmp_path: Path) -> None:
    for part in ("benchmarks", "contract", "kernels"):
        (tmp_path / part).symlink_to(ROOT / part)
    package = tmp_path / "src" / "emogene"
    package.mkdir(parents=True)
    package.joinpath("__init__.py").write_bytes((ROOT / "src/emogene/__init__.py").read_bytes())
    (package / "kernels").write_text("../../kernels")  # as a system without links has it
    copied = tmp_path / "here" / "benchmarks"
    copied.mkdir(parents=True)
    copied.joinpath("__init__.py").write_bytes((ROOT / "benchmarks/__init__.py").read_bytes())
    for name in ("contract", "kernels", "src"):
        (tmp_path / "here" / name).symlink_to(tmp_path / name)
    code = "import benchmarks, emogene.kernels.gpu.resources as n; print(n.__file__)"
    # -S: without the site-packages, in which the package is installed.
    done = subprocess.run(
        [
            sys.executable,
            "-S",
            "-c",
            f"import sys; sys.path.append({str(copied.parent)!r}); {code}",
        ],
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "here/kernels/gpu/resources.py")


@needs_nvrtc
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90", "sm_120"])
def test_the_measuring_kernels_compile(architecture: str) -> None:
    made = nvrtc.compile_cubin(peaks.measure_unit(), architecture)
    assert [k.name for k in made.kernels] == [
        *("copy_bytes", "half_products", "multiply_adds", "random_loads"),
    ]
    assert not any(k.spill_loads or k.stack for k in made.kernels)


@pytest.fixture
def folder(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    shared = tmp_path_factory.getbasetemp() / "gpu"  # kernels are compiled once for all tests
    shared.mkdir(exist_ok=True)
    monkeypatch.setattr(tempfile, "tempdir", str(shared))
    monkeypatch.setenv("EMOGENE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def on_the_model(
    monkeypatch: pytest.MonkeyPatch, wanted: Callable[[str], bool], make: Any, folder: Path
) -> dict[str, Any]:
    """The steps with wanted names, without haste."""
    made = [dataclasses.replace(s, seconds=900) for s in steps(OPTIONS) if wanted(s.name)]
    monkeypatch.setattr(run, "steps", lambda options: iter(made))
    result = run.measure(OPTIONS, folder / "result.json", make)
    assert not result["given_up"], result["given_up"]
    assert json.loads((folder / "result.json").read_text()) == result
    return result


@needs_nvrtc
def test_a_dry_run(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the real bindings; tensor cores take long here, and have tests of their own."""
    result = on_the_model(
        monkeypatch, lambda name: "authors" not in name and "fused" not in name, make, folder
    )
    assert all(c["passed"] for c in result["checks"]), result["checks"]
    assert result["gpu"]["name"] == "Model GPU" and result["gpu"]["nvrtc"] == nvrtc.version()
    told = [c["name"] for c in result["checks"]]
    scene = scenes.make_scene("realtime", 1)
    for network in all_networks(scene.field, scene.torso.spec):
        assert f"network {network.name}, realtime" in told
        assert f"tensor cores {network.name}, realtime" in told
    for grid in all_grids(scene.field, scene.torso.spec):
        assert f"grid {grid.name}, realtime" in told and f"halves {grid.name}, realtime" in told
    assert "wavefront equals plain, realtime" in told
    compiled = [c["name"] for c in result["compiled"]]
    assert compiled == ["plain, realtime", "wavefront, realtime"]
    renderers = ["PyTorch reference", "plain", "wavefront"]
    assert [f["renderer"] for f in result["frames"]] == renderers
    for frame in result["frames"][1:]:
        # PyTorch rounds positions otherwise: a sample across a cell's border is much in 144
        # pixels. The checks above are on identical samples.
        assert frame["psnr"] > 25 and frame["samples"] > frame["rays"] > 20
        assert frame["streams"] == int(40 / frame["ms"]) and frame["floor_ms"] > 0
    out = capsys.readouterr().out
    assert "| operations ms | reached | bytes ms | reached |" in out
    assert "skipped: compute-sanitizer memcheck: it is not installed" in out
    assert "| realtime | 12² | plain |" in out
    page = folder / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    (folder / "result.json").write_text(json.dumps(result))
    monkeypatch.setattr(sys, "argv", ["report", str(folder / "result.json"), str(page)])
    report.main()
    text = page.read_text()
    assert text.startswith(f"before\n{report.BEGIN}\n") and "old" not in text
    assert "| realtime | 12² | plain |" in text and text.endswith(f"{report.END}\nafter\n")


@needs_nvrtc
def test_a_wrong_kernel_is_noticed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = ("operations, realtime", "reference, realtime", "plain, realtime")
    result = on_the_model(monkeypatch, lambda name: name in wanted, make_wrong, folder)
    wrong = {c["name"] for c in result["checks"] if not c["passed"]}
    asked = ("plain", "numbers of samples", "distances", "grid torso", "bytes")
    assert wrong == {f"{name}, realtime" for name in asked} and not run.right(result)
    assert capsys.readouterr().out.count("| ✗ |") == len(wrong)


def test_nvidias_checkers_are_run_and_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "compute-sanitizer"
    tool.write_text(
        """#!/bin/sh
case "$*" in
"--tool memcheck --error-exitcode 9 "*"benchmarks.gpu --checks-only --here --seed 5 "*" 16 "*150)
    echo "========= ERROR SUMMARY: 0 errors" ;;
"--tool racecheck"*)
    echo "========= RACECHECK SUMMARY: 2 hazards displayed"; exit 9 ;;
*) exec sleep 60 ;;
esac
"""
    )
    tool.chmod(0o755)
    monkeypatch.setattr(sanitizer, "find_sanitizer", lambda: str(tool))
    (memory,), (races,) = (
        next(sanitizer.sanitize(kind, 5, tmp_path))["checks"] for kind in SANITIZERS
    )
    assert memory == {
        "name": "compute-sanitizer memcheck",
        "passed": True,
        "found": "ERROR SUMMARY: 0 errors",
    }
    assert not races["passed"] and "2 hazards" in races["found"]
    monkeypatch.setattr(sanitizer, "SECONDS", 0.1)
    (part,) = sanitizer.sanitize("initcheck", 5, tmp_path)
    assert part == {"skipped": ["compute-sanitizer initcheck: took longer than 0.1 s"]}


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
