"""The emotion probes: which of the eight emotions does a face wear?"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from ...contract.emotions import EMOTIONS
from ...contract.errors import BadCheckpoint
from ...contract.landmarks import LANDMARKS

INPUT = 64
"""Side of the picture the pixel probe sees."""

CROP = (0.20, 0.72, 0.24, 0.76)
"""Top, bottom, left and right of the face in a whole picture, shares of its side."""

DATA = Path(str(files("emogene.evaluation") / "data"))
"""Where the package keeps the trained ones."""

LANDMARK_FILE, PIXEL_FILE = "landmark_probe.safetensors", "pixel_probe.safetensors"

_MEAN = "mean"


class LandmarkProbe(nn.Module):
    """Landmarks in a plane → (N, 8) logits; size, place and tilt of the face do not matter."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer(_MEAN, torch.zeros(LANDMARKS, 2))
        self.register_buffer("scale", torch.ones(()))
        self.layers = nn.Sequential(
            nn.Linear(2 * LANDMARKS, 96), nn.ReLU(), nn.Linear(96, 48), nn.ReLU(),
            nn.Linear(48, len(EMOTIONS)),
        )  # fmt: skip

    def forward(self, landmarks: Tensor) -> Tensor:
        """(N, 68, 2) float32, x to the right and y up, in units of any size."""
        mean = self.get_buffer(_MEAN)
        shape = (aligned(landmarks, mean) - mean) / self.get_buffer("scale")
        logits: Tensor = self.layers(shape.flatten(1))
        return logits


class PixelProbe(nn.Module):
    """Small pictures of the face (N, 3, 64, 64) float32 in 0…1 → (N, 8) logits."""

    def __init__(self) -> None:
        super().__init__()
        widths = (24, 32, 48, 64)
        stages: list[nn.Module] = [nn.Conv2d(3, widths[0], 5, stride=2, padding=2)]
        stages += [nn.GroupNorm(8, widths[0]), nn.ReLU()]
        for inputs, outputs in pairwise(widths):
            stages += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.GroupNorm(8, outputs)]
            stages += [nn.ReLU(), nn.MaxPool2d(2)]
        self.stages = nn.Sequential(*stages)
        self.logits = nn.Sequential(
            nn.Flatten(), nn.Linear(widths[-1] * 16, 48), nn.ReLU(), nn.Linear(48, len(EMOTIONS))
        )

    def forward(self, pictures: Tensor) -> Tensor:
        # Brightness and contrast of the whole picture say nothing about the face.
        deviation, mean = torch.std_mean(pictures, (1, 2, 3), keepdim=True)
        found: Tensor = self.logits(self.stages((pictures - mean) / deviation.clamp(min=1e-3)))
        return found


AnyProbe = TypeVar("AnyProbe", LandmarkProbe, PixelProbe)


def aligned(shapes: Tensor, mean: Tensor) -> Tensor:
    """(N, P, 2) shapes moved, turned and scaled onto `mean` (P, 2) as well as they can be.

    Least squares over similarities without reflection (Procrustes).
    """
    x = shapes - shapes.mean(1, keepdim=True)
    y = mean - mean.mean(0)
    cosine = (x * y).sum((1, 2))
    sine = (x[..., 0] * y[:, 1] - x[..., 1] * y[:, 0]).sum(1)
    size = x.square().sum((1, 2)).clamp(min=1e-12)
    c, s = (cosine / size)[:, None], (sine / size)[:, None]
    turned = torch.stack((c * x[..., 0] - s * x[..., 1], s * x[..., 0] + c * x[..., 1]), -1)
    return turned + mean.mean(0)


def small_pictures(pictures: Iterable[NDArray[np.uint8]]) -> Tensor:
    """Whole pictures (H, W, 3) uint8 → the face in them, (N, 3, 64, 64) float32 in 0…1."""
    top, bottom, left, right = CROP
    rows = []
    for picture in pictures:
        height, width = picture.shape[:2]
        face = picture[
            round(top * height) : max(round(bottom * height), round(top * height) + 1),
            round(left * width) : max(round(right * width), round(left * width) + 1),
        ]
        pixels = torch.from_numpy(face.astype(np.float32) / 255).permute(2, 0, 1)[None]
        size = (INPUT, INPUT)
        rows.append(F.interpolate(pixels, size, mode="bilinear", antialias=True))
    return torch.cat(rows)


def save_probe(path: Path, probe: nn.Module) -> None:
    """Write its learned numbers as float16."""
    tensors = {name: tensor.half().contiguous() for name, tensor in probe.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(save(tensors))
    part.replace(path)


@cache
def landmark_probe(folder: Path = DATA) -> LandmarkProbe:
    """The trained probe of landmarks; raises BadCheckpoint where its file is damaged."""
    return _loaded(LandmarkProbe(), folder / LANDMARK_FILE)


@cache
def pixel_probe(folder: Path = DATA) -> PixelProbe:
    """The trained probe of pictures; raises BadCheckpoint where its file is damaged."""
    return _loaded(PixelProbe(), folder / PIXEL_FILE)


def _loaded(probe: AnyProbe, path: Path) -> AnyProbe:
    try:
        probe.load_state_dict({name: t.float() for name, t in load_file(path).items()})
    except (OSError, SafetensorError, RuntimeError, KeyError) as error:
        raise BadCheckpoint(
            str(path),
            expected="an emotion probe of this version",
            found=str(error).splitlines()[0],
            remedy="train it again: emogene-eval probes",
        ) from None
    return probe.eval()
