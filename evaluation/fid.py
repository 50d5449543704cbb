"""Fréchet Inception distance: torchmetrics' arithmetic on the user's own Inception.

No Inception weights come with the package, and without them nothing is called FID.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..contract.errors import BadInput, MissingExtra

INPUT = 299
"""Side of Inception's input, pixels."""

MISSING = "needs an Inception network: give its TorchScript file with --inception"

_EXPECTED = "a TorchScript network from uint8 (N, 3, 299, 299) to features (N, D)"


class InceptionDistance:
    """FID of two streams of RGB pictures.

    Args:
        path: TorchScript file of the network, for instance the ``inception-2015-12-05.pt`` that
            papers on generative networks use. It is code: use only one that you trust.

    Raises:
        BadInput: the file cannot be read as such a network.
        MissingExtra: torchmetrics is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            from torchmetrics.image.fid import FrechetInceptionDistance
        except ModuleNotFoundError as error:
            raise MissingExtra(error.name or "torchmetrics", "eval", "FID") from None
        network = _opened(path)
        try:
            self._metric = FrechetInceptionDistance(feature=network)
        except Exception as error:  # the network is the user's and may fail in any way
            raise _refused(path, _first_line(error)) from None

    def add(self, pictures: Iterable[NDArray[np.uint8]], real: bool) -> None:
        """Take (H, W, 3) uint8 pictures; resampled to 299 × 299 with a bicubic filter."""
        import torch
        from PIL import Image

        for picture in pictures:
            resized = Image.fromarray(picture).resize((INPUT, INPUT), Image.Resampling.BICUBIC)
            pixels = torch.from_numpy(np.array(resized)).permute(2, 0, 1)[None]
            self._metric.update(pixels, real=real)

    def value(self) -> float:
        """The distance; at least two pictures of each kind must have been added."""
        return float(self._metric.compute())


def _opened(path: Path) -> Any:
    import torch

    if not path.is_file():
        raise _refused(path, "no such file")
    try:
        network = torch.jit.load(str(path), map_location="cpu").eval()
    except (RuntimeError, ValueError) as error:
        raise _refused(path, _first_line(error)) from None
    names = [argument.name for argument in network.forward.schema.arguments]

    class Features(torch.nn.Module):
        """The network, asked for features where it also gives class scores."""

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            asked = {"return_features": True} if "return_features" in names else {}
            features: torch.Tensor = network(pixels, **asked)
            return features.flatten(1).float()

    return Features()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _refused(path: Path, found: str) -> BadInput:
    return BadInput(str(path), expected=_EXPECTED, found=found, remedy="see docs/evaluation.md")
