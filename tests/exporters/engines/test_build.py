"""Real TensorRT-RTX engines, and what is refused before or by the builder."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from emogene.contract.engine_directory import read_manifest
from emogene.contract.engines import LengthProfile
from emogene.contract.errors import BadInput, BadOption, BadOutput, Failure, Unavailable
from emogene.contract.stages import Signature
from emogene.contract.tensors import TensorSpec
from emogene.exporters.engines import build
from emogene.exporters.engines.build import EngineRequest, Progress, build_engine
from emogene.exporters.engines.profiles import default_profile

from . import networks

pytestmark = pytest.mark.usefixtures("rtx")


def test_an_engine_for_three_architectures(mlp: Path, tmp_path: Path, rtx: str) -> None:
    said: list[Progress] = []
    architectures = ("sm_86", "sm_89", "sm_120")
    request = networks.request(mlp, architectures=architectures)
    built = build_engine(request, tmp_path / "e.engine", said.append)
    data = built.path.read_bytes()
    assert (built.size, built.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert built.architectures == architectures and built.tool == f"tensorrt-rtx {rtx}"
    assert built.scratch_bytes > 0 and built.peak_bytes > 10 * built.size and built.seconds > 0
    assert [p.name for p in tmp_path.iterdir()] == ["e.engine"]

    phases = list(dict.fromkeys(p.phase for p in said))
    assert phases[:3] == ["loading", "parsing", "Building engine"] and phases[-1] == "writing"
    fractions = [p.fraction for p in said]
    assert fractions == sorted(fractions) and fractions[0] == 0.0 and fractions[-1] == 0.95
    assert len(set(fractions)) > 10 and {p.stage for p in said} == {"density"}


def test_more_architectures_make_a_larger_engine(mlp: Path, tmp_path: Path) -> None:
    one = build_engine(networks.request(mlp), tmp_path / "one")
    two = build_engine(networks.request(mlp, architectures=("sm_86", "sm_120")), tmp_path / "two")
    assert two.size > one.size


def test_every_stage_of_an_avatar(tiny_engines: Path, tmp_path: Path) -> None:
    manifest = read_manifest(tiny_engines)
    for name, stage in manifest.stages.items():
        request = EngineRequest(
            name,
            tiny_engines / stage.file,
            Signature(stage.inputs, stage.outputs),
            "fp32",
            default_profile(stage.inputs),
            architectures=("sm_89",),
        )
        assert build_engine(request, tmp_path / name).size > 4096, name


def test_an_output_whose_length_follows_from_data(tmp_path: Path) -> None:
    request = EngineRequest(
        "hubert",
        networks.listener(tmp_path / "hubert.onnx"),
        networks.SPEECH,
        "fp32",
        LengthProfile("samples", 400, 16_000, 32_000),
        architectures=("sm_86",),
    )
    assert build_engine(request, tmp_path / "hubert.engine").scratch_bytes > 0


def test_an_operator_it_does_not_know_is_named_with_its_node(tmp_path: Path) -> None:
    signature = Signature(
        (TensorSpec("x", "int32", ("points",)),), (TensorSpec("y", "int32", ("points",)),)
    )
    node = helper.make_node("BitwiseXor", ["x", "x"], ["y"], name="hash_it")
    path = networks.saved(tmp_path / "x.onnx", [node], signature)
    request = networks.request(path, signature=signature)
    with pytest.raises(Failure, match=r"stage density, .*node hash_it \(BitwiseXor\)") as refused:
        build_engine(request, tmp_path / "e.engine")
    assert "UNSUPPORTED_NODE" in refused.value.found
    assert "run this stage with ONNX Runtime; see it again with: echo" in refused.value.remedy
    again = dataclasses.replace(request, command="emogene-export build-engines c -o e")
    with pytest.raises(Failure, match="see it again with: emogene-export build-engines c -o e"):
        build_engine(again, tmp_path / "e.engine")
    assert [p.name for p in tmp_path.iterdir()] == ["x.onnx"]


def test_what_the_builder_says_is_passed_on(mlp: Path, tmp_path: Path) -> None:
    """Half precision is claimed, so sm_75 is admitted, but the file multiplies in float32."""
    request = networks.request(mlp, precision="fp16", architectures=("sm_75",))
    with pytest.raises(Failure, match=r"Turing.*FP32 GEMM is not supported"):
        build_engine(request, tmp_path / "e.engine")
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_none_or_missing(tmp_path: Path) -> None:
    junk = tmp_path / "junk.onnx"
    junk.write_bytes(b"no ONNX file")
    with pytest.raises(BadInput, match=r"junk\.onnx: expected an ONNX file"):
        build_engine(networks.request(junk), tmp_path / "e.engine")
    with pytest.raises(BadInput, match=r"absent\.onnx: expected an ONNX file, found No such file"):
        build_engine(networks.request(tmp_path / "absent.onnx"), tmp_path / "e.engine")
    assert [p.name for p in tmp_path.iterdir()] == ["junk.onnx"]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (TensorSpec("feature", "float32", ("points", 4)), "inputs feature, bias and outputs raw"),
        (
            TensorSpec("features", "float32", ("points", 5)),
            r"input features: .* found float32 \(",
        ),
        (TensorSpec("features", "int32", ("points", 4)), "input features: expected int32"),
    ],
)
def test_tensors_that_are_not_the_files(
    mlp: Path, tmp_path: Path, spec: TensorSpec, said: str
) -> None:
    """TensorRT itself ignores the unknown name, and builds."""
    signature = Signature((spec, networks.ROWS.inputs[1]), networks.ROWS.outputs)
    with pytest.raises(BadInput, match=said):
        build_engine(networks.request(mlp, signature=signature), tmp_path / "e.engine")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "changes",
    [
        {"profile": LengthProfile("points", 9, 4, 16)},
        {"profile": LengthProfile("frames", 1, 4, 16)},
        {"architectures": ("sm_90",)},
        {"architectures": ("sm_75",)},
        {"architectures": ()},
        {"target": "onnxruntime"},
        {"target": "tensorrt", "architectures": ("sm_86",)},
    ],
)
def test_bad_options_start_nothing(
    mlp: Path, tmp_path: Path, changes: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "WORKER", ("false",))
    with pytest.raises(BadOption):
        build_engine(networks.request(mlp, **changes), tmp_path / "e.engine")
    assert not list(tmp_path.iterdir())


def test_too_little_memory_or_disk_starts_nothing(
    mlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "WORKER", ("false",))
    monkeypatch.setattr(build, "available_memory", lambda: 50_000_000)
    with pytest.raises(Unavailable, match=r"about 4.. MB of free memory, found 50 MB"):
        build_engine(networks.request(mlp), tmp_path / "e.engine")
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(BadOutput, match="about 5 MB free for the engine of density, found 1 MB"):
        build_engine(networks.request(mlp), tmp_path / "e.engine")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_does_not_exist(mlp: Path, tmp_path: Path) -> None:
    with pytest.raises(BadOutput, match="its folder does not exist"):
        build_engine(networks.request(mlp), tmp_path / "nowhere" / "e.engine")


def test_another_version_than_the_package_claims(
    mlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "tool_version", lambda target: "9.9.9")
    with pytest.raises(Failure, match=r"version 9\.9\.9, which its package claims"):
        build_engine(networks.request(mlp), tmp_path / "e.engine")


def test_an_engine_that_stood_there_is_replaced_only_on_success(mlp: Path, tmp_path: Path) -> None:
    target = tmp_path / "e.engine"
    target.write_bytes(b"the old engine")
    nonsense = networks.saved(
        tmp_path / "bad.onnx",
        [helper.make_node("MatMul", ["features", "w"], ["raw"], name="wrong_width")],
        networks.ROWS,
        w=np.zeros((5, 3), np.float32),
    )
    with pytest.raises((Failure, BadInput)):
        build_engine(networks.request(nonsense), target)
    assert target.read_bytes() == b"the old engine"
    build_engine(networks.request(mlp), target)
    assert target.read_bytes() != b"the old engine"
