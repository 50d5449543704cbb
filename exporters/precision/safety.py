"""Which nodes can be computed in half at all: by their operator's types and by their constants."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto

from .graph import HALF_TYPES, NUMPY_TYPES, HalfPrecision, inputs_of, opset, outputs_of

EITHER = frozenset({"Shape", "Size"})
"""They read no values, so they take whichever type there is."""

_MULTIPLICATIVE = frozenset({"Mul", "Div", "Pow", "Reciprocal", "Log", "Sqrt", "PRelu"})
"""Every single element of their constants counts for itself: a small one is not lost in a sum."""

_UNIT_ROUNDOFF: dict[HalfPrecision, float] = {"fp16": 2.0**-11, "bf16": 2.0**-8}
"""Largest relative error of rounding a number that is neither too large nor denormal."""

_UNBUILDABLE: frozenset[tuple[HalfPrecision, str]] = frozenset({("bf16", "ConvTranspose")})
"""Allowed by ONNX, but TensorRT-RTX 1.7 finds no output type for them and builds no engine."""

_ONNX_NAMES: dict[HalfPrecision, str] = {"fp16": "tensor(float16)", "bf16": "tensor(bfloat16)"}


def unsuitable_nodes(
    model: ModelProto, types: Mapping[str, int], precision: HalfPrecision
) -> dict[str, str]:
    """Nodes with real-valued tensors that cannot be computed in half.

    Returns:
        Name of each such node → the reason.
    """
    constants = {t.name: t for t in model.graph.initializer if t.data_type == TensorProto.FLOAT}
    version, found = opset(model), {}
    for node in model.graph.node:
        if not is_real(node, types):
            continue
        reason = _type_problem(node, types, version, precision)
        for name in inputs_of(node):
            if not reason and name in constants:
                reason = _constant_problem(node, constants[name], precision)
        if reason:
            found[node.name] = reason
    return found


def is_real(node: NodeProto, types: Mapping[str, int]) -> bool:
    """Whether the node computes with float32 tensors, so that there is something to convert."""
    names = (*inputs_of(node), *outputs_of(node))
    return node.op_type not in EITHER and any(types[n] == TensorProto.FLOAT for n in names)


def _type_problem(
    node: NodeProto, types: Mapping[str, int], version: int, precision: HalfPrecision
) -> str:
    if node.domain not in ("", "ai.onnx"):
        return f"nothing is known of {node.domain}.{node.op_type}"
    if node.op_type == "Cast":
        return ""
    if (precision, node.op_type) in _UNBUILDABLE:
        return f"TensorRT-RTX cannot build {node.op_type} in {precision}"
    reals = [n for n in inputs_of(node) if types[n] == TensorProto.FLOAT]
    if not reals or any(a.name == "dtype" for a in node.attribute):
        return f"the type of what {node.op_type} makes stands in an attribute"
    schema = onnx.defs.get_schema(node.op_type, version, node.domain)
    allowed = {t.type_param_str: t.allowed_type_strs for t in schema.type_constraints}
    for names, formal in ((node.input, schema.inputs), (node.output, schema.outputs)):
        for place, name in enumerate(names):
            if not name or types[name] != TensorProto.FLOAT:
                continue
            kind = formal[min(place, len(formal) - 1)].type_str  # the last may be variadic
            if _ONNX_NAMES[precision] not in allowed.get(kind, [kind]):
                return f"{node.op_type} of opset {version} takes no {precision}"
    return ""


def _constant_problem(node: NodeProto, tensor: TensorProto, precision: HalfPrecision) -> str:
    values = onnx.numpy_helper.to_array(tensor)
    with np.errstate(over="ignore"):
        rounded: NDArray[np.float32] = values.astype(NUMPY_TYPES[HALF_TYPES[precision]]).astype(
            np.float32
        )
    lost = np.isfinite(values) & ~np.isfinite(rounded)
    if lost.any():
        return f"{tensor.name} holds {values[lost].flat[0]:.3g}, beyond the range of {precision}"
    finite = np.isfinite(values)
    value, error = values[finite].astype(np.float64), (rounded - values)[finite]
    limit = _UNIT_ROUNDOFF[precision]
    if node.op_type in _MULTIPLICATIVE:
        small = np.abs(error) > limit * np.abs(value)
        if small.any():
            return f"{tensor.name} holds {value[small].flat[0]:.3g}, denormal in {precision}"
    elif np.linalg.norm(error.astype(np.float64)) > limit * np.linalg.norm(value):
        return f"{tensor.name} is lost to denormal numbers in {precision}"
    return ""
