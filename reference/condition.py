"""The condition encoder: a window of landmarks → the first-layer bias of every field network.

A field's condition is constant over a frame, so whatever a network would be given of it beside
each sample is one matrix product a frame, added where the first layer's bias stands. Two wirings:
`PlainCondition` is ours; `AttentionCondition` is the authors' (RAD-NeRF's audio encoder, fed
landmarks).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..contract.field import FieldSpec, MlpSpec
from ..contract.landmarks import FLAT
from ..contract.stages import bias_name


@dataclass(frozen=True)
class PlainConditionConfig:
    """window · 204 → ``hidden`` → ``code`` → biases.

    Attributes:
        window: frames, odd.
        hidden: width of the hidden layer.
        code: width of the landmark code l_E.
    """

    window: int = 1
    hidden: int = 128
    code: int = 48
    kind: Literal["plain"] = "plain"


@dataclass(frozen=True)
class AttentionConditionConfig:
    """The authors' encoder.

    Attributes:
        window: frames, odd: 3 with super-resolution, else 5.
        code: width of the landmark code.
        blink: leading features of the code the eye opening is added to; 0 for none.
        individual: width of the per-frame appearance code given to the colour network.
        individual_rows: rows of that code's table, one per training frame; row 0 is deployed.
    """

    window: int = 5
    code: int = 64
    blink: int = 8
    individual: int = 4
    individual_rows: int = 1
    kind: Literal["attention"] = "attention"


ConditionConfig = PlainConditionConfig | AttentionConditionConfig


class PlainCondition(nn.Module):
    """A two-layer perceptron to the code, and a linear map from it to every network's bias."""

    def __init__(self, config: PlainConditionConfig, networks: Sequence[MlpSpec]) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(config.window * FLAT, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, config.code),
        )
        self.biases = nn.ModuleDict({n.name: nn.Linear(config.code, n.hidden[0]) for n in networks})

    def forward(self, windows: Tensor) -> dict[str, Tensor]:
        """(B, W, 204) → ``<network>_bias`` (B, hidden) for every network, in evaluation order."""
        code = self.encoder(windows.flatten(1))
        return {bias_name(name): layer(code) for name, layer in self.biases.items()}


class AttentionCondition(nn.Module):
    """Encode every frame of the window, weigh them by attention, fold the code into biases.

    ``columns.<network>`` (hidden, code) are the columns of that network's first layer that the code
    meets; ``individual_columns`` (hidden, individual) those of the colour network for the
    individual code.
    """

    def __init__(
        self, config: AttentionConditionConfig, networks: Sequence[MlpSpec], colour: str
    ) -> None:
        super().__init__()
        self.config, self.colour = config, colour
        self.hidden = {n.name: n.hidden[0] for n in networks}
        self.cond_prenet = _WindowEncoder(config.code)
        self.cond_att_net = _WindowAttention(config.code, config.window)
        if config.blink:
            half = config.code // 2
            self.blink_embedding = nn.Embedding(1, half)
            self.blink_encoder = nn.Sequential(nn.Linear(half, half), nn.Linear(half, config.blink))
        # Only the ambient network is given the code; without one the density network is.
        fed = networks[0]
        self.columns = nn.ParameterDict(
            {fed.name: nn.Parameter(0.1 * torch.randn(fed.hidden[0], config.code))}
        )
        self.individual_embeddings = nn.Parameter(
            0.1 * torch.randn(config.individual_rows, config.individual)
        )
        self.individual_columns = nn.Parameter(
            0.1 * torch.randn(self.hidden[colour], config.individual)
        )

    def forward(
        self, windows: Tensor, eye_opening: Tensor | None = None, row: int = 0
    ) -> dict[str, Tensor]:
        """Biases of every network for a batch of frames.

        Args:
            windows: (B, W, 204) normalised landmarks.
            eye_opening: (B,) share of the eye that is open; None is 0.
            row: which individual code.

        Returns:
            ``<network>_bias`` (B, hidden), in evaluation order; zeros where the condition does not
            reach a network.
        """
        batch, width, _ = windows.shape
        code = self.cond_prenet(windows.flatten(0, 1)).unflatten(0, (batch, width))
        if self.config.blink:
            code = code + self._blink(code, eye_opening)
        code = self.cond_att_net(code)
        biases = {}
        for name, hidden in self.hidden.items():
            bias = code.new_zeros(1, hidden).expand(batch, -1)
            if name in self.columns:
                bias = bias + functional.linear(code, self.columns[name])
            if name == self.colour:
                bias = bias + self.individual_columns @ self.individual_embeddings[row]
            biases[bias_name(name)] = bias
        return biases

    def _blink(self, code: Tensor, eye_opening: Tensor | None) -> Tensor:
        """What the eye opening adds to the code, (B, 1, code)."""
        if eye_opening is None:
            eye_opening = code.new_zeros(code.shape[0])
        added = self.blink_encoder(eye_opening[:, None] * self.blink_embedding.weight)
        return functional.pad(added, (0, self.config.code - self.config.blink))[:, None]


class _WindowEncoder(nn.Module):
    """(N, 204) → (N, code); convolutions of width 3 over a sequence of one frame, as published."""

    def __init__(self, code: int) -> None:
        super().__init__()
        widths = (FLAT, 32, 32, 64, 64)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Conv1d(inputs, outputs, 3, padding=1), nn.LeakyReLU(0.02)]
        self.encoder_conv = nn.Sequential(*layers)
        self.encoder_fc1 = nn.Sequential(nn.Linear(64, 64), nn.LeakyReLU(0.02), nn.Linear(64, code))

    def forward(self, x: Tensor) -> Tensor:
        return self.encoder_fc1(self.encoder_conv(x[:, :, None])[:, :, 0])


class _WindowAttention(nn.Module):
    """(B, W, code) → (B, code): the window's frames, weighted by a softmax over them."""

    def __init__(self, code: int, window: int) -> None:
        super().__init__()
        widths = (code, 16, 8, 4, 2, 1)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Conv1d(inputs, outputs, 3, padding=1), nn.LeakyReLU(0.02)]
        self.attentionConvNet = nn.Sequential(*layers)
        self.attentionNet = nn.Sequential(nn.Linear(window, window), nn.Softmax(dim=1))

    def forward(self, code: Tensor) -> Tensor:
        scores = self.attentionConvNet(code.transpose(1, 2))[:, 0]
        return (self.attentionNet(scores)[:, :, None] * code).sum(1)


def build_condition(config: ConditionConfig, field: FieldSpec) -> nn.Module:
    """The condition encoder of a head field."""
    if isinstance(config, PlainConditionConfig):
        return PlainCondition(config, field.networks)
    return AttentionCondition(config, field.networks, field.colour.name)
