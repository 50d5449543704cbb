"""The convolutions that the audio-to-motion VAE is made of: WaveNet blocks and a coupling flow.

Parameter names follow the published models (``weight_g``, ``weight_v``, ``in_layers``, …), so their
tensors load without renaming.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class WeightNormConv1d(nn.Module):
    """A 1-D convolution whose kernel is ``g * v / |v|``, one length g per output channel.

    The parametrisation helps training; for deployment `fold_weight_norm` replaces the module with
    the plain convolution it equals.

    Args:
        inputs, outputs: channels.
        kernel: odd width; the sequence keeps its length.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        plain = nn.Conv1d(inputs, outputs, kernel)
        assert plain.bias is not None
        self.bias = nn.Parameter(plain.bias.detach())
        self.weight_v = nn.Parameter(plain.weight.detach())
        self.weight_g = nn.Parameter(_row_lengths(plain.weight.detach()))
        self.padding = kernel // 2

    def weight(self) -> Tensor:
        """The kernel itself, (outputs, inputs, kernel)."""
        return self.weight_v * (self.weight_g / _row_lengths(self.weight_v))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, T) → (B, outputs, T)."""
        return functional.conv1d(x, self.weight(), self.bias, padding=self.padding)

    def plain(self) -> nn.Conv1d:
        """The same convolution without the parametrisation."""
        outputs, inputs, kernel = self.weight_v.shape
        folded = nn.Conv1d(inputs, outputs, kernel, padding=self.padding)
        with torch.no_grad():
            folded.weight.copy_(self.weight())
            assert folded.bias is not None
            folded.bias.copy_(self.bias)
        return folded


def _row_lengths(v: Tensor) -> Tensor:
    return v.flatten(1).norm(dim=1)[:, None, None]


def fold_weight_norm(module: nn.Module) -> nn.Module:
    """Replace every `WeightNormConv1d` below ``module`` by the plain convolution, in place.

    Left in, an exported engine keeps both factors and is two thirds larger.
    """
    for name, child in module.named_children():
        if isinstance(child, WeightNormConv1d):
            setattr(module, name, child.plain())
        else:
            fold_weight_norm(child)
    return module


class WaveNet(nn.Module):
    """Gated convolutions with residual and skip paths, conditioned in every layer.

    Args:
        hidden: channels.
        condition: channels of the conditioning sequence.
        kernel: odd width of the gated convolutions; the dilation is 1.
        layers: number of gated convolutions; output t sees inputs t ± layers * (kernel // 2).
    """

    def __init__(self, hidden: int, condition: int, kernel: int, layers: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.in_layers = nn.ModuleList(
            WeightNormConv1d(hidden, 2 * hidden, kernel) for _ in range(layers)
        )
        # The last layer feeds the skip path only.
        self.res_skip_layers = nn.ModuleList(
            WeightNormConv1d(hidden, 2 * hidden if i < layers - 1 else hidden, 1)
            for i in range(layers)
        )
        self.cond_layer = WeightNormConv1d(condition, 2 * hidden * layers, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(B, hidden, T) and (B, condition, T) → (B, hidden, T)."""
        gates = self.cond_layer(condition).split(2 * self.hidden, dim=1)
        skipped = torch.zeros_like(x)
        for gate, convolve, project in zip(
            gates, self.in_layers, self.res_skip_layers, strict=True
        ):
            a, b = (convolve(x) + gate).split(self.hidden, dim=1)
            y = project(torch.tanh(a) * torch.sigmoid(b))
            if y.shape[1] == self.hidden:
                skipped = skipped + y
            else:
                residual, skip = y.split(self.hidden, dim=1)
                x, skipped = x + residual, skipped + skip
        return skipped


class Coupling(nn.Module):
    """Shift the second half of the channels by a function of the first half and the condition.

    Only shifted, never scaled: the determinant of its Jacobian is 1.
    """

    def __init__(
        self, channels: int, hidden: int, condition: int, kernel: int, layers: int
    ) -> None:
        super().__init__()
        self.half = channels // 2
        self.pre = nn.Conv1d(self.half, hidden, 1)
        self.enc = WaveNet(hidden, condition, kernel, layers)
        self.post = nn.Conv1d(hidden, self.half, 1)
        nn.init.zeros_(self.post.weight)
        assert self.post.bias is not None
        nn.init.zeros_(self.post.bias)

    def forward(self, x: Tensor, condition: Tensor, reverse: bool = False) -> Tensor:
        """(B, channels, T) and (B, condition, T) → (B, channels, T)."""
        kept, moved = x.split(self.half, dim=1)
        shift = self.post(self.enc(self.pre(kept), condition))
        return torch.cat((kept, moved - shift if reverse else moved + shift), dim=1)


class ChannelFlip(nn.Module):
    """Reverse the order of the channels, so that the next coupling moves the other half."""

    def forward(self, x: Tensor, condition: Tensor, reverse: bool = False) -> Tensor:
        """(B, channels, T) → (B, channels, T)."""
        return x.flip(1)


class CouplingFlow(nn.Module):
    """An invertible map between latents and a standard normal, given the speech.

    Args:
        channels: even number of latent channels.
        couplings: number of `Coupling` steps, each followed by a flip.
        hidden, condition, kernel, layers: of the WaveNet in every coupling.
    """

    def __init__(
        self, channels: int, couplings: int, hidden: int, condition: int, kernel: int, layers: int
    ) -> None:
        super().__init__()
        self.flows = nn.ModuleList()
        for _ in range(couplings):
            self.flows.append(Coupling(channels, hidden, condition, kernel, layers))
            self.flows.append(ChannelFlip())

    def forward(self, x: Tensor, condition: Tensor, reverse: bool = False) -> Tensor:
        """Latents → normal variables, or back when ``reverse``; volume is preserved.

        (B, channels, T) and (B, condition, T) → (B, channels, T).
        """
        steps = reversed(self.flows) if reverse else self.flows
        for flow in steps:
            x = flow(x, condition, reverse)
        return x
