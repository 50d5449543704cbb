"""A directory from the tiny avatar: what it holds, and that a failed build changes nothing."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from safetensors.numpy import load, load_file

from emogene.contract.engine_directory import check_files, read_manifest
from emogene.contract.errors import BadCheckpoint, BadOption, BadOutput, Failure, ToleranceMissed
from emogene.contract.stages import REQUIRED_STAGES, Signature
from emogene.contract.weights import weight_specs
from emogene.exporters import exporting
from emogene.exporters.build import BuildOptions, build_engine_directory
from emogene.exporters.examples import LENGTHS, varying_symbol
from emogene.exporters.known_answers import KNOWN_ANSWERS_FILE
from emogene.exporters.report import NAME_WIDTH
from emogene.exporters.stages import LOADERS, stage_signatures
from emogene.exporters.weights import weights_bytes
from emogene.reference.avatar import ReferenceAvatar
from emogene.reference.tiny import tiny
from emogene.runtime.loading import load_engine_directory

from .directories import copied, fingerprint


@pytest.fixture
def exported_before(tiny_engines: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tracing is slow: take the files that stand in the tiny directory instead."""

    def read(stage: str, module: object, signature: Signature) -> bytes:
        return (tiny_engines / "stages" / f"{stage}.onnx").read_bytes()

    monkeypatch.setattr(exporting, "onnx_bytes", read)
    return tiny_engines


def tampered(data: bytes, factor: float = 1.001) -> bytes:
    """An ONNX file with its largest weight multiplied by ``factor``."""
    model = onnx.load_model_from_string(data)
    weight = max(model.graph.initializer, key=lambda w: w.ByteSize())
    values = numpy_helper.to_array(weight) * np.float32(factor)
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    return bytes(model.SerializeToString())


def test_a_reader_without_surface_grids_is_kept_out(tiny_engines: Path) -> None:
    manifest = read_manifest(tiny_engines)
    assert manifest.field.surface and "surface_grids" in manifest.requires


def test_the_manifest_describes_what_is_there(tiny_engines: Path) -> None:
    manifest = read_manifest(tiny_engines)
    check_files(tiny_engines, manifest)
    assert set(manifest.stages) == set(REQUIRED_STAGES)
    assert set(manifest.files) == {p for p in fingerprint(tiny_engines) if _hashed(p)}
    assert "LICENSE-NOTES.md" in manifest.files and manifest.licence.startswith("Random numbers")
    assert manifest.name == "tiny" and manifest.tools["torch"] and len(manifest.checkpoint) == 64
    for name, stage in manifest.stages.items():
        assert stage.file == f"stages/{name}.onnx" and stage.precision == "fp32"
        assert 0 <= stage.error.relative_l2 <= 1e-5 == stage.error.tolerance
        symbol = varying_symbol(Signature(stage.inputs, stage.outputs))
        assert stage.error.lengths == LENGTHS[symbol]


def _hashed(path: str) -> bool:
    return path != "manifest.json" and not path.startswith("reports/")


def test_every_declared_axis_is_symbolic_in_every_file(tiny_engines: Path) -> None:
    for name, signature in stage_signatures(tiny()).items():
        graph = onnx.load(tiny_engines / "stages" / f"{name}.onnx").graph
        for specs, values in ((signature.inputs, graph.input), (signature.outputs, graph.output)):
            for spec, value in zip(specs, values, strict=True):
                dims = value.type.tensor_type.shape.dim
                found = tuple(d.dim_param or d.dim_value for d in dims)
                assert (value.name, found) == (spec.name, spec.shape), name


def test_the_pitch_enters_as_integers(tiny_engines: Path) -> None:
    graph = onnx.load(tiny_engines / "stages" / "audio_to_motion.onnx").graph
    pitch = next(v for v in graph.input if v.name == "pitch_bins")
    assert pitch.type.tensor_type.elem_type == onnx.TensorProto.INT32


def test_no_file_names_the_machine_it_was_made_on(
    tiny_engines: Path, tiny_checkpoints: Path
) -> None:
    secrets = (str(tiny_checkpoints), str(Path.home()), str(Path.cwd()), "site-packages", '.py"')
    for path in sorted(tiny_engines.rglob("*")):
        if path.is_file():
            for secret in secrets:
                assert secret.encode() not in path.read_bytes(), (path.name, secret)


def test_weights_are_the_avatars(tiny_engines: Path, tiny_checkpoints: Path) -> None:
    avatar = ReferenceAvatar.load(tiny_checkpoints)
    weights = load_file(tiny_engines / "weights.safetensors")
    head, torso, card = avatar.head.spec, avatar.torso.spec, avatar.card
    assert set(weight_specs(head, torso, card.motion, card.camera)) <= set(weights)
    for field in (avatar.head, avatar.torso):
        for name, tensor in field.state_dict().items():
            if not name.startswith("condition."):
                assert np.array_equal(weights[name].astype(tensor.numpy().dtype), tensor.numpy())
    assert np.array_equal(weights["poses"], avatar.poses)
    assert not [name for name in weights if name.startswith(("condition.", "low", "high"))]


def test_half_tables_stay_half_and_lose_nothing(tmp_path: Path) -> None:
    tiny().save(tmp_path / "half", half=True)
    whole, half = tiny(), ReferenceAvatar.load(tmp_path / "half")
    assert load(weights_bytes(whole))["skin.table"].dtype == np.float32
    table = load(weights_bytes(half))["skin.table"]
    assert table.dtype == np.float16
    assert np.array_equal(table.astype(np.float32), half.head.get_submodule("skin").table.detach())


def test_a_wrong_tensor_is_the_checkpoints_fault() -> None:
    avatar = tiny()
    cut = np.ascontiguousarray(avatar.background[1:, 1:])
    wrong = replace(avatar, tensors={**avatar.tensors, "background": cut})
    with pytest.raises(BadCheckpoint, match=r"background is uint8 .*train the field again"):
        weights_bytes(wrong)


def test_the_runtime_loads_it(tiny_engines: Path) -> None:
    loaded = load_engine_directory(tiny_engines, 1)
    assert set(loaded.runners) == set(REQUIRED_STAGES)
    loaded.close()


def test_reports_say_what_was_measured(tiny_engines: Path) -> None:
    report = json.loads((tiny_engines / "reports" / "report.json").read_text("ascii"))
    assert report["passed"] is True and report["avatar"] == "tiny"
    assert [s["stage"] for s in report["stages"]] == list(stage_signatures(tiny()))
    for stage in report["stages"]:
        assert stage["relative_l2"] <= stage["tolerance"] == 1e-5 and len(stage["reason"]) > 40
        assert len({o["length"] for o in stage["outputs"]}) >= 3
        assert all(o["nan_count"] == 0 for o in stage["outputs"])
        assert all(o["max_abs_over_scale"] < 1e-4 for o in stage["outputs"])
    condition = next(s for s in report["stages"] if s["stage"] == "condition")
    assert {o["output"] for o in condition["outputs"]} == {"density_bias", "colour_bias"}
    text = (tiny_engines / "reports" / "report.md").read_text("utf-8")
    assert "9 of 9 stages are within their tolerance" in text and "| ✓ | hubert | fp32 |" in text


def test_lines_are_printed_as_stages_pass(
    tiny_checkpoints: Path, exported_before: Path, tmp_path: Path
) -> None:
    lines: list[str] = []
    begun: list[tuple[str, int, int]] = []
    build_engine_directory(
        tiny_checkpoints,
        tmp_path / "e",
        BuildOptions(only=("density",)),
        lambda *at: begun.append(at),
        lambda report: lines.append(report.line()),
    )
    assert begun == [("exporting density", 0, 1)]
    (line,) = lines
    assert line.startswith("[✓] density           fp32  rel L2 ")
    assert line.endswith(" ≤ 1e-05  (points 1, 777, 4096)")
    assert not (tmp_path / "e").exists(), "one stage is no directory"


def test_a_stage_that_misses_leaves_the_old_directory_alone(
    tiny_checkpoints: Path,
    exported_before: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = copied(exported_before, tmp_path / "e")
    before = fingerprint(target)

    def wrong(stage: str, module: object, signature: Signature) -> bytes:
        data = (exported_before / "stages" / f"{stage}.onnx").read_bytes()
        return tampered(data) if stage == "colour" else data

    monkeypatch.setattr(exporting, "onnx_bytes", wrong)
    lines: list[str] = []
    options = BuildOptions(command="emogene-export build-engines c/ -o e/")
    with pytest.raises(ToleranceMissed) as missed:
        build_engine_directory(
            tiny_checkpoints, target, options, finished=lambda r: lines.append(r.line())
        )
    assert "emogene-export build-engines c/ -o e/ --stage colour" in str(missed.value)
    assert missed.value.exit_code == 1
    assert len(lines) == 9, "the other stages are still measured"
    assert [line[:10] for line in lines if line.startswith("[✗]")] == ["[✗] colour"]
    assert fingerprint(target) == before
    assert [p.name for p in tmp_path.iterdir()] == ["e"], "nothing is left behind"


def test_a_build_that_breaks_leaves_nothing(
    tiny_checkpoints: Path,
    exported_before: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(stage: str, module: object, signature: Signature) -> bytes:
        if stage == "torso_colour":
            raise Failure("stage torso_colour", expected="a graph", found="none")
        return (exported_before / "stages" / f"{stage}.onnx").read_bytes()

    monkeypatch.setattr(exporting, "onnx_bytes", broken)
    with pytest.raises(Failure):
        build_engine_directory(tiny_checkpoints, tmp_path / "e")
    assert list(tmp_path.iterdir()) == []


def test_rebuilding_gives_the_same_bytes(
    tiny_checkpoints: Path, exported_before: Path, tmp_path: Path
) -> None:
    """Apart from the reports, which hold times."""
    build_engine_directory(tiny_checkpoints, tmp_path / "e")
    again, before = fingerprint(tmp_path / "e"), fingerprint(exported_before)
    assert set(again) == set(before)
    different = {p for p in again if again[p] != before[p]}
    assert different <= {"reports/report.json", "reports/report.md"}


def test_another_avatar_is_replaced_only_by_force(
    tiny_checkpoints: Path, exported_before: Path, tmp_path: Path
) -> None:
    renamed = tmp_path / "checkpoints"
    shutil.copytree(tiny_checkpoints, renamed)
    card = json.loads((renamed / "avatar.json").read_text())
    (renamed / "avatar.json").write_text(json.dumps({**card, "name": "somebody"}))
    target = copied(exported_before, tmp_path / "e")
    with pytest.raises(BadOutput, match=r"the avatar 'tiny' — .*--force"):
        build_engine_directory(renamed, target)
    assert read_manifest(target).name == "tiny"
    build_engine_directory(renamed, target, BuildOptions(force=True))
    assert read_manifest(target).name == "somebody"


def test_a_damaged_directory_can_be_rebuilt(
    tiny_checkpoints: Path, exported_before: Path, tmp_path: Path
) -> None:
    target = copied(exported_before, tmp_path / "e")
    (target / "manifest.json").write_bytes(b"{")
    build_engine_directory(tiny_checkpoints, target)
    check_files(target, read_manifest(target))


def test_other_peoples_files_stay(tiny_checkpoints: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(BadOutput, match="other files"):
        build_engine_directory(tiny_checkpoints, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_unknown_stage_and_missing_checkpoints(tiny_checkpoints: Path, tmp_path: Path) -> None:
    with pytest.raises(BadOption, match=r"expected one of hubert, .*found desnity"):
        build_engine_directory(tiny_checkpoints, tmp_path / "e", BuildOptions(only=("desnity",)))
    with pytest.raises(BadCheckpoint, match="nothing there"):
        build_engine_directory(tmp_path / "nowhere", tmp_path / "e")
    assert list(tmp_path.iterdir()) == []


def test_answers_are_small(tiny_engines: Path) -> None:
    assert (tiny_engines / KNOWN_ANSWERS_FILE).stat().st_size < 400_000


def test_the_column_of_names_holds_the_longest() -> None:
    assert max(map(len, LOADERS)) == NAME_WIDTH
