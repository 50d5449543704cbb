"""What the converter, the ancestry search and the judge all need to know of an ONNX graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import ml_dtypes
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto

from ...contract.errors import Failure

HalfPrecision = Literal["fp16", "bf16"]

HALF_TYPES: dict[HalfPrecision, int] = {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}
"""ONNX's number for the element type of a precision."""

NUMPY_TYPES: dict[int, np.dtype[np.generic]] = {
    TensorProto.FLOAT: np.dtype(np.float32),
    TensorProto.FLOAT16: np.dtype(np.float16),
    TensorProto.BFLOAT16: np.dtype(ml_dtypes.bfloat16),
}

_LARGE = 1024
"""Initialisers with more elements than this cannot be shapes, so inferring types needs them not."""


def element_types(model: ModelProto) -> dict[str, int]:
    """ONNX element type of every tensor in the graph, by name.

    Raises:
        Failure: the graph holds functions or sub-graphs, or its types do not agree.
    """
    _refuse_nesting(model)
    try:
        inferred = onnx.shape_inference.infer_shapes(
            skeleton(model), check_type=True, strict_mode=True
        )
    except onnx.shape_inference.InferenceError as error:
        raise Failure(
            f"network {model.graph.name}",
            expected="element types that agree",
            found=str(error).strip().splitlines()[0][:200],
        ) from None
    graph = inferred.graph
    types = {t.name: t.data_type for t in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        types[value.name] = value.type.tensor_type.elem_type
    return types


def skeleton(model: ModelProto) -> ModelProto:
    """The same graph with its large initialisers turned into inputs: all types, no weights."""
    bare = ModelProto(ir_version=model.ir_version)
    bare.opset_import.extend(model.opset_import)
    graph = bare.graph
    graph.name = model.graph.name
    graph.node.extend(model.graph.node)
    graph.input.extend(model.graph.input)
    graph.output.extend(model.graph.output)
    for tensor in model.graph.initializer:
        if int(np.prod(tensor.dims)) <= _LARGE:
            graph.initializer.append(tensor)
        else:
            graph.input.append(
                onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            )
    return bare


def opset(model: ModelProto) -> int:
    """Version of the default operator set."""
    return int(next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx")))


def inputs_of(node: NodeProto) -> Iterator[str]:
    """Names of the inputs that are there; optional ones may be left out."""
    return (name for name in node.input if name)


def outputs_of(node: NodeProto) -> Iterator[str]:
    """Names of the outputs that are there."""
    return (name for name in node.output if name)


def name_nodes(model: ModelProto) -> None:
    """Give nodes without a name, or with one that is taken, a name of their own, in place."""
    taken: set[str] = set()
    for index, node in enumerate(model.graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{index}"
        taken.add(node.name)


def tensor_of(name: str, values: NDArray[np.generic], kind: int) -> TensorProto:
    """An initialiser that holds ``values`` as they are."""
    return TensorProto(
        name=name,
        dims=values.shape,
        data_type=kind,
        raw_data=np.ascontiguousarray(values).tobytes(),
    )


def cast(source: str, target: str, kind: int) -> NodeProto:
    """A Cast node, named after what it makes."""
    return onnx.helper.make_node("Cast", [source], [target], name=f"cast_{target}", to=kind)


def _refuse_nesting(model: ModelProto) -> None:
    nested = [n.op_type for n in model.graph.node if any(a.HasField("g") for a in n.attribute)]
    if nested or model.functions:
        raise Failure(
            f"network {model.graph.name}",
            expected="a flat graph",
            found=f"sub-graphs in {', '.join(nested)}" if nested else "functions of its own",
            remedy="keep it at --precision fp32",
        )
