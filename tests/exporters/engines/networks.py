"""Small ONNX files that build in a moment, and requests for them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from emogene.contract.engines import LengthProfile
from emogene.contract.stages import Signature
from emogene.contract.tensors import TensorSpec
from emogene.exporters.engines.build import EngineRequest

ROWS = Signature(
    (
        TensorSpec("features", "float32", ("points", 4)),
        TensorSpec("bias", "float32", (1, 8)),
    ),
    (TensorSpec("raw", "float32", ("points", 3)),),
)
SPEECH = Signature(
    (TensorSpec("samples", "float32", (1, "samples")),),
    (TensorSpec("features", "float32", (1, "features", 6)),),
)
POINTS = LengthProfile("points", 1, 64, 256)


def saved(
    path: Path, nodes: list[onnx.NodeProto], signature: Signature, **weights: np.ndarray
) -> Path:
    """Write a graph with these nodes, tensors and weights."""
    kinds = {"float32": TensorProto.FLOAT, "int32": TensorProto.INT32}

    def values(specs: tuple[TensorSpec, ...]) -> list[onnx.ValueInfoProto]:
        return [helper.make_tensor_value_info(s.name, kinds[s.dtype], list(s.shape)) for s in specs]

    graph = helper.make_graph(
        nodes,
        "g",
        values(signature.inputs),
        values(signature.outputs),
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, path)
    return path


def mlp(path: Path, seed: int = 0) -> Path:
    """Two layers, the bias of the first an input: what every field network looks like."""
    random = np.random.default_rng(seed)
    nodes = [
        helper.make_node("MatMul", ["features", "first"], ["a"], name="first_layer"),
        helper.make_node("Add", ["a", "bias"], ["b"], name="add_bias"),
        helper.make_node("Relu", ["b"], ["c"], name="relu"),
        helper.make_node("MatMul", ["c", "second"], ["raw"], name="second_layer"),
    ]
    first = random.standard_normal((4, 8), np.float32)
    second = random.standard_normal((8, 3), np.float32)
    return saved(path, nodes, ROWS, first=first, second=second)


def listener(path: Path) -> Path:
    """Samples to features with a stride of 320: its output's length follows from data alone."""
    nodes = [
        helper.make_node("Unsqueeze", ["samples", "axis"], ["a"], name="one_channel"),
        helper.make_node("Conv", ["a", "kernel"], ["b"], name="listen", strides=[320]),
        helper.make_node("Transpose", ["b"], ["features"], name="time_first", perm=[0, 2, 1]),
    ]
    kernel = np.random.default_rng(0).standard_normal((6, 1, 400), np.float32)
    return saved(path, nodes, SPEECH, axis=np.array([1]), kernel=kernel)


def request(onnx_file: Path, **changes: object) -> EngineRequest:
    """A request for the engine of `mlp`."""
    usual = EngineRequest("density", onnx_file, ROWS, "fp32", POINTS, "tensorrt-rtx", ("sm_86",))
    return dataclasses.replace(usual, **changes)  # type: ignore[arg-type]
