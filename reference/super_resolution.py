"""The published super-resolution: a picture of half the size → the whole one.

Two blocks of StyleGAN2 (Karras et al., "Analyzing and Improving the Image Quality of StyleGAN").
Their style is the same for every picture, so each modulated convolution is folded into a plain one
(`fold_modulation`). The random noise they add to every pixel is off, or the constant one that the
published model holds beside.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..contract.stages import ENLARGEMENT

SLOPE, GAIN, LIMIT = 0.2, math.sqrt(2.0), 256.0
"""Of the activation: ``clamp(leaky_relu(x, 0.2) * sqrt(2), ±256)``."""

TAPS = (1.0, 3.0, 3.0, 1.0)
"""The low-pass filter of both upsamplings, along each axis, before it is normalised."""

DEMODULATION_EPSILON = 1e-8

NOISES = {"first": 1, "second": 1, "enlarging": ENLARGEMENT, "last": ENLARGEMENT}
"""Convolutions that noise is added behind, and the size of their pictures as a multiple."""


@dataclass(frozen=True)
class SuperResolutionConfig:
    """Its dimensions.

    Attributes:
        small, large: channels of the block at the small size, and of the block at the large one.
        noise: side of the small picture that constant noise was stored for, pixels; 0 adds none. At
            other sizes it is cut, or repeated.
    """

    small: int = 128
    large: int = 64
    noise: int = 0


class SuperResolution(nn.Module):
    """A picture (1, 3, S, S) in [0, 1] → (1, 3, 2 S, 2 S) in [0, 1]."""

    config_type = SuperResolutionConfig

    def __init__(self, config: SuperResolutionConfig) -> None:
        super().__init__()
        self.config = config
        small, large = config.small, config.large
        self.first = nn.Conv2d(3, small, 3, padding=1)
        self.second = nn.Conv2d(small, small, 3, padding=1)
        self.small_rgb = nn.Conv2d(small, 3, 1)
        self.enlarging = _Enlarging(small, large)
        self.last = nn.Conv2d(large, large, 3, padding=1)
        self.large_rgb = nn.Conv2d(large, 3, 1)
        self.register_buffer("taps", upsampling_taps(), persistent=False)
        if config.noise:
            for name, factor in NOISES.items():
                side = factor * config.noise
                self.register_buffer(f"{name}_noise", torch.zeros(side, side))

    def forward(self, picture: Tensor) -> Tensor:
        """(1, 3, S, S) → (1, 3, 2 S, 2 S)."""
        x = activated(self._noisy("first", self.first(picture)))
        x = activated(self._noisy("second", self.second(x)))
        shown = picture + self.small_rgb(x).clamp(-LIMIT, LIMIT)
        x = activated(self._noisy("enlarging", self.enlarging(x, self.taps)))
        x = activated(self._noisy("last", self.last(x)))
        shown = upsampled(shown, self.taps) + self.large_rgb(x).clamp(-LIMIT, LIMIT)
        return shown.clamp(0, 1)

    def _noisy(self, name: str, x: Tensor) -> Tensor:
        """(1, C, S, S) with this convolution's noise, the same in every channel."""
        if not self.config.noise:
            return x
        noise = self.get_buffer(f"{name}_noise")
        rows = torch.arange(x.shape[2]) % len(noise)
        return x + noise[rows][:, rows]


class _Enlarging(nn.Module):
    """A convolution between the pixels of a picture twice as large, low-passed.

    ``weight`` (inputs, outputs, 3, 3) of the transposed convolution; ``bias`` (outputs,) is added
    behind the filter.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, outputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.kaiming_uniform_(self.weight, nonlinearity="leaky_relu")

    def forward(self, x: Tensor, taps: Tensor) -> Tensor:
        """(1, inputs, S, S) → (1, outputs, 2 S, 2 S)."""
        x = functional.conv_transpose2d(x, self.weight, stride=ENLARGEMENT)
        channels = x.shape[1]
        x = functional.conv2d(x, taps.expand(channels, 1, -1, -1), padding=1, groups=channels)
        return x + self.bias[None, :, None, None]


def upsampling_taps() -> Tensor:
    """The filter in two dimensions, (1, 1, 4, 4), its sum the square of the enlargement."""
    taps = torch.tensor(TAPS)
    square = torch.outer(taps, taps)
    return (square / square.sum() * ENLARGEMENT**2)[None, None]


def upsampled(picture: Tensor, taps: Tensor) -> Tensor:
    """Zeros between the pixels, low-passed: (1, C, S, S) → (1, C, 2 S, 2 S)."""
    channels = picture.shape[1]
    return functional.conv_transpose2d(
        picture, taps.expand(channels, 1, -1, -1), stride=ENLARGEMENT, padding=1, groups=channels
    )


def activated(x: Tensor) -> Tensor:
    """The activation of every convolution but those that give colours."""
    return (functional.leaky_relu(x, SLOPE) * GAIN).clamp(-LIMIT, LIMIT)


def fold_modulation(
    weight: Tensor, affine_weight: Tensor, affine_bias: Tensor, *, demodulate: bool
) -> Tensor:
    """The plain kernel of a modulated convolution whose style vector is all ones.

    Computed in float64, because it is done once.

    Args:
        weight: (outputs, inputs, k, k).
        affine_weight, affine_bias: (inputs, style), (inputs,): style → a factor an input channel.
        demodulate: bring every output's kernel back to unit length; a colour layer scales the
            factors by ``1 / sqrt(inputs k²)`` instead.

    Returns:
        (outputs, inputs, k, k) of the weight's type.
    """
    wide = weight.double()
    style = affine_weight.double().sum(1) / math.sqrt(affine_weight.shape[1]) + affine_bias.double()
    if not demodulate:
        style = style / math.sqrt(weight[0].numel())
    folded = wide * style[None, :, None, None]
    if demodulate:
        square = folded.square().sum(dim=(1, 2, 3), keepdim=True)
        folded = folded * (square + DEMODULATION_EPSILON).rsqrt()
    return folded.to(weight.dtype)
