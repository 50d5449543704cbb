"""The pitch trap: nothing that decides an integer may be computed in half."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from emogene.exporters.precision import convert as convert_module
from emogene.exporters.precision.ancestry import deciding_nodes
from emogene.exporters.precision.convert import convert
from emogene.exporters.precision.graph import HalfPrecision, element_types
from emogene.exporters.precision.half import HalfRunner

from .graphs import graph, node, rng, stages_of

BINS, WIDTH, COUNT = 256, 8, 10_000


def pitch_embedding() -> bytes:
    """f0 → log → scale → round → Gather → projection, as networks that take f0 itself have it."""
    return graph(
        [
            node("Div", "f0 c700", "a"),
            node("Add", "a one", "b", "plus_one"),
            node("Log", "b", "mel"),
            node("Mul", "mel scale", "place"),
            node("Round", "place", "rounded"),
            node("Cast", "rounded", "bin", "to_integer", to=TensorProto.INT64),
            node("Gather", "table bin", "row", "embedding"),
            node("MatMul", "row w", "y", "projection"),
        ],
        {"f0": ["n"]},
        {"y": ["n", WIDTH], "bin": ["n"]},
        {
            "c700": np.float32(700),
            "one": np.float32(1),
            "scale": np.float32(170),
            "table": rng().standard_normal((BINS, WIDTH)).astype(np.float32),
            "w": rng().standard_normal((WIDTH, WIDTH)).astype(np.float32),
        },
        {"bin": TensorProto.INT64},
    )


def flips(data: bytes, judged: bytes) -> int:
    f0 = rng().uniform(50, 1_100, COUNT).astype(np.float32)
    with HalfRunner(data) as true, HalfRunner(judged) as half:
        return int(np.sum(true.run({"f0": f0})["bin"] != half.run({"f0": f0})["bin"]))


@pytest.mark.parametrize("precision", ("fp16", "bf16"))
def test_no_index_is_flipped_on_ten_thousand_pitches(precision: HalfPrecision) -> None:
    data = pitch_embedding()
    made = convert(data, precision)
    assert flips(data, made.data) == 0
    assert made.half == ("embedding", "projection")
    assert set(made.kept) == {"Div", "plus_one", "Log", "Mul", "Round", "to_integer"}
    assert made.kept["Log"] == "feeds the integers of Round"


def test_without_the_search_indices_are_flipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the test above would notice."""
    monkeypatch.setattr(convert_module, "deciding_nodes", lambda model, types: {})
    monkeypatch.setattr(convert_module, "border_nodes", lambda model, types: {})
    data = pitch_embedding()
    assert flips(data, convert(data, "fp16").data) > 100


def decided(data: bytes) -> dict[str, str]:
    model = onnx.load_from_string(data)
    return deciding_nodes(model, element_types(model))


def test_a_comparison_that_ends_in_an_index_is_traced_back() -> None:
    data = graph(
        [
            node("Tanh", "x", "t"),
            node("Greater", "t zero", "c"),
            node("Cast", "c", "i", to=TensorProto.INT32),
            node("Gather", "table i", "y"),
        ],
        {"x": ["n"]},
        {"y": ["n", 2]},
        {"zero": np.float32(0), "table": np.eye(2, dtype=np.float32)},
    )
    assert set(decided(data)) == {"Tanh", "Greater", "Cast"}


def test_a_comparison_that_selects_numbers_is_left_alone() -> None:
    """Attention masks and leaky units compare; a flip moves them by a rounding, not by a row."""
    data = graph(
        [node("Greater", "x zero", "c"), node("Where", "c x zero", "y")],
        {"x": ["n"]},
        {"y": ["n"]},
        {"zero": np.float32(0)},
    )
    assert decided(data) == {}


def test_the_largest_of_a_row_is_an_index_too() -> None:
    data = graph(
        [node("Sigmoid", "x", "s"), node("ArgMax", "s", "y", axis=1), node("Relu", "s", "z")],
        {"x": ["n", 4]},
        {"y": ["n", 1], "z": ["n", 4]},
        kinds={"y": TensorProto.INT64},
    )
    assert set(decided(data)) == {"Sigmoid", "ArgMax"}


def test_lengths_are_integers_that_no_value_decides(tiny_engines: Path) -> None:
    for stage in stages_of(tiny_engines):
        assert decided(stage.data) == {}, stage.name
