"""An fp32 ONNX file → the same network in fp16 or bf16, with its inputs and outputs as they were.

Ours rather than a library's: one converter serves both types, refuses constants that half cannot
hold, keeps what decides an integer in fp32 and says of every node it left alone why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx
from onnx import ModelProto, NodeProto, TensorProto

from .ancestry import deciding_nodes
from .borders import border_nodes
from .graph import (
    HALF_TYPES,
    NUMPY_TYPES,
    HalfPrecision,
    cast,
    element_types,
    inputs_of,
    name_nodes,
    opset,
    tensor_of,
)
from .safety import EITHER, is_real, unsuitable_nodes

BF16_OPSET = 22
"""The first operator set whose Conv takes bfloat16; for our operators it changes nothing else."""


@dataclass(frozen=True)
class Converted:
    """A stage in half precision.

    Attributes:
        data: the ONNX file.
        half: names of the nodes that compute in half, in graph order.
        kept: names of the nodes that stayed in fp32 → the reason.
    """

    data: bytes
    half: tuple[str, ...]
    kept: Mapping[str, str]

    @property
    def reasons(self) -> tuple[str, ...]:
        """``node: reason`` for each node that stayed in fp32."""
        return tuple(f"{node}: {reason}" for node, reason in self.kept.items())


def convert(data: bytes, precision: HalfPrecision, keep: Mapping[str, str] = {}) -> Converted:
    """Convert all that can safely be computed in half.

    Args:
        data: an fp32 ONNX file, flat (no sub-graphs, no functions).
        precision: ``"fp16"`` or ``"bf16"``.
        keep: names of further nodes that shall stay in fp32 → the reason.

    Returns:
        The file, with Casts where fp32 and half meet; inputs, outputs, their symbolic shapes and
        the names of nodes are as before. The same input gives the same bytes.

    Raises:
        Failure: the graph holds sub-graphs or functions, or its types do not agree.
    """
    model = onnx.load_from_string(data)
    name_nodes(model)
    if precision == "bf16":
        _raise_opset(model)
    types = element_types(model)
    kept = {
        **border_nodes(model, types),
        **unsuitable_nodes(model, types, precision),
        **deciding_nodes(model, types),
        **keep,
    }
    real = [n.name for n in model.graph.node if is_real(n, types)]
    half = tuple(name for name in real if name not in kept)
    _Rewriting(model, types, frozenset(half), precision).run()
    onnx.checker.check_model(model)
    element_types(model)  # refuses types that do not agree
    return Converted(
        model.SerializeToString(deterministic=True),
        half,
        {name: kept[name] for name in real if name in kept},
    )


def _raise_opset(model: ModelProto) -> None:
    """To `BF16_OPSET`, unless an operator gained or lost more than types on the way."""
    before = opset(model)
    for node in model.graph.node:
        if before >= BF16_OPSET or node.domain not in ("", "ai.onnx"):
            continue
        old = onnx.defs.get_schema(node.op_type, before, "")
        new = onnx.defs.get_schema(node.op_type, BF16_OPSET, "")
        if [i.name for i in old.inputs] != [i.name for i in new.inputs] or set(
            old.attributes
        ) != set(new.attributes):
            return
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx"):
            entry.version = max(before, BF16_OPSET)


class _Rewriting:
    """One conversion in place. Of each real tensor there may be an fp32 and a half version."""

    def __init__(
        self,
        model: ModelProto,
        types: Mapping[str, int],
        half: frozenset[str],
        precision: HalfPrecision,
    ) -> None:
        self._graph, self._types, self._half = model.graph, types, half
        self._kind = HALF_TYPES[precision]
        self._suffix = f"__{precision}"
        self._outputs = {value.name for value in model.graph.output}
        # Where each version of a tensor can be read: (name in the source, is half) → name now.
        self._names: dict[tuple[str, bool], str] = {}
        self._nodes: list[NodeProto] = []

    def run(self) -> None:
        graph = self._graph
        self._convert_initializers()
        for value in graph.input:
            self._names[value.name, False] = value.name
        for node in graph.node:
            self._rewrite(node)
        del graph.node[:]
        graph.node.extend(self._nodes)
        del graph.value_info[:]  # they would tell the old types

    def _convert_initializers(self) -> None:
        readers: dict[str, set[bool]] = {}
        for node in self._graph.node:
            for name in inputs_of(node):
                readers.setdefault(name, set()).add(node.name in self._half)
        made = []
        for tensor in self._graph.initializer:
            wanted = readers.get(tensor.name, set())
            if tensor.data_type != TensorProto.FLOAT or True not in wanted:
                made.append(tensor)
                self._names[tensor.name, False] = tensor.name
                continue
            name = tensor.name + self._suffix if False in wanted else tensor.name
            values = onnx.numpy_helper.to_array(tensor).astype(NUMPY_TYPES[self._kind])
            made.append(tensor_of(name, values, self._kind))
            self._names[tensor.name, True] = name
            if False in wanted:
                made.append(tensor)
                self._names[tensor.name, False] = tensor.name
        fresh = [TensorProto.FromString(t.SerializeToString()) for t in made]
        del self._graph.initializer[:]
        self._graph.initializer.extend(fresh)

    def _rewrite(self, source: NodeProto) -> None:
        node = NodeProto()
        node.CopyFrom(source)
        half = source.name in self._half
        for place, name in enumerate(source.input):
            if name and self._types[name] == TensorProto.FLOAT:
                node.input[place] = self._read(name, half, source.op_type in EITHER)
        after = []
        for place, name in enumerate(source.output):
            if not name or self._types[name] != TensorProto.FLOAT:
                continue
            made = name + self._suffix if half and name in self._outputs else name
            node.output[place] = self._names[name, half] = made
            if made != name:
                after.append(cast(made, name, TensorProto.FLOAT))
                self._names[name, False] = name
        if half and node.op_type == "Cast":
            for attribute in node.attribute:
                if attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                    attribute.i = self._kind
        self._nodes += [node, *after]

    def _read(self, name: str, half: bool, either: bool) -> str:
        if (name, half) not in self._names:
            if either:
                return self._names[name, not half]
            made = name + (self._suffix if half else "__fp32")
            kind = self._kind if half else TensorProto.FLOAT
            self._nodes.append(cast(self._names[name, not half], made, kind))
            self._names[name, half] = made
        return self._names[name, half]
