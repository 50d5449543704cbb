"""Exported files hold for every length, say nothing of the machine, and repeat bit for bit."""

from __future__ import annotations

import getpass
import logging
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from emogene.contract.errors import Failure
from emogene.contract.measure import relative_l2
from emogene.contract.stages import Signature
from emogene.contract.tensors import TensorSpec
from emogene.exporters.chatter import captured
from emogene.exporters.examples import TRACED
from emogene.exporters.onnx_file import OPSET, onnx_bytes, strip
from emogene.exporters.stages import logistic
from emogene.reference.wavenet import WaveNet
from emogene.runtime.backends.onnxruntime import OnnxRuntimeRunner

ROWS = Signature(
    (TensorSpec("features", "float32", ("points", 4)),),
    (TensorSpec("raw", "float32", ("points", 3)),),
)
SEQUENCE = Signature(
    (
        TensorSpec("x", "float32", (1, 6, "latents")),
        TensorSpec("condition", "float32", (1, 5, "latents")),
    ),
    (TensorSpec("y", "float32", (1, 6, "latents")),),
)


class Counted(nn.Module):
    """Gives as many rows as it was traced with, whatever it is given."""

    def forward(self, features: Tensor) -> Tensor:
        return torch.zeros(TRACED["points"], 3) + features.sum()


class Measured(nn.Module):
    """``len`` of a tensor is a Python number: the tracer silently falls back to fixed lengths."""

    def forward(self, features: Tensor) -> Tensor:
        return features[:, :3] + features.new_ones(len(features), 1)


class Looped(nn.Module):
    """Loops over the varying axis in Python."""

    def forward(self, features: Tensor) -> Tensor:
        return torch.stack([features[i, :3] for i in range(features.shape[0])])


class Noisy(nn.Module):
    """Warns while it is traced, and works."""

    def forward(self, features: Tensor) -> Tensor:
        warnings.warn("a tracer's remark", stacklevel=1)
        return features[:, :3] * 2.0


def test_names_axes_opset_and_nothing_else() -> None:
    data = onnx_bytes("density", nn.Linear(4, 3), ROWS)
    model = onnx.load_model_from_string(data)
    (given,), (made,) = model.graph.input, model.graph.output
    assert (given.name, made.name) == ("features", "raw")
    assert [d.dim_param or d.dim_value for d in given.type.tensor_type.shape.dim] == ["points", 4]
    assert [d.dim_param or d.dim_value for d in made.type.tensor_type.shape.dim] == ["points", 3]
    assert [o.version for o in model.opset_import if o.domain == ""] == [OPSET]
    assert not model.metadata_props and not model.graph.value_info and not model.doc_string
    assert all(not n.metadata_props and not n.doc_string for n in model.graph.node)


def test_no_paths_and_no_user_inside() -> None:
    data = onnx_bytes("density", nn.Linear(4, 3), ROWS)
    here = (str(Path.home()), str(Path.cwd()), "site-packages", ".py", "/tmp")
    for word in here:
        assert word.encode() not in data, word
    if getpass.getuser() != "root":
        assert getpass.getuser().encode() not in data


def test_strip_reaches_nodes_values_and_subgraphs() -> None:
    """A graph full of notes, one of them inside a branch, loses them all."""

    def node() -> onnx.NodeProto:
        made = onnx.helper.make_node("Identity", ["x"], ["y"], doc_string="File /secret/place.py")
        made.metadata_props.add(key="pkg.torch.onnx.stack_trace", value="File /secret/place.py")
        return made

    value = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    branch = onnx.helper.make_graph([node()], "branch", [], [value], doc_string="/secret/place.py")
    chosen = onnx.helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch)
    graph = onnx.helper.make_graph([node(), chosen], "g", [], [value], value_info=[value])
    model = onnx.helper.make_model(graph, doc_string="/secret/place.py")
    model.metadata_props.add(key="k", value="/secret/place.py")
    assert b"secret" in model.SerializeToString()
    strip(model)
    assert b"secret" not in model.SerializeToString()
    assert [n.op_type for n in model.graph.node] == ["Identity", "If"]


def test_the_same_weights_give_the_same_bytes() -> None:
    torch.manual_seed(0)
    module = WaveNet(6, 5, 3, 2)
    assert onnx_bytes("s", module, SEQUENCE) == onnx_bytes("s", module, SEQUENCE)


@pytest.mark.parametrize("module", [Counted(), Measured(), Looped()])
def test_a_length_that_is_baked_in_is_refused(
    module: nn.Module, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Failure, match="stage density") as refused:
        onnx_bytes("density", module, ROWS)
    assert refused.value.remedy


def test_the_refusal_names_the_tensor_and_both_shapes() -> None:
    with pytest.raises(Failure, match=r"tensor raw: expected float32 \(points, 3\), found .*6, 3"):
        onnx_bytes("density", Counted(), ROWS)


def test_wrong_output_width_is_refused() -> None:
    with pytest.raises(Failure, match=r"tensor raw: expected .*points, 3.*found .*any, 2"):
        onnx_bytes("density", nn.Linear(4, 2), ROWS)


def test_weight_norm_is_folded_and_the_module_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(1)
    ours = WaveNet(6, 5, 3, 2)
    theirs = nn.utils.parametrizations.weight_norm(nn.Conv1d(6, 6, 3, padding=1))

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ours, self.theirs = ours, theirs

        def forward(self, x: Tensor, condition: Tensor) -> Tensor:
            return self.theirs(self.ours(x, condition))

    module = Both().eval()
    x, condition = torch.randn(1, 6, 9), torch.randn(1, 5, 9)
    with torch.no_grad():
        before = module(x, condition).numpy()
    path = tmp_path / "s.onnx"
    path.write_bytes(onnx_bytes("s", module, SEQUENCE))
    weights = onnx.load(path).graph.initializer
    assert not [w.name for w in weights if "weight_g" in w.name or "original" in w.name]
    with torch.no_grad():
        assert np.array_equal(module(x, condition).numpy(), before)
    with OnnxRuntimeRunner(path, 1) as runner:
        made = runner.run({"x": x.numpy(), "condition": condition.numpy()})["y"]
    assert relative_l2(made, before) < 1e-6


def test_the_tracer_is_silent_unless_it_fails(capfd: pytest.CaptureFixture[str]) -> None:
    onnx_bytes("density", Noisy(), ROWS)
    assert capfd.readouterr() == ("", "")

    class Failing(Noisy):
        def forward(self, features: Tensor) -> Tensor:
            super().forward(features)
            raise RuntimeError("no such thing")

    with pytest.raises(Failure, match="stage density"):
        onnx_bytes("density", Failing(), ROWS)
    assert "a tracer's remark" in capfd.readouterr().err


def test_logistic_is_the_sigmoid_to_the_last_digits() -> None:
    x = torch.linspace(-80, 80, 2_001)
    torch.testing.assert_close(logistic(x), torch.sigmoid(x), atol=0, rtol=1e-6)


def test_handlers_made_before_the_stream_was_wrapped_are_silent_too(
    capfd: pytest.CaptureFixture[str],
) -> None:
    logger, handler = logging.getLogger("early bird"), logging.StreamHandler(sys.__stderr__)
    logger.addHandler(handler)
    try:
        with captured() as text:
            logger.warning("tweet")
    finally:
        logger.removeHandler(handler)
    assert "tweet" in text.getvalue() and capfd.readouterr() == ("", "")
