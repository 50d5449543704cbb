"""The perceptrons of the fields: ReLU layers whose first bias is the frame's condition."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..contract.field import MlpSpec


class Layer(nn.Module):
    """One linear layer: ``weight`` (outputs, inputs) and, where it has one, ``bias`` (outputs,)."""

    def __init__(self, inputs: int, outputs: int, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        nn.init.kaiming_uniform_(self.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs) → (N, outputs)."""
        return functional.linear(x, self.weight, self.bias)


class Mlp(nn.Module):
    """`MlpSpec` as a module; its tensors are ``<i>.weight`` and ``<i>.bias`` below its name."""

    def __init__(self, spec: MlpSpec) -> None:
        super().__init__()
        if not spec.hidden:
            raise ValueError(f"{spec.name}: an MLP needs a hidden layer for the condition's bias")
        self.spec = spec
        self.depth = len(spec.widths) - 1
        for i, (inputs, outputs) in enumerate(pairwise(spec.widths)):
            self.add_module(str(i), Layer(inputs, outputs, bias=spec.bias and i > 0))

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Evaluate rows.

        Args:
            x: (N, inputs).
            bias: (1, hidden[0]), or (N, hidden[0]) where rows belong to different frames.

        Returns:
            (N, outputs), without activation.
        """
        for i in range(self.depth):
            x = self.get_submodule(str(i))(x)
            if i == 0:
                x = x + bias
            if i < self.depth - 1:
                x = torch.relu(x)
        return x
