"""Small ONNX graphs, and the tiny avatar's stages, as the tests of this folder need them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper

from emogene.contract.engine_directory import file_path, read_manifest
from emogene.contract.stages import Signature
from emogene.contract.tensors import TensorSpec
from emogene.runtime.backends.onnxruntime import OnnxRuntimeRunner

Array = NDArray[Any]


def graph(
    nodes: Sequence[NodeProto],
    inputs: Mapping[str, Sequence[int | str]],
    outputs: Mapping[str, Sequence[int | str]],
    constants: Mapping[str, Array] = {},
    kinds: Mapping[str, int] = {},
    opset: int = 20,
) -> bytes:
    """An ONNX file; inputs and outputs are float32 unless ``kinds`` says otherwise."""

    def info(name: str, shape: Sequence[int | str]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kinds.get(name, TensorProto.FLOAT), shape)

    made = helper.make_graph(
        nodes,
        "test",
        [info(n, s) for n, s in inputs.items()],
        [info(n, s) for n, s in outputs.items()],
        [onnx.numpy_helper.from_array(v, n) for n, v in constants.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString()
    return data


def node(op: str, inputs: str, outputs: str, name: str = "", **attributes: Any) -> NodeProto:
    """``node("Add", "x k", "y")``."""
    return helper.make_node(op, inputs.split(), outputs.split(), name=name or op, **attributes)


def run_in_onnxruntime(data: bytes, feeds: Mapping[str, Array], folder: Path) -> dict[str, Array]:
    """What ONNX Runtime makes of a file, with all its optimisations."""
    path = folder / "model.onnx"
    path.write_bytes(data)
    with OnnxRuntimeRunner(path, 1) as runner:
        return runner.run(feeds)


def rows(name: str, width: int) -> TensorSpec:
    """A float32 tensor (points, width)."""
    return TensorSpec(name, "float32", ("points", width))


@dataclass(frozen=True)
class Stage:
    """A stage of an engine directory."""

    name: str
    path: Path
    data: bytes
    signature: Signature


def stages_of(folder: Path) -> Iterator[Stage]:
    """All stages of an engine directory."""
    for name, spec in read_manifest(folder).stages.items():
        path = file_path(folder, spec.file)
        yield Stage(name, path, path.read_bytes(), Signature(spec.inputs, spec.outputs))


def elements(data: bytes, name: str) -> Array:
    """An initialiser of a file."""
    tensor = next(t for t in onnx.load_from_string(data).graph.initializer if t.name == name)
    return onnx.numpy_helper.to_array(tensor)


def rng() -> np.random.Generator:
    return np.random.default_rng(7)
