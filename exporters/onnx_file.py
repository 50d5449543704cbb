"""A PyTorch module → the bytes of an ONNX file that holds for every length and tells no secrets.

Opset 20: older files are refused by ONNX Runtime where attention is involved, and from 23 on
attention becomes one operator whose float32 build fails in TensorRT-RTX.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from typing import Any, cast

import onnx
import torch
from torch import nn
from torch.nn.utils import parametrize

from ..contract.errors import Failure
from ..contract.stages import Signature
from ..contract.tensors import TensorSpec
from ..reference.wavenet import fold_weight_norm
from .chatter import captured
from .examples import TRACED, example_inputs, varying_symbol
from .shapes import factor_and_symbol

OPSET = 20

_PATH = re.compile(rb"(?:/[\w.+-]+){2,}/[\w.+-]+\.(?:py|so)\b|site-packages|[A-Za-z]:\\\\?Users")
"""What a stack trace leaves behind: a path to a source file or library, or a home folder."""

_ELEMENT_TYPES = {
    "float32": onnx.TensorProto.FLOAT,
    "int32": onnx.TensorProto.INT32,
    "int64": onnx.TensorProto.INT64,
}


def onnx_bytes(stage: str, module: nn.Module, signature: Signature) -> bytes:
    """Trace ``module`` and serialise it; ``module`` itself is left as it is.

    Args:
        stage: its name, for messages and example inputs.
        module: takes the signature's inputs in order and returns its outputs in order.

    Returns:
        A self-contained ONNX file: inputs, outputs and their dimensions named as in the signature,
        no metadata, no paths; the same weights give the same bytes.

    Raises:
        Failure: the module cannot be traced, or a declared axis came out with a fixed length.
    """
    module = _without_weight_norm(copy.deepcopy(module).eval())
    model = _traced(stage, module, signature)
    del module  # a second copy of all weights would stay through what follows
    for given, specs in (
        (model.graph.input, signature.inputs),
        (model.graph.output, signature.outputs),
    ):
        _check_names(stage, [v.name for v in given], specs)
        for value, spec in zip(given, specs, strict=True):
            _check_axes(stage, value, spec)
            _name_axes(value, spec)
    strip(model)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString(deterministic=True)
    if found := _PATH.search(data):
        raise Failure(
            f"stage {stage}",
            expected="an ONNX file without paths of the machine it was made on",
            found=found.group().decode("utf-8", "replace"),
            remedy="report it with the versions of torch and onnx",
        )
    return data


def strip(model: onnx.ModelProto) -> None:
    """Remove all that is not needed to run: stack traces, documentation, intermediate shapes."""
    _silence(model)
    _strip_graph(model.graph)
    for function in model.functions:
        _silence(function)
        _strip_nodes(function.node)


def _strip_graph(graph: onnx.GraphProto) -> None:
    _silence(graph)
    graph.ClearField("value_info")
    for value in (*graph.input, *graph.output, *graph.initializer):
        _silence(value)
    _strip_nodes(graph.node)


def _strip_nodes(nodes: Iterable[onnx.NodeProto]) -> None:
    for node in nodes:
        _silence(node)
        for attribute in node.attribute:
            attribute.ClearField("doc_string")
            if attribute.HasField("g"):
                _strip_graph(attribute.g)
            for graph in attribute.graphs:
                _strip_graph(graph)


def _silence(part: Any) -> None:
    part.ClearField("doc_string")
    part.ClearField("metadata_props")


def _without_weight_norm(module: nn.Module) -> nn.Module:
    """Fold every parametrised weight; left in, an engine keeps both factors."""
    for child in module.modules():
        if parametrize.is_parametrized(child):
            # A copy shares its generated class with the original, and removing a parametrisation
            # edits the class.
            kind = type(child)
            child.__class__ = type(kind.__name__, kind.__bases__, dict(kind.__dict__))
            for name in list(cast(nn.ModuleDict, child.parametrizations)):
                parametrize.remove_parametrizations(child, name)
    return fold_weight_norm(module)


def _traced(stage: str, module: nn.Module, signature: Signature) -> onnx.ModelProto:
    symbol = varying_symbol(signature)
    feeds = example_inputs(stage, signature, TRACED[symbol])
    arguments = tuple(torch.from_numpy(feeds[spec.name]) for spec in signature.inputs)
    try:
        with captured(), torch.no_grad():
            program = torch.onnx.export(
                module,
                arguments,
                dynamo=True,
                opset_version=OPSET,
                external_data=False,
                verbose=False,
                input_names=[spec.name for spec in signature.inputs],
                output_names=[spec.name for spec in signature.outputs],
                dynamic_shapes=_dynamic_shapes(module, signature, symbol),
            )
            assert program is not None
            model: onnx.ModelProto = program.model_proto
    except Exception as error:
        raise Failure(
            f"stage {stage}",
            expected=f"a network that can be traced for any number of {symbol}",
            found=f"{type(error).__name__}: {_first_line(error)}",
            remedy="the exporter's own words stand above",
        ) from error
    return model


def _dynamic_shapes(module: nn.Module, signature: Signature, symbol: str) -> tuple[object, ...]:
    """One mapping axis → dimension for each argument; ``8*latents`` becomes a derived dimension."""
    least = {"samples": 400}.get(symbol, 1)
    free = torch.export.Dim(symbol, min=least)
    shapes = []
    for spec in signature.inputs:
        axes = {}
        for axis, dimension in enumerate(spec.shape):
            if isinstance(dimension, str):
                factor, _ = factor_and_symbol(dimension)
                axes[axis] = factor * free if factor > 1 else free
        shapes.append(axes)
    return tuple(shapes)


def _check_names(stage: str, found: list[str], specs: tuple[TensorSpec, ...]) -> None:
    expected = [spec.name for spec in specs]
    if found != expected:
        raise Failure(
            f"stage {stage}",
            expected=f"the tensors {', '.join(expected)}",
            found=", ".join(found) or "none",
            remedy="its module and its signature in contract/stages.py must agree",
        )


def _check_axes(stage: str, value: onnx.ValueInfoProto, spec: TensorSpec) -> None:
    """Refuse a graph that quietly kept the length it was traced with (or gained another axis)."""
    tensor = value.type.tensor_type
    dims = tensor.shape.dim
    found = tuple(d.dim_value if d.HasField("dim_value") else "any" for d in dims)
    fits = len(found) == len(spec.shape) and all(
        f == "any" if isinstance(s, str) else f == s for f, s in zip(found, spec.shape, strict=True)
    )
    if not fits or tensor.elem_type != _ELEMENT_TYPES[spec.dtype]:
        kind = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
        raise Failure(
            f"stage {stage}, tensor {spec.name}",
            expected=f"{spec.dtype} {_shown(spec.shape)}",
            found=f"{kind} {_shown(found)} in the traced graph",
            remedy="a length was baked in: look for len(x), int(x.shape[i]) or a loop over it",
        )


def _name_axes(value: onnx.ValueInfoProto, spec: TensorSpec) -> None:
    for dim, dimension in zip(value.type.tensor_type.shape.dim, spec.shape, strict=True):
        if isinstance(dimension, str):
            dim.dim_param = dimension


def _shown(shape: tuple[int | str, ...]) -> str:
    return f"({', '.join(map(str, shape))})"


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else "no message"
