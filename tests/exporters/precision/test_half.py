"""The judge: it rounds where a GPU does, and ONNX Runtime does not."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto

from emogene.contract.errors import Failure
from emogene.contract.measure import relative_l2
from emogene.exporters.precision.convert import convert
from emogene.exporters.precision.graph import HALF_TYPES, HalfPrecision
from emogene.exporters.precision.half import HalfRunner

from .graphs import Array, graph, node, rng, run_in_onnxruntime

NUMPY: dict[HalfPrecision, type] = {"fp16": np.float16, "bf16": ml_dtypes.bfloat16}


def cancellation() -> bytes:
    """(x W + 2048) - 2048, then W again: in half nothing finer than 2 is left of x."""
    return graph(
        [
            node("MatMul", "x w", "a", "first"),
            node("Add", "a k", "b"),
            node("Sub", "b k", "c"),
            node("MatMul", "c w", "y", "last"),
        ],
        {"x": ["n", 4]},
        {"y": ["n", 4]},
        {"w": np.eye(4, dtype=np.float32), "k": np.float32(2048)},
    )


def test_the_judge_sees_a_cancellation_that_onnxruntime_hides(tmp_path: Path) -> None:
    made = convert(cancellation(), "fp16").data
    x = rng().uniform(-1, 1, (50, 4)).astype(np.float32)
    half = np.float16
    true = ((x.astype(half) + half(2048)) - half(2048)).astype(np.float32)
    with HalfRunner(made) as judge:
        judged = judge.run({"x": x})["y"]
    hidden = run_in_onnxruntime(made, {"x": x}, tmp_path)["y"]
    assert np.array_equal(judged, true)
    assert relative_l2(judged, x) > 0.3
    assert relative_l2(hidden, x) < 1e-3, "ONNX Runtime has become honest: say so in half.py"


@pytest.mark.parametrize("precision", ("fp16", "bf16"))
def test_every_result_is_rounded_to_nearest_even(precision: HalfPrecision) -> None:
    """Against NumPy's own half numbers, over the whole range: denormal, huge, infinite."""
    data = graph(
        [
            node("Relu", "x", "a"),
            node("Gemm", "a w", "b"),
            node("Sqrt", "b", "c"),
            node("Gemm", "c w", "y", "last"),
        ],
        {"x": ["n", 1]},
        {"y": ["n", 1]},
        {"w": np.ones((1, 1), np.float32)},
    )
    kind = NUMPY[precision]
    x = np.exp2(rng().uniform(-30, 20, (20_000, 1))).astype(np.float32)
    x = np.concatenate(
        [x, np.float32([[65504], [65519.9], [65520], [2049], [2051], [6e-8], [2e-8]])]
    )
    with np.errstate(over="ignore"):
        rounded = x.astype(kind).astype(np.float32)
        expected = np.sqrt(rounded).astype(kind).astype(np.float32)
    with HalfRunner(convert(data, precision).data) as judge:
        assert np.array_equal(judge.run({"x": x})["y"], expected)


def test_sums_inside_a_product_are_not_rounded() -> None:
    """2048 ones and one: 2049 in fp32, which rounds to 2048; in halves it would stop far below."""
    data = graph(
        [node("MatMul", "x w", "y")], {"x": ["n", 4097]}, {"y": ["n", 1]},
        {"w": np.ones((4097, 1), np.float32)},
    )  # fmt: skip
    with HalfRunner(convert(data, "fp16").data) as judge:
        found = judge.run({"x": np.ones((1, 4097), np.float32)})["y"]
    assert found[0, 0] == np.float16(4097) == 4096


def test_an_fp32_file_is_run_as_it_is(tmp_path: Path) -> None:
    x = rng().standard_normal((9, 4)).astype(np.float32)
    with HalfRunner(cancellation()) as judge:
        found: Array = judge.run({"x": x})["y"]
    assert np.array_equal(found, run_in_onnxruntime(cancellation(), {"x": x}, tmp_path)["y"])


def test_half_inputs_are_refused() -> None:
    data = graph(
        [node("Relu", "x", "y")], {"x": ["n"]}, {"y": ["n"]},
        kinds={"x": TensorProto.FLOAT16, "y": TensorProto.FLOAT16},
    )  # fmt: skip
    with pytest.raises(Failure, match="tensor x: expected fp32 inputs and outputs, found half"):
        HalfRunner(data)


def test_a_closed_judge_says_so() -> None:
    judge = HalfRunner(cancellation())
    judge.close()
    judge.close()
    with pytest.raises(Failure, match="open runner, found a closed one"):
        judge.run({"x": np.ones((1, 4), np.float32)})


def test_an_operator_nobody_knows_is_named() -> None:
    model = graph([node("Relu", "x", "y")], {"x": ["n"]}, {"y": ["n"]})
    broken = model.replace(b"Relu", b"Rulu")
    with pytest.raises(Failure, match="Rulu"):
        HalfRunner(broken)


def test_the_types_are_those_of_onnx() -> None:
    assert HALF_TYPES == {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}
