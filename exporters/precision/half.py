"""The judge: an fp16 or bf16 network in true half arithmetic, on any processor.

ONNX Runtime has few half kernels on a CPU. It puts Casts around the others and then drops pairs of
them, so intermediate results keep 24 bits and the error looks better than a GPU's. Here the model
of the arithmetic stands in the graph itself, where nothing may drop it:

* every operator computes in fp32 from inputs that are half numbers, so sums inside MatMul, Gemm,
  Conv, Softmax and LayerNormalization accumulate in fp32, as TensorRT's kernels do;
* every output of a half operator is rounded to half (to nearest, ties to even; beyond the range it
  becomes infinite), also where TensorRT would fuse the next operator and not round.

So it is a little stricter than a GPU, never kinder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto

from ...contract.closing import Closing
from ...contract.errors import Failure
from ...contract.tensors import TensorSpec
from ...runtime.backends.protocol import Array
from .graph import NUMPY_TYPES, cast, element_types, tensor_of

NAME = "half-arithmetic"

_HALVES = (TensorProto.FLOAT16, TensorProto.BFLOAT16)

_MOVES = frozenset(
    {"Concat", "Expand", "Flatten", "Gather", "Identity", "Relu", "Reshape", "Slice", "Split"}
    | {"Squeeze", "Tile", "Transpose", "Unsqueeze", "Where"}
)
"""They give only numbers that they were given, or zero: there is nothing to round."""

_ERRORS_ONLY = 3


def emulated(data: bytes) -> ModelProto:
    """The same network in fp32 that rounds wherever the given one computes in half.

    Raises:
        Failure: an input or output of the network is itself half.
    """
    model = onnx.load_from_string(data)
    types = element_types(model)
    graph = model.graph
    for value in (*graph.input, *graph.output):
        if types[value.name] in _HALVES:
            raise Failure(
                f"tensor {value.name}",
                expected="fp32 inputs and outputs",
                found="half ones",
                remedy="convert it with exporters.precision.convert",
            )
    for tensor in graph.initializer:
        if tensor.data_type in _HALVES:
            wide = onnx.numpy_helper.to_array(tensor).view(NUMPY_TYPES[tensor.data_type])
            tensor.CopyFrom(tensor_of(tensor.name, wide.astype(np.float32), TensorProto.FLOAT))
    nodes: list[NodeProto] = []
    for node in graph.node:
        nodes += _rounding(node, types)
    for node in nodes:
        node.ClearField("name")  # some of the converter's Casts and ours would share theirs
    del graph.node[:]
    del graph.value_info[:]
    graph.node.extend(nodes)
    return model


def _rounding(node: NodeProto, types: Mapping[str, int]) -> list[NodeProto]:
    """The node in fp32 and the Casts that round its half outputs."""
    if node.op_type == "Cast":
        for attribute in node.attribute:
            if attribute.name == "to" and attribute.i in _HALVES:
                attribute.i = TensorProto.FLOAT
    after = []
    for place, name in enumerate(node.output):
        if not name or types[name] not in _HALVES or node.op_type in _MOVES:
            continue
        wide, rounded = f"{name}__wide", f"{name}__rounded"
        node.output[place] = wide
        after += [cast(wide, rounded, types[name]), cast(rounded, name, TensorProto.FLOAT)]
    return [node, *after]


class HalfRunner(Closing):
    """An fp16 or bf16 ONNX file in true half arithmetic. See `runtime.backends.protocol.Runner`.

    Args:
        data: the file, with fp32 inputs and outputs (`convert.convert`).
        threads: threads a run may use, the caller's included.

    Raises:
        Failure: an operator is not known to ONNX Runtime, or the types do not agree.
    """

    backend = NAME

    def __init__(self, data: bytes, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.enable_cpu_mem_arena = False
        options.log_severity_level = _ERRORS_ONLY
        # An optimiser might take a pair of Casts for a waste of time.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        model = emulated(data)
        try:
            self._session: Any = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its exceptions share no base but Exception
            raise Failure(
                f"network {model.graph.name} in half arithmetic",
                expected="operators that ONNX Runtime can compute in fp32",
                found=str(error).strip().splitlines()[0][:200],
            ) from None
        self.inputs = tuple(_spec(v) for v in model.graph.input)
        self.outputs = tuple(_spec(v) for v in model.graph.output)

    def run(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Compute all outputs from all inputs, both by name."""
        if self._session is None:
            raise Failure("HalfRunner", expected="an open runner", found="a closed one")
        names = [spec.name for spec in self.outputs]
        return dict(zip(names, self._session.run(names, dict(values)), strict=True))

    def close(self) -> None:
        """Free the network; twice is fine."""
        self._session = None


def _spec(value: onnx.ValueInfoProto) -> TensorSpec:
    tensor = value.type.tensor_type
    shape = tuple(d.dim_value if d.HasField("dim_value") else d.dim_param for d in tensor.shape.dim)
    return TensorSpec(
        value.name, onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name, shape
    )
