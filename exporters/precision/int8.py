"""HuBERT in int8, for ONNX Runtime on a CPU: the one network that is large enough to be worth it.

Three recipes, the smallest file first; the first within its tolerance is taken. All have int8
weights with a scale for each output channel.

* static: Conv and MatMul between fixed ranges, found by listening to speech (QDQ);
* mixed: Conv static, MatMul with ranges found anew at every run (dynamic);
* dynamic: MatMul alone. The residual stream of a transformer has outliers that no fixed range
  serves, so this one is often the only accurate one.

The first Conv always stays in fp32: it hears the waveform, whose quiet parts 8 bits would silence.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto

from ...contract.data import Float32
from ...contract.engines import Precision
from ...contract.errors import BadAudio
from ...contract.measure import relative_l2
from ...contract.stages import HUBERT, Signature
from ...contract.tensors import StageError
from ...contract.units import HUBERT_RECEPTIVE_FIELD, SAMPLE_RATE
from ...runtime.audio.normalise import normalise
from ...runtime.backends.onnxruntime import OnnxRuntimeRunner
from ...runtime.backends.protocol import Runner
from ..compare import OutputDifference, compare, within, worst
from ..examples import LENGTHS, varying_symbol
from ..tolerances import Tolerance, tolerance
from .graph import name_nodes

PIECE = SAMPLE_RATE
"""Samples in one piece of speech that is calibrated or judged with."""

MOST_PIECES = 16
"""Pieces that are calibrated with; ranges hardly grow after a few seconds of speech."""

RECIPES: Mapping[str, str] = {
    "static": "all but MatMul and later Conv: int8 would cost more than it saves",
    "mixed": "all but MatMul and later Conv: int8 would cost more than it saves",
    "dynamic": "all but MatMul: int8 would cost more than it saves",
}
"""Recipes in the order in which they are tried → what stays in fp32."""


@dataclass(frozen=True)
class Quantised:
    """HuBERT in int8; what it shares with `auto.Choice` has the same names.

    Attributes:
        data: the ONNX file.
        recipe: how it was made; one of `RECIPES`.
        differences: from the reference on the example inputs, run by ONNX Runtime.
        speech_relative_l2: the same on speech that was not calibrated with.
        tolerance: the limit for both.
        reason: one line on the choice: what every recipe tried came to.
    """

    data: bytes
    recipe: str
    differences: tuple[OutputDifference, ...]
    speech_relative_l2: float
    tolerance: Tolerance
    reason: str
    stage: str = HUBERT
    precision: Precision = "int8"
    kept: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether example inputs and speech are within the tolerance."""
        limit = self.tolerance.relative_l2
        return within(self.differences, limit) and self.speech_relative_l2 <= limit

    @property
    def relative_l2(self) -> float:
        """The larger of both errors."""
        return float(np.max([worst(self.differences), self.speech_relative_l2]))

    @property
    def error(self) -> StageError:
        """What the manifest keeps of it."""
        lengths = tuple(dict.fromkeys(d.length for d in self.differences))
        return StageError(self.relative_l2, self.tolerance.relative_l2, lengths)


def quantise_hubert(
    data: bytes,
    signature: Signature,
    reference: Runner,
    samples: Float32,
    trial: Callable[[str], None] = lambda what: None,
) -> Quantised:
    """The smallest int8 HuBERT within its tolerance; if none is, the most accurate one.

    Args:
        data: the fp32 ONNX file.
        reference: what is true: PyTorch, or the fp32 file in a runner.
        samples: (n,) float32 mono at 16 kHz, a few seconds of speech, n ≥ 800. The ranges are
            found on its first half, the error is measured on its second.
        trial: told which recipe is tried next.

    Raises:
        BadAudio: there is too little speech.
    """
    heard, judged = _halves(samples)
    answer = reference.run({"samples": judged[None]})["features"]
    limit = tolerance(HUBERT, "int8")
    tried: list[Quantised] = []
    for recipe in RECIPES:
        trial(f"{recipe} int8")
        made = _made(data, recipe, heard)
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "hubert.onnx"
            path.write_bytes(made)
            with OnnxRuntimeRunner(path, 1) as runner:
                lengths = LENGTHS[varying_symbol(signature)]
                differences = compare(HUBERT, signature, runner, reference, lengths)
                spoken = relative_l2(runner.run({"samples": judged[None]})["features"], answer)
        tried.append(Quantised(made, recipe, differences, spoken, limit, ""))
        if tried[-1].passed:
            break
    best = min(tried, key=lambda q: (not q.passed, q.relative_l2))
    found = ", ".join(f"{q.recipe} {q.relative_l2:.1e}" for q in tried)
    sign = "≤" if best.passed else ">"
    reason = f"int8 {best.recipe}: {best.relative_l2:.1e} {sign} {limit.relative_l2:.0e} ({found})"
    return dataclasses.replace(best, reason=reason, kept=(RECIPES[best.recipe],))


def _halves(samples: Float32) -> tuple[tuple[Float32, ...], Float32]:
    """Pieces to find ranges on, and up to two pieces' length of other speech to judge on."""
    middle = len(samples) // 2
    if middle < HUBERT_RECEPTIVE_FIELD:
        raise BadAudio(
            "speech to calibrate int8 on",
            expected=f"at least {2 * HUBERT_RECEPTIVE_FIELD} samples, better a few seconds",
            found=str(len(samples)),
        )
    whole = normalise(samples)
    starts = np.linspace(0, max(0, middle - PIECE), MOST_PIECES).astype(int)
    pieces = [whole[start : min(start + PIECE, middle)] for start in dict.fromkeys(starts.tolist())]
    return tuple(pieces), np.ascontiguousarray(whole[middle : middle + 2 * PIECE])


def _made(data: bytes, recipe: str, heard: Sequence[Float32]) -> bytes:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load_from_string(data)
    name_nodes(model)
    with tempfile.TemporaryDirectory() as scratch, _silence():
        path = Path(scratch) / "int8.onnx"
        if recipe != "dynamic":
            static = ["Conv", "MatMul"] if recipe == "static" else ["Conv"]
            _quantise_static(model, path, static, heard)
            model = onnx.load(path)
        if recipe != "static":
            quantize_dynamic(
                model,
                path,
                op_types_to_quantize=["MatMul"],
                per_channel=True,
                weight_type=QuantType.QInt8,
            )
            model = onnx.load(path)
    _strip(model)
    onnx.checker.check_model(model)
    made: bytes = model.SerializeToString(deterministic=True)
    return made


def _quantise_static(
    model: ModelProto, path: Path, operators: list[str], heard: Sequence[Float32]
) -> None:
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Speech(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left = iter(heard)

        def get_next(self) -> dict[str, Any] | None:
            piece = next(self._left, None)
            return None if piece is None else {"samples": piece[None]}

    quantize_static(
        model,
        path,
        Speech(),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=operators,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=[n.name for n in model.graph.node if n.op_type == "Conv"][:1],
    )


def _strip(model: ModelProto) -> None:
    """What the quantiser noted for itself, and the shapes it inferred on the way."""
    model.ClearField("doc_string")
    model.ClearField("metadata_props")
    model.graph.ClearField("value_info")
    for node in model.graph.node:
        node.ClearField("doc_string")
        node.ClearField("metadata_props")


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Drop the quantiser's advice, and keep it from setting up the root logger for it."""
    root, drop = logging.getLogger(), logging.NullHandler()
    root.addHandler(drop)
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
        root.removeHandler(drop)
