"""The PyTorch reference as a runner, so that one comparer serves it and every backend."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..contract.closing import Closing
from ..contract.errors import Failure
from ..contract.stages import Signature
from ..runtime.backends.protocol import Array


class TorchRunner(Closing):
    """A PyTorch module behind `runtime.backends.protocol.Runner`.

    Args:
        module: takes the signature's inputs in order, returns its outputs in order.
        signature: names, dtypes and symbolic shapes.
    """

    backend = "torch-cpu"

    def __init__(self, module: nn.Module, signature: Signature) -> None:
        self._module: nn.Module | None = module.eval()
        self.inputs, self.outputs = signature.inputs, signature.outputs

    def run(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Compute all outputs from all inputs, both by name."""
        if self._module is None:
            raise Failure("TorchRunner", expected="an open runner", found="a closed one")
        arguments = [torch.from_numpy(values[spec.name]) for spec in self.inputs]
        with torch.inference_mode():
            made = self._module(*arguments)
        outputs = (made,) if isinstance(made, Tensor) else tuple(made)
        return {s.name: v.numpy() for s, v in zip(self.outputs, outputs, strict=True)}

    def close(self) -> None:
        """Let go of the module; twice is fine."""
        self._module = None
