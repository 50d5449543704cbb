"""The comparer and the example inputs: what they measure, and that they never change."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from emogene.contract.emotions import EMOTIONS
from emogene.contract.errors import Failure
from emogene.contract.stages import Signature
from emogene.contract.tensors import TensorSpec
from emogene.exporters.compare import compare, difference, within, worst
from emogene.exporters.examples import LENGTHS, TRACED, example_inputs
from emogene.exporters.known_answers import KEPT_ROWS, kept_rows
from emogene.exporters.runners import TorchRunner
from emogene.exporters.shapes import factor_and_symbol, resolved, symbols
from emogene.exporters.tolerances import TOLERANCES, tolerance

SPEECH = Signature(
    (
        TensorSpec("features", "float32", (1, "8*latents", 5)),
        TensorSpec("pitch_bins", "int32", (1, "8*latents")),
        TensorSpec("emotion", "int64", ("latents",)),
        TensorSpec("position", "float32", ("latents", 9)),
    ),
    (TensorSpec("landmarks", "float32", (1, "4*latents", 3)),),
)
ROWS = Signature(
    (TensorSpec("features", "float32", ("points", 4)),),
    (TensorSpec("raw", "float32", ("points", 3)),),
)


def test_symbolic_shapes() -> None:
    assert factor_and_symbol("8*latents") == (8, "latents")
    assert factor_and_symbol("frames") == (1, "frames")
    assert symbols(SPEECH.inputs) == ("latents",)
    assert resolved((1, "8*latents", 5), "latents", 7) == (1, 56, 5)
    with pytest.raises(KeyError):
        resolved(("frames",), "latents", 7)


def test_inputs_have_the_signature_and_their_ranges() -> None:
    made = example_inputs("a", SPEECH, 400)
    for spec in SPEECH.inputs:
        assert made[spec.name].dtype == spec.dtype
        assert made[spec.name].shape == resolved(spec.shape, "latents", 400)
    assert made["pitch_bins"].min() == 1 and made["pitch_bins"].max() == 255
    assert set(made["emotion"]) == set(range(len(EMOTIONS)))
    assert -1 <= made["position"].min() < -0.9 and 0.9 < made["position"].max() <= 1
    features = made["features"].astype(np.float64)
    assert np.abs(features).max() > 8, "outliers are missing"
    assert 0.9 < np.median(np.abs(features)) / 0.6745 < 1.1


def test_inputs_are_the_same_on_every_machine() -> None:
    """Directories in the world keep answers to exactly these inputs: never change them."""
    made = example_inputs("audio_to_motion", SPEECH, 3)
    digest = hashlib.sha256(b"".join(made[s.name].tobytes() for s in SPEECH.inputs)).hexdigest()
    assert digest == "11521ac816dff72ff70a41825a9fa7775de006766c868568866aeed661c9ea04"
    again = example_inputs("audio_to_motion", SPEECH, 3)
    assert all(np.array_equal(made[name], again[name]) for name in made)
    other = example_inputs("deformation", SPEECH, 3)
    assert not np.array_equal(made["features"], other["features"])


def test_every_dimension_is_compared_at_three_lengths_that_were_not_traced() -> None:
    for symbol, lengths in LENGTHS.items():
        assert len(set(lengths)) >= 3 and TRACED[symbol] not in lengths
    for symbol in ("latents", "frames", "points", "pixels"):
        assert 1 in LENGTHS[symbol]


def test_measures() -> None:
    reference = np.array([3.0, 4.0, 0.0], np.float32)
    found = difference("s", "o", 3, reference + np.float32([0, 0, 0.5]), reference)
    assert found.relative_l2 == pytest.approx(0.1)
    assert found.max_abs_over_scale == pytest.approx(0.125)
    assert found.nan_count == 0
    assert within((found,), 0.11) and not within((found,), 0.09)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_never_pass(bad: float) -> None:
    reference = np.ones(4, np.float32)
    value = np.array([1, 1, bad, 1], np.float32)
    found = difference("s", "o", 4, value, reference)
    assert found.nan_count == 1
    assert not within((found,), math.inf)
    assert not worst((found,)) <= 1e9


def test_another_shape_is_a_failure() -> None:
    with pytest.raises(Failure, match=r"stage s, output o, length 4: .*\(4, 3\).*\(6, 3\)"):
        difference("s", "o", 4, np.zeros((6, 3)), np.zeros((4, 3)))


class Shifted:
    """A runner that is off by a little, from one row on."""

    backend = "shifted"
    inputs, outputs = ROWS.inputs, ROWS.outputs

    def __init__(self, right: TorchRunner) -> None:
        self._right = right

    def run(self, values: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        made = self._right.run(values)["raw"].copy()
        made[500:] += 1e-3
        return {"raw": made}


def test_any_two_runners_are_compared_at_every_length() -> None:
    torch.manual_seed(0)
    with TorchRunner(nn.Linear(4, 3), ROWS) as right:
        same = compare("density", ROWS, right, right, LENGTHS["points"])
        off = compare("density", ROWS, Shifted(right), right, LENGTHS["points"])  # type: ignore[arg-type]
    assert [d.length for d in same] == [1, 777, 4096] and worst(same) == 0.0
    assert off[0].relative_l2 == 0.0, "the shortest length misses what the long ones find"
    assert off[1].relative_l2 > 1e-5 and off[2].relative_l2 > off[1].relative_l2


def test_a_closed_runner_says_so() -> None:
    runner = TorchRunner(nn.Linear(4, 3), ROWS)
    runner.close()
    runner.close()
    with pytest.raises(Failure, match="closed"):
        runner.run({"features": np.zeros((1, 4), np.float32)})


def test_kept_rows_span_the_output() -> None:
    value = np.arange(4096 * 3).reshape(1, 4096, 3)
    kept = kept_rows(value, 1)
    assert kept.shape == (1, KEPT_ROWS, 3)
    assert np.array_equal(kept[:, 0], value[:, 0]) and np.array_equal(kept[:, -1], value[:, -1])
    assert np.array_equal(kept_rows(value[:, :7], 1), value[:, :7])


def test_every_tolerance_has_a_reason() -> None:
    assert tolerance("density", "fp32").relative_l2 == 1e-5
    assert all(len(t.reason) > 40 and 0 < t.relative_l2 < 0.1 for t in TOLERANCES.values())
    with pytest.raises(KeyError):
        tolerance("density", "fp4")
