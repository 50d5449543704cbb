"""HuBERT in int8: the recipes, the error that is told, and what is left in the file."""

from __future__ import annotations

import importlib.resources
import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from emogene.contract.errors import BadAudio
from emogene.contract.measure import relative_l2
from emogene.exporters.precision import int8
from emogene.exporters.precision.int8 import Quantised, quantise_hubert
from emogene.runtime.audio.load import load
from emogene.runtime.audio.normalise import normalise
from emogene.runtime.backends.onnxruntime import OnnxRuntimeRunner

from .graphs import Stage, run_in_onnxruntime, stages_of


@pytest.fixture(scope="module")
def speech() -> NDArray[np.float32]:
    sample = importlib.resources.files("emogene.runtime") / "data" / "sample.wav"
    return load(sample.read_bytes())


@pytest.fixture(scope="module")
def hubert(tiny_engines: Path) -> Stage:
    return next(stage for stage in stages_of(tiny_engines) if stage.name == "hubert")


@pytest.fixture(scope="module")
def quantised(hubert: Stage, speech: NDArray[np.float32]) -> Quantised:
    with OnnxRuntimeRunner(hubert.path, 1) as true:
        return quantise_hubert(hubert.data, hubert.signature, true, speech)


def test_it_is_within_its_tolerance_and_tells_what_was_tried(quantised: Quantised) -> None:
    assert quantised.passed and quantised.precision == "int8" and quantised.stage == "hubert"
    assert 1e-4 < quantised.speech_relative_l2 <= 2e-2
    assert 1e-4 < quantised.error.relative_l2 <= quantised.error.tolerance == 2e-2
    assert len(quantised.error.lengths) == 3
    assert quantised.reason.startswith(f"int8 {quantised.recipe}: ")
    tried = quantised.reason.partition("(")[2]
    assert tried.startswith("static ") and quantised.recipe in tried
    assert quantised.kept == (int8.RECIPES[quantised.recipe],)


def test_the_file_is_smaller_valid_and_clean(quantised: Quantised, hubert: Stage) -> None:
    model = onnx.load_from_string(quantised.data)
    assert len(quantised.data) < len(hubert.data)
    assert any(t.data_type == onnx.TensorProto.INT8 for t in model.graph.initializer)
    assert not model.metadata_props and not model.graph.value_info
    assert b"/tmp" not in quantised.data


def test_the_error_is_that_of_a_run(
    quantised: Quantised, hubert: Stage, speech: NDArray[np.float32], tmp_path: Path
) -> None:
    """On the half that was not calibrated with."""
    middle = len(speech) // 2
    feeds = {"samples": normalise(speech)[None, middle : middle + 2 * int8.PIECE]}
    made = run_in_onnxruntime(quantised.data, feeds, tmp_path)["features"]
    true = run_in_onnxruntime(hubert.data, feeds, tmp_path)["features"]
    assert relative_l2(made, true) == pytest.approx(quantised.speech_relative_l2, rel=0.05)


@pytest.mark.parametrize("recipe", int8.RECIPES)
def test_every_recipe_gives_a_network_that_runs(
    recipe: str, hubert: Stage, speech: NDArray[np.float32], tmp_path: Path
) -> None:
    heard, judged = int8._halves(speech)
    made = int8._made(hubert.data, recipe, heard)
    operators = {n.op_type for n in onnx.load_from_string(made).graph.node}
    assert ("QuantizeLinear" in operators) == (recipe != "dynamic")
    assert ("MatMulInteger" in operators) == (recipe != "static")
    features = run_in_onnxruntime(made, {"samples": judged[None]}, tmp_path)["features"]
    true = run_in_onnxruntime(hubert.data, {"samples": judged[None]}, tmp_path)["features"]
    assert features.shape == true.shape and relative_l2(features, true) < 0.5


def test_the_root_logger_is_left_alone(hubert: Stage, speech: NDArray[np.float32]) -> None:
    before = list(logging.getLogger().handlers)
    int8._made(hubert.data, "dynamic", int8._halves(speech)[0])
    assert logging.getLogger().handlers == before
    assert logging.root.manager.disable == logging.NOTSET


def test_too_little_speech_is_refused(hubert: Stage) -> None:
    with (
        OnnxRuntimeRunner(hubert.path, 1) as true,
        pytest.raises(BadAudio, match="at least 800 samples, better a few seconds, found 700"),
    ):
        quantise_hubert(hubert.data, hubert.signature, true, np.zeros(700, np.float32))
