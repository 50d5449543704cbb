"""Arithmetic at a network's borders: next to no work, and its rounding is seen undiminished.

A stage scales landmarks before its first layer and back after its last. In fp16 a landmark of
size 1 moves in steps of 1/2048 there, a tenth of a pixel in a picture of 512. In fp32 those few
operations cost nothing that could be measured, and the layers between see normalised numbers.
"""

from __future__ import annotations

from collections.abc import Mapping

from onnx import ModelProto, TensorProto

from .graph import inputs_of, outputs_of

LIGHT = frozenset(
    {"Add", "Sub", "Mul", "Div", "Neg", "Sigmoid", "Tanh", "Clip", "LayerNormalization"}
    | {"Concat", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"}
)
"""Operators that read every number once."""


def border_nodes(model: ModelProto, types: Mapping[str, int]) -> dict[str, str]:
    """Light nodes that only light nodes separate from the inputs, or from the outputs.

    Returns:
        Name of each such node → the reason to keep it in fp32.
    """
    graph = model.graph
    found = {}
    fresh = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        real = [n for n in inputs_of(node) if types[n] == TensorProto.FLOAT]
        if node.op_type in LIGHT and real and all(name in fresh for name in real):
            found[node.name] = "prepares an input, where fp32 costs nothing"
            fresh.update(outputs_of(node))
    readers: dict[str, set[str]] = {}
    for node in graph.node:
        for name in inputs_of(node):
            readers.setdefault(name, set()).add(node.name)
    for node in reversed(graph.node):
        after = set().union(*(readers.get(name, set()) for name in outputs_of(node)))
        last = all(found.get(name, "").startswith("finishes") for name in after)
        if node.op_type in LIGHT and last:
            found[node.name] = "finishes an output, where fp32 costs nothing"
    return found
