"""Verification needs no PyTorch and finds every kind of damage."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from emogene.contract.engine_directory import read_manifest
from emogene.contract.errors import BadEngineDirectory, ToleranceMissed
from emogene.exporters.inspection import inspect_engine_directory, stage_order
from emogene.exporters.known_answers import KNOWN_ANSWERS_FILE
from emogene.exporters.verify import verify_engine_directory

from .directories import copied, fingerprint, forge_hashes
from .test_build import tampered


def test_all_stages_pass_in_the_order_of_a_frame(tiny_engines: Path) -> None:
    reports = verify_engine_directory(tiny_engines)
    assert [r.stage for r in reports] == stage_order(read_manifest(tiny_engines).stages)
    assert all(r.passed and len(r.lengths) >= 3 for r in reports)


def test_without_torch_or_onnx(tiny_engines: Path) -> None:
    """In a process that refuses to import what a product does not have."""
    program = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "onnx", "onnxscript", "transformers"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
from pathlib import Path
from emogene.exporters.verify import verify_engine_directory
print(len(verify_engine_directory(Path({str(tiny_engines)!r}))))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "9"), done.stderr


def test_a_flipped_byte_in_any_file_is_found(tiny_engines: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    folder = copied(tiny_engines, tmp_path / "e")
    files = [f for f in fingerprint(folder) if not f.startswith("reports/")]
    assert len(files) >= 13
    for name in files:
        path = folder / name
        good = path.read_bytes()
        for place in (0, len(good) - 1, *rng.integers(0, len(good), 6)):
            bad = bytearray(good)
            bad[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(bytes(bad))
            with pytest.raises(BadEngineDirectory):
                verify_engine_directory(folder)
        path.write_bytes(good)
    verify_engine_directory(folder)


def test_a_flip_in_the_reports_is_nobodys_business(tiny_engines: Path, tmp_path: Path) -> None:
    folder = copied(tiny_engines, tmp_path / "e")
    (folder / "reports" / "report.md").write_text("edited")
    assert len(verify_engine_directory(folder)) == 9


@pytest.mark.parametrize("cut", ["all", "half", "gone"])
def test_truncated_and_missing_files(tiny_engines: Path, tmp_path: Path, cut: str) -> None:
    for name in ("stages/hubert.onnx", "weights.safetensors", KNOWN_ANSWERS_FILE):
        folder = copied(tiny_engines, tmp_path / f"{Path(name).name}")
        path = folder / name
        data = path.read_bytes()
        path.unlink()
        if cut != "gone":
            path.write_bytes(data[: len(data) // 2] if cut == "half" else b"")
        with pytest.raises(BadEngineDirectory) as refused:
            verify_engine_directory(folder)
        assert refused.value.thing == str(path)
        assert "emogene-export build-engines" in refused.value.remedy


# The random avatar hardly moves: its landmarks are nearly all resting face.
@pytest.mark.parametrize(
    ("stage", "factor"), [("hubert", 1.001), ("audio_to_motion", 1.5), ("density", 1.001)]
)
def test_a_changed_weight_fails_even_with_honest_hashes(
    tiny_engines: Path, tmp_path: Path, stage: str, factor: float
) -> None:
    folder = copied(tiny_engines, tmp_path / "e")
    path = folder / "stages" / f"{stage}.onnx"
    path.write_bytes(tampered(path.read_bytes(), factor))
    with pytest.raises(BadEngineDirectory):
        verify_engine_directory(folder)
    forge_hashes(folder)
    with pytest.raises(ToleranceMissed, match=f"stage {stage}"):
        verify_engine_directory(folder)


def recorded(folder: Path, stage: str, **changes: Any) -> None:
    """Another measured error of one stage in an otherwise honest manifest."""
    manifest = read_manifest(folder)
    spec = manifest.stages[stage]
    error = dataclasses.replace(spec.error, **changes)
    stages = {**manifest.stages, stage: dataclasses.replace(spec, error=error)}
    forged = dataclasses.replace(manifest, stages=stages)
    (folder / "manifest.json").write_bytes(forged.to_bytes())


def test_a_directory_cannot_loosen_its_own_tolerance(tiny_engines: Path, tmp_path: Path) -> None:
    folder = copied(tiny_engines, tmp_path / "e")
    path = folder / "stages" / "density.onnx"
    path.write_bytes(tampered(path.read_bytes(), 1.001))
    recorded(folder, "density", tolerance=1e9)
    forge_hashes(folder)
    with pytest.raises(ToleranceMissed, match=r"stage density.*within 1e-05"):
        verify_engine_directory(folder)


def test_a_stricter_recorded_tolerance_holds(tiny_engines: Path, tmp_path: Path) -> None:
    folder = copied(tiny_engines, tmp_path / "e")
    recorded(folder, "density", tolerance=1e-12)
    with pytest.raises(ToleranceMissed, match=r"stage density.*within 1e-12"):
        verify_engine_directory(folder)


def test_no_lengths_prove_nothing(tiny_engines: Path, tmp_path: Path) -> None:
    folder = copied(tiny_engines, tmp_path / "e")
    recorded(folder, "density", lengths=())
    with pytest.raises(BadEngineDirectory, match=r"density\.onnx: expected a length.*found none"):
        verify_engine_directory(folder)


def test_answers_that_do_not_belong_fail(tiny_engines: Path, tmp_path: Path) -> None:
    folder = copied(tiny_engines, tmp_path / "e")
    kept = load_file(folder / KNOWN_ANSWERS_FILE)
    first = next(iter(kept))
    save_file({**kept, first: kept[first] + 1}, folder / KNOWN_ANSWERS_FILE)
    forge_hashes(folder)
    with pytest.raises(ToleranceMissed):
        verify_engine_directory(folder)
    del kept[first]
    save_file(kept, folder / KNOWN_ANSWERS_FILE)
    forge_hashes(folder)
    with pytest.raises(BadEngineDirectory, match=first):
        verify_engine_directory(folder)
    (folder / KNOWN_ANSWERS_FILE).unlink()
    forge_hashes(folder)
    with pytest.raises(BadEngineDirectory, match="outputs of the reference"):
        verify_engine_directory(folder)


def test_a_path_that_climbs_out_is_refused(tiny_engines: Path, tmp_path: Path) -> None:
    folder = copied(tiny_engines, tmp_path / "e")
    outside = tmp_path / "outside.onnx"
    outside.write_bytes((folder / "stages" / "density.onnx").read_bytes())
    manifest = read_manifest(folder)
    for name in ("../outside.onnx", str(outside)):
        stages = dict(manifest.stages)
        stages["density"] = dataclasses.replace(stages["density"], file=name)
        files = {**manifest.files, name: manifest.files["stages/density.onnx"]}
        forged = dataclasses.replace(manifest, stages=stages, files=files)
        (folder / "manifest.json").write_bytes(forged.to_bytes())
        with pytest.raises(BadEngineDirectory, match="paths inside the directory"):
            verify_engine_directory(folder)
        with pytest.raises(BadEngineDirectory, match="paths inside the directory"):
            inspect_engine_directory(folder)


def test_a_link_out_of_the_directory_is_refused(tiny_engines: Path, tmp_path: Path) -> None:
    folder = copied(tiny_engines, tmp_path / "e")
    path = folder / "stages" / "density.onnx"
    outside = tmp_path / "outside.onnx"
    os.rename(path, outside)
    path.symlink_to(outside)
    with pytest.raises(BadEngineDirectory, match="paths inside the directory"):
        verify_engine_directory(folder)
