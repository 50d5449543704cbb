"""Precisions and engines of the tiny avatar: real TensorRT-RTX engines, built without a GPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from emogene.contract.engine_directory import check_files, read_manifest
from emogene.contract.errors import BadOption, Failure, ToleranceMissed, Unavailable
from emogene.exporters import end_to_end_step, engine_step, precision_step
from emogene.exporters.bench import bench_engine_directory
from emogene.exporters.build import BuildOptions, build_engine_directory
from emogene.exporters.diff import diff_engine_directories
from emogene.exporters.engine_step import EngineOptions
from emogene.exporters.engines.flavours import FLAVOURS
from emogene.exporters.precision_step import PrecisionOptions, parse_precisions
from emogene.exporters.rebuild import (
    rebuild_engine_directory,
    wanted_architectures,
    wanted_targets,
)
from emogene.exporters.report import NotExecuted, measured
from emogene.exporters.verify import complete_report, verify_engine_directory
from emogene.runtime.backends import flavours
from emogene.runtime.backends.driver import find_driver

from .conftest import Built
from .directories import copied, fingerprint

NO_GPU = not find_driver().gpus


def test_the_manifest_names_variants_and_engines(built: Built) -> None:
    manifest = read_manifest(built.folder)
    check_files(built.folder, manifest)
    assert {(v.stage, v.precision) for v in manifest.variants} == {
        ("density", "fp16"),
        ("deformation", "fp16"),
    }
    for variant in manifest.variants:
        assert variant.error is not None
        assert 1e-6 < variant.error.relative_l2 <= variant.error.tolerance == 5e-3
    assert {e.stage for e in manifest.engines} == set(manifest.stages)
    for engine in manifest.engines:
        half = engine.stage in ("density", "deformation")
        assert engine.precision == ("fp16" if half else "fp32")
        assert engine.source.endswith(".fp16.onnx") == half and engine.source in manifest.files
        assert engine.architectures == ("sm_86", "sm_120") and len(engine.key) == 64
        assert engine.tool.startswith("tensorrt-rtx ") and engine.scratch_bytes >= 0
        assert (engine.error is None) == NO_GPU


def test_reports_tell_executed_from_not_executed(built: Built) -> None:
    report = json.loads((built.folder / "reports" / "report.json").read_text("ascii"))
    executed = {(s["stage"], s["precision"], s["target"]) for s in report["stages"]}
    assert ("density", "fp16", "onnxruntime") in executed and report["passed"] is True
    waiting = report["not_executed"]
    assert len(waiting) == (9 if NO_GPU else 0)
    assert all(w["target"] == "tensorrt-rtx" and w["why"] for w in waiting)
    assert all("passed" not in w for w in waiting)
    seen = report["end_to_end"]
    assert seen["passed"] and seen["stages"] == ["deformation", "density"]
    assert 0 < seen["landmark_px_max"] <= 0.1 and seen["psnr_db_min"] >= 45
    text = (built.folder / "reports" / "report.md").read_text("utf-8")
    assert "| ✓ | density | fp16 | onnxruntime |" in text and "End to end" in text
    assert ("not executed" in text) == NO_GPU


def test_a_build_with_nothing_changed_needs_no_torch_and_two_seconds(
    built: Built, tmp_path: Path
) -> None:
    """In a process that cannot import PyTorch, timed by itself."""
    program = f"""
import sys, time
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "onnxscript", "transformers"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
begun = time.process_time()
from pathlib import Path
from emogene.exporters.build import BuildOptions, build_engine_directory
from emogene.exporters.engine_step import EngineOptions
from emogene.exporters.precision_step import PrecisionOptions
options = BuildOptions(
    precision=PrecisionOptions("fp32", {{"density": "fp16", "deformation": "auto"}}),
    engines=EngineOptions(("onnxruntime", "tensorrt-rtx"), ("sm_86", "sm_120")),
    cache=Path({str(built.options.cache)!r}),
)
build_engine_directory(Path({str(built.checkpoints)!r}), Path({str(tmp_path / "e")!r}), options)
print(time.process_time() - begun)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 2.0
    again, before = fingerprint(tmp_path / "e"), fingerprint(built.folder)
    different = {p for p in {*again, *before} if again.get(p) != before.get(p)}
    assert different <= {"reports/report.json", "reports/report.md"}


def test_misses_name_what_changed(built: Built, tmp_path: Path) -> None:
    notes: list[str] = []
    engines = EngineOptions(("onnxruntime", "tensorrt-rtx"), ("sm_86",))
    options = BuildOptions(engines=engines, cache=built.options.cache)
    stages = read_manifest(built.folder).stages
    build_engine_directory(built.checkpoints, tmp_path / "e", options, noted=notes.append)
    assert f"cache: {len(stages)} exported stages found" in notes
    assert any("architectures changed" in n and "sm_120" in n for n in notes), notes


def test_verify_lists_what_it_cannot_run_and_completes_the_report(
    built: Built, tmp_path: Path
) -> None:
    folder = copied(built.folder, tmp_path / "e")
    reports = verify_engine_directory(folder)
    assert all(r.passed for r in measured(reports)) and len(reports) == 9 + 2 + 9
    waiting = [r for r in reports if isinstance(r, NotExecuted)]
    assert len(waiting) == (9 if NO_GPU else 0)
    assert all(w.line().startswith("[–] ") and "not executed" in w.line() for w in waiting)
    complete_report(folder, reports)
    manifest = read_manifest(folder)
    assert all((e.error is None) == NO_GPU for e in manifest.engines)
    report = json.loads((folder / "reports" / "report.json").read_bytes())
    assert report["verified_on"]["architecture"] and report["end_to_end"]["passed"]
    assert not [p for p in folder.rglob(".*")], "nothing half-written is left"


def test_rebuild_for_another_gpu_keeps_everything_else(built: Built, tmp_path: Path) -> None:
    folder = copied(built.folder, tmp_path / "e")
    assert wanted_targets(folder, ()) == ("onnxruntime", "tensorrt-rtx")
    assert wanted_architectures(folder, ()) == ("sm_86", "sm_120")
    options = EngineOptions(("tensorrt-rtx",), ("sm_89",))
    rebuild_engine_directory(folder, options)
    before, after = read_manifest(built.folder), read_manifest(folder)
    assert {e.architectures for e in after.engines} == {("sm_89",)}
    assert after.variants == before.variants and after.stages == before.stages
    kept = {n: e for n, e in after.files.items() if not n.startswith("engines/")}
    assert kept == {n: e for n, e in before.files.items() if not n.startswith("engines/")}
    found = diff_engine_directories(built.folder, folder)
    assert not found["same"] and not found["sections"]
    assert {n["target"] for n in found["networks"]} == {"tensorrt-rtx"}


def test_a_wrong_sm_leaves_the_directory_as_it_was(built: Built, tmp_path: Path) -> None:
    folder = copied(built.folder, tmp_path / "e")
    before = fingerprint(folder)
    for wrong, said in ((("sm_90",), "Hopper"), (("sm_75",), "only does so in fp16")):
        with pytest.raises(BadOption, match=said):
            rebuild_engine_directory(folder, EngineOptions(("tensorrt-rtx",), wrong))
    assert fingerprint(folder) == before and [p.name for p in tmp_path.iterdir()] == ["e"]


def test_a_missing_library_is_named_with_its_remedy(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied(built.folder, tmp_path / "e")
    before = fingerprint(folder)
    monkeypatch.setattr(flavours, "module_name", lambda flavour: None)
    with pytest.raises(Unavailable, match="not installed"):
        rebuild_engine_directory(folder, EngineOptions(("tensorrt-rtx",), ("sm_86",)))
    assert fingerprint(folder) == before
    assert engine_step.buildable_targets() == ("onnxruntime",)
    assert set(FLAVOURS) == {"tensorrt", "tensorrt-rtx"}


def test_diff_of_a_directory_with_itself_and_without_engines(
    built: Built, tiny_engines: Path
) -> None:
    assert diff_engine_directories(built.folder, built.folder)["same"] is True
    found = diff_engine_directories(tiny_engines, built.folder)
    assert found["sections"] == {} and {n["change"] for n in found["networks"]} == {"added"}
    assert len(found["networks"]) == 2 + 9 and found["size_bytes"][0] < found["size_bytes"][1]
    half = [n for n in found["networks"] if n["target"] == "onnxruntime"]
    assert all(n["precision"] == "fp16" and n["new"]["relative_l2"] > 0 for n in half)
    assert all(f["change"] == "added" for f in found["files"])


def test_bench_times_what_runs_and_says_what_does_not(built: Built) -> None:
    rows = bench_engine_directory(built.folder, seconds=0.0)
    assert len(rows) == 9 + 2 + 9
    for row in rows:
        if row["target"] == "onnxruntime" or not NO_GPU:
            assert row["median_ms"] > 0 and row["p90_ms"] >= row["median_ms"] and row["runs"] >= 5
        else:
            assert row["backend"] is None and row["median_ms"] is None and row["why"]


def test_precisions_are_parsed_or_refused() -> None:
    made = parse_precisions(["auto", "density=fp16"], True)
    assert made.of("density") == "fp16" and made.of("colour") == "auto" and made.int8_hubert
    assert parse_precisions([], False) == PrecisionOptions()
    for wrong in (["fp8"], ["=fp16"], ["density=half"], ["auto", "fp16"], ["a=fp16", "a=fp32"]):
        with pytest.raises(BadOption, match="--precision"):
            parse_precisions(wrong, False)


def test_an_unknown_stage_has_no_precision(built: Built, tmp_path: Path) -> None:
    options = BuildOptions(
        precision=PrecisionOptions("fp32", {"desnity": "fp16"}), cache=built.options.cache
    )
    with pytest.raises(BadOption, match="desnity"):
        build_engine_directory(built.checkpoints, tmp_path / "e", options)
    assert list(tmp_path.iterdir()) == []


def test_what_moves_too_far_end_to_end_is_refused(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import emogene.exporters.precision.end_to_end as seen

    target = copied(built.folder, tmp_path / "e")
    before = fingerprint(target)
    monkeypatch.setattr(seen, "PX_LIMIT", -1.0)
    monkeypatch.setattr(end_to_end_step, "source_hash", lambda *parts: "another")
    options = BuildOptions(
        precision=PrecisionOptions("fp32", {"density": "fp16"}),
        cache=built.options.cache,
        command="emogene-export build-engines c -o e --precision density=fp16",
    )
    with pytest.raises(ToleranceMissed, match=r"see it again with: .*density=fp16"):
        build_engine_directory(built.checkpoints, target, options)
    assert fingerprint(target) == before


def test_a_precision_that_misses_names_the_command(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emogene.exporters.tolerances import TOLERANCES, Tolerance

    table = {**TOLERANCES, ("fp16", "colour"): Tolerance(1e-9, "Nothing is this close.")}
    monkeypatch.setattr("emogene.exporters.tolerances.TOLERANCES", table)
    monkeypatch.setattr(precision_step, "source_hash", lambda *parts: "another")
    options = BuildOptions(
        precision=PrecisionOptions("fp32", {"colour": "fp16"}),
        cache=built.options.cache,
        command="emogene-export build-engines c -o e --precision colour=fp16",
    )
    lines: list[str] = []
    with pytest.raises(ToleranceMissed, match="--precision colour=auto") as missed:
        build_engine_directory(
            built.checkpoints, tmp_path / "e", options, finished=lambda r: lines.append(r.line())
        )
    assert missed.value.exit_code == 1 and isinstance(missed.value, Failure)
    assert any(line.startswith("[✗] colour            fp16") for line in lines)
    assert list(tmp_path.iterdir()) == []
