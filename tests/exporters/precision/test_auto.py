"""Precision found by trying: what fits, what must stay, and that the reasons are told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

from emogene.contract.measure import relative_l2
from emogene.contract.stages import Signature
from emogene.exporters.precision import auto
from emogene.exporters.precision.auto import at_precision, choose
from emogene.exporters.precision.half import HalfRunner
from emogene.exporters.tolerances import Tolerance
from emogene.runtime.backends.onnxruntime import OnnxRuntimeRunner

from .graphs import graph, node, rng, rows, stages_of

WIDTH = 16
SIGNATURE = Signature((rows("x", WIDTH),), (rows("y", WIDTH),))


def planted(count: int, offset: float, spoilt: str = "middle") -> bytes:
    """A chain of products with a sum that is lost in half: a + offset - offset."""
    nodes, at = [], "x"
    for k in range(count):
        nodes.append(node("MatMul", f"{at} w", f"p{k}", f"product_{k}"))
        nodes.append(node("Tanh", f"p{k}", f"t{k}", f"tanh_{k}"))
        at = f"t{k}"
        if k == count // 2:
            nodes.append(node("Add", f"{at} k", f"{spoilt}_up", f"{spoilt}_add"))
            nodes.append(node("Sub", f"{spoilt}_up k", f"{spoilt}_down", f"{spoilt}_sub"))
            at = f"{spoilt}_down"
    nodes.append(node("MatMul", f"{at} w", "y", "last"))
    weights = (rng().standard_normal((WIDTH, WIDTH)) / np.sqrt(WIDTH)).astype(np.float32)
    shape = ["points", WIDTH]
    return graph(nodes, {"x": shape}, {"y": shape}, {"w": weights, "k": np.float32(offset)})


@pytest.fixture
def reference(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OnnxRuntimeRunner]:
    path = tmp_path / "fp32.onnx"
    path.write_bytes(request.param)
    with OnnxRuntimeRunner(path, 1) as runner:
        yield runner


def test_every_tiny_stage_is_fp16_and_says_why(tiny_engines: Path) -> None:
    for stage in stages_of(tiny_engines):
        with OnnxRuntimeRunner(stage.path, 1) as true:
            choice = choose(stage.name, stage.data, stage.signature, true)
        assert choice.precision == "fp16" and choice.passed, stage.name
        assert len(choice.error.lengths) >= 3
        assert 0 < choice.error.relative_l2 <= choice.error.tolerance == 5e-3
        assert choice.reason.startswith("fp16: ") and "≤ 5e-03 in half arithmetic" in choice.reason


@pytest.mark.parametrize("reference", [planted(4, 300.0)], indirect=True)
def test_a_planted_bad_node_is_found_and_kept(reference: OnnxRuntimeRunner) -> None:
    data = planted(4, 300.0)
    asked = at_precision("planted", data, SIGNATURE, reference, "fp16")
    assert asked.error.relative_l2 > 5e-3 and not asked.passed
    told: list[str] = []
    choice = choose("planted", data, SIGNATURE, reference, trial=told.append)
    assert choice.precision == "fp16" and choice.passed
    kept = {reason.partition(":")[0] for reason in choice.kept}
    assert {"middle_add"} <= kept <= {"middle_add", "middle_sub"}
    assert any("in fp16 it alone adds an error of" in reason for reason in choice.kept)
    assert "all in fp16" in told and any("alone in fp16" in what for what in told)
    x = rng().standard_normal((500, WIDTH)).astype(np.float32)
    with HalfRunner(choice.data) as half:
        assert relative_l2(half.run({"x": x})["y"], reference.run({"x": x})["y"]) < 5e-3
    names = {n.name for n in onnx.load_from_string(choice.data).graph.node}
    assert "product_0" in names


@pytest.mark.parametrize("reference", [planted(4, 300.0)], indirect=True)
def test_many_nodes_are_judged_in_runs_of_neighbours(
    reference: OnnxRuntimeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auto, "MOST_TRIALS", 4)
    told: list[str] = []
    choice = choose("planted", planted(4, 300.0), SIGNATURE, reference, trial=told.append)
    assert choice.passed and choice.precision == "fp16"
    assert sum("alone in fp16" in what for what in told) == 4
    assert any("with 2 neighbours" in reason for reason in choice.kept)


@pytest.mark.parametrize("reference", [planted(2, 1.0)], indirect=True)
def test_a_stage_that_bears_nothing_stays_fp32(reference: OnnxRuntimeRunner) -> None:
    data, strict = planted(2, 1.0), Tolerance(1e-9, "for this test")
    choice = choose("planted", data, SIGNATURE, reference, strict)
    assert choice.precision == "fp32" and choice.data == data and choice.passed
    assert choice.reason.startswith("fp32: fp16 misses 1e-09 with")


def overflowing() -> bytes:
    """The product leaves the range of fp16; a factor brings it back."""
    shape = ["points", WIDTH]
    weights = np.full((WIDTH, WIDTH), 3e4, np.float32) * np.eye(WIDTH, dtype=np.float32)
    return graph(
        [
            node("MatMul", "x w", "a", "large"),
            node("Mul", "a small", "b", "back"),
            node("MatMul", "b i", "y", "last"),
        ],
        {"x": shape},
        {"y": shape},
        {"w": weights, "i": np.eye(WIDTH, dtype=np.float32), "small": np.float32(1 / 3e4)},
    )


@pytest.mark.parametrize("reference", [overflowing()], indirect=True)
def test_an_overflow_is_worse_than_any_error(reference: OnnxRuntimeRunner) -> None:
    asked = at_precision("overflowing", overflowing(), SIGNATURE, reference, "fp16")
    assert not asked.passed and sum(d.nan_count for d in asked.differences) > 0
    choice = choose("overflowing", overflowing(), SIGNATURE, reference)
    assert choice.passed and choice.precision == "fp16"
    kept = {reason.partition(":")[0] for reason in choice.kept}
    assert "large" in kept and "last" not in kept
    bf16 = at_precision("overflowing", overflowing(), SIGNATURE, reference, "bf16")
    assert bf16.passed and bf16.error.tolerance == 4e-2 and "large" not in "".join(bf16.kept)


def test_a_stage_without_anything_to_gain_stays_fp32(tmp_path: Path) -> None:
    shape = ["points", WIDTH]
    data = graph([node("Add", "x k", "y")], {"x": shape}, {"y": shape}, {"k": np.float32(1)})
    path = tmp_path / "light.onnx"
    path.write_bytes(data)
    with OnnxRuntimeRunner(path, 1) as true:
        choice = choose("light", data, SIGNATURE, true)
    assert choice.precision == "fp32"
    assert choice.reason == "fp32: nothing of weight in it can be fp16"
