"""Which nodes decide an integer: rounding them to half would pick another embedding row.

The pitch trap: log → scale → round → Gather in half precision moves some pitches into the next
bin, and the network then reads another row of its embedding altogether. An error measured as
relative L2 shows it only where such a pitch happens to be in the test.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from onnx import ModelProto, NodeProto, TensorProto

from .graph import inputs_of, outputs_of

_SMOOTH = frozenset(
    {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16}
)

_JUMPS = frozenset({"Round", "Floor", "Ceil"})
"""Their results are real numbers, but a rounded input can move them by a whole step."""

_SHAPES = frozenset({"Shape", "Size"})
"""They yield integers from any input and look at no value of it."""


def deciding_nodes(model: ModelProto, types: Mapping[str, int]) -> dict[str, str]:
    """Nodes that must stay in fp32 because an integer depends on their values.

    A node decides integers if it yields them from real numbers or truth values (Cast, ArgMax,
    TopK, NonZero, Where with integers, …), or if its result jumps (Round, Floor, Ceil). It and
    everything its real-valued inputs come from is unsafe.

    Args:
        types: `graph.element_types` of the model; every node has its own name.

    Returns:
        Name of each such node → the reason.
    """
    producers = {out: node for node in model.graph.node for out in outputs_of(node)}
    found: dict[str, str] = {}
    for node in model.graph.node:
        if not _decides(node, types):
            continue
        found.setdefault(node.name, f"{node.op_type} turns real numbers into steps or integers")
        todo = deque(_real_inputs(node, types))
        while todo:
            above = producers.get(todo.popleft())
            if above is None or above.name in found or above.op_type in _SHAPES:
                continue
            found[above.name] = f"feeds the integers of {node.name}"
            todo.extend(_real_inputs(above, types))
    return found


def _decides(node: NodeProto, types: Mapping[str, int]) -> bool:
    if node.op_type in _SHAPES:
        return False
    if node.op_type in _JUMPS:
        return True
    kinds = {types[name] for name in outputs_of(node)}
    integers = kinds - _SMOOTH - {TensorProto.BOOL}
    return bool(integers) and bool(_real_inputs(node, types))


def _real_inputs(node: NodeProto, types: Mapping[str, int]) -> list[str]:
    """Inputs whose values half precision could change: real numbers, and comparisons of them."""
    wanted = _SMOOTH | {TensorProto.BOOL}
    return [name for name in inputs_of(node) if types[name] in wanted]
