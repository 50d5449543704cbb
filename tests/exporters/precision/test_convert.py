"""Converted files: valid, with the same borders, and with a reason for every fp32 node."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto

from emogene.contract.errors import Failure
from emogene.exporters.compare import compare, worst
from emogene.exporters.examples import LENGTHS, varying_symbol
from emogene.exporters.precision.convert import BF16_OPSET, convert
from emogene.exporters.precision.graph import HalfPrecision, element_types
from emogene.exporters.precision.half import HalfRunner
from emogene.exporters.tolerances import tolerance
from emogene.runtime.backends.onnxruntime import OnnxRuntimeRunner

from .graphs import elements, graph, node, rng, run_in_onnxruntime, stages_of

PRECISIONS: tuple[HalfPrecision, ...] = ("fp16", "bf16")


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_tiny_stage_holds_its_tolerance_in_half_arithmetic(
    tiny_engines: Path, precision: HalfPrecision
) -> None:
    for stage in stages_of(tiny_engines):
        made = convert(stage.data, precision)
        onnx.checker.check_model(onnx.load_from_string(made.data), full_check=True)
        with HalfRunner(made.data) as half, OnnxRuntimeRunner(stage.path, 1) as true:
            assert half.inputs == stage.signature.inputs
            assert half.outputs == stage.signature.outputs
            lengths = LENGTHS[varying_symbol(stage.signature)]
            found = compare(stage.name, stage.signature, half, true, lengths)
        assert 0 < worst(found) <= tolerance(stage.name, precision).relative_l2, stage.name
        assert len(made.data) < 0.9 * len(stage.data), stage.name


def test_onnxruntime_runs_every_tiny_stage_in_fp16(tiny_engines: Path, tmp_path: Path) -> None:
    for stage in stages_of(tiny_engines):
        path = tmp_path / stage.path.name
        path.write_bytes(convert(stage.data, "fp16").data)
        with OnnxRuntimeRunner(path, 1) as made, OnnxRuntimeRunner(stage.path, 1) as true:
            assert made.inputs == true.inputs and made.outputs == true.outputs
            found = compare(stage.name, stage.signature, made, true, [7_000])
        assert worst(found) <= tolerance(stage.name, "fp16").relative_l2, stage.name


@pytest.mark.parametrize("precision", PRECISIONS)
def test_matrix_products_are_half_and_node_names_stay(
    tiny_engines: Path, precision: HalfPrecision
) -> None:
    for stage in stages_of(tiny_engines):
        before = onnx.load_from_string(stage.data)
        made = convert(stage.data, precision)
        after = onnx.load_from_string(made.data)
        names = [n.name for n in after.graph.node if not n.name.startswith("cast_")]
        assert names == [n.name for n in before.graph.node]
        assert len({n.name for n in after.graph.node}) == len(after.graph.node)
        heavy = {n.name for n in before.graph.node if n.op_type in ("Gemm", "MatMul", "Conv")}
        assert heavy <= set(made.half), stage.name
        assert not set(made.half) & set(made.kept)
        kind = {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}[precision]
        types = element_types(after)
        for one in after.graph.node:
            if one.name in heavy:
                assert {types[n] for n in (*one.input, *one.output)} == {kind}


def test_the_same_file_gives_the_same_bytes(tiny_engines: Path) -> None:
    stage = next(s for s in stages_of(tiny_engines) if s.name == "hubert")
    assert convert(stage.data, "fp16") == convert(stage.data, "fp16")


def test_constants_are_rounded_to_nearest() -> None:
    weights = rng().standard_normal((8, 8)).astype(np.float32)
    data = graph([node("MatMul", "x w", "y")], {"x": ["n", 8]}, {"y": ["n", 8]}, {"w": weights})
    for precision, kind in (("fp16", np.float16), ("bf16", ml_dtypes.bfloat16)):
        made = elements(convert(data, precision).data, "w")
        assert np.array_equal(made.astype(np.float32), weights.astype(kind).astype(np.float32))


def test_a_constant_beyond_the_range_keeps_its_node_in_fp32(tmp_path: Path) -> None:
    data = graph(
        [
            node("MatMul", "x w", "a"),
            node("Where", "c b a", "s"),
            node("MatMul", "s w", "y", "last"),
        ],
        {"x": ["n", 8], "c": ["n", 8]},
        {"y": ["n", 8]},
        {"w": np.eye(8, dtype=np.float32), "b": np.float32(-3.4e38)},
        {"c": TensorProto.BOOL},
    )
    made = convert(data, "fp16")
    assert made.reasons == ("Where: b holds -3.4e+38, beyond the range of fp16",)
    feeds = {"x": np.ones((2, 8), np.float32), "c": np.zeros((2, 8), bool)}
    assert np.array_equal(run_in_onnxruntime(made.data, feeds, tmp_path)["y"], feeds["x"])


def test_small_constants_stay_in_fp32_where_they_are_factors_only() -> None:
    """In a sum over a row, one denormal weight is lost in the others; as a factor it is all."""
    weights = rng().standard_normal((8, 8)).astype(np.float32)
    weights[0, 0] = 1e-7
    data = graph(
        [node("MatMul", "x w", "a"), node("Mul", "a s", "b"), node("MatMul", "b w", "y", "last")],
        {"x": ["n", 8]},
        {"y": ["n", 8]},
        {"w": weights, "s": np.full(8, 1e-7, np.float32)},
    )
    assert convert(data, "fp16").reasons == ("Mul: s holds 1e-07, denormal in fp16",)
    assert convert(data, "bf16").reasons == ()
    tiny = graph(
        [node("MatMul", "x w", "y")], {"x": ["n", 8]}, {"y": ["n", 8]}, {"w": weights * 1e-7}
    )
    assert convert(tiny, "fp16").reasons == ("MatMul: w is lost to denormal numbers in fp16",)


def test_one_constant_may_be_read_in_both_types() -> None:
    data = graph(
        [node("MatMul", "x w", "a"), node("MatMul", "a w", "y", "last")],
        {"x": ["n", 8]},
        {"y": ["n", 8]},
        {"w": np.eye(8, dtype=np.float32)},
    )
    made = convert(data, "fp16", {"last": "asked for"})
    assert made.half == ("MatMul",) and made.kept == {"last": "asked for"}
    names = {t.name: t.data_type for t in onnx.load_from_string(made.data).graph.initializer}
    assert names == {"w": TensorProto.FLOAT, "w__fp16": TensorProto.FLOAT16}


def test_an_output_may_be_read_inside_as_well(tmp_path: Path) -> None:
    data = graph(
        [node("MatMul", "x w", "y"), node("MatMul", "y w", "z", "last")],
        {"x": ["n", 8]},
        {"y": ["n", 8], "z": ["n", 8]},
        {"w": 2 * np.eye(8, dtype=np.float32)},
    )
    x = np.ones((3, 8), np.float32)
    made = run_in_onnxruntime(convert(data, "fp16").data, {"x": x}, tmp_path)
    assert np.array_equal(made["y"], 2 * x) and np.array_equal(made["z"], 4 * x)


def test_an_operator_without_half_stays_in_fp32() -> None:
    data = graph(
        [node("Range", "x k j", "r"), node("Gelu", "r", "g"), node("Relu", "g", "y")],
        {"x": []},
        {"y": ["n"]},
        {"k": np.float32(9), "j": np.float32(1)},
    )
    assert convert(data, "fp16").reasons == ("Range: Range of opset 20 takes no fp16",)


def test_bf16_raises_the_operator_set_and_knows_what_tensorrt_cannot_build(
    tiny_engines: Path,
) -> None:
    stage = next(s for s in stages_of(tiny_engines) if s.name == "audio_to_motion")
    made = convert(stage.data, "bf16")
    assert onnx.load_from_string(made.data).opset_import[0].version == BF16_OPSET
    assert any("cannot build ConvTranspose in bf16" in reason for reason in made.reasons)
    assert onnx.load_from_string(convert(stage.data, "fp16").data).opset_import[0].version == 20


def test_borders_stay_in_fp32(tiny_engines: Path) -> None:
    """Rounded there, a landmark moves in steps of a tenth of a pixel."""
    stage = next(s for s in stages_of(tiny_engines) if s.name == "deformation")
    kept = convert(stage.data, "fp16").reasons
    assert len(kept) == 3
    assert sum("prepares an input" in reason for reason in kept) == 2
    assert sum("finishes an output" in reason for reason in kept) == 1


def test_a_graph_with_branches_is_refused() -> None:
    branch = onnx.helper.make_graph(
        [node("Identity", "x", "b")],
        "branch",
        [],
        [onnx.helper.make_tensor_value_info("b", TensorProto.FLOAT, ["n"])],
    )
    data = graph(
        [node("If", "c", "y", then_branch=branch, else_branch=branch)],
        {"c": [], "x": ["n"]},
        {"y": ["n"]},
        kinds={"c": TensorProto.BOOL},
    )
    with pytest.raises(Failure, match="flat graph, found sub-graphs in If"):
        convert(data, "fp16")
