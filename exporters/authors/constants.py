"""Tensors of published checkpoints that the published code makes, and training never changes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ...contract.field import GridSpec
from ...reference.authors import ENTRY_BOX, published_grid
from ...reference.super_resolution import TAPS
from .models import PublishedField


def constants(field: PublishedField) -> dict[str, Tensor]:
    """By their published names: the box rays enter, where levels begin, the upsampling's filter."""
    head = field.head
    box = torch.tensor(ENTRY_BOX).flatten()
    made = {"aabb_train": box, "aabb_infer": box}
    for name, dimensions in (("position", 3), ("ambient", head.ambient)):
        grid = published_grid(name, dimensions, head.finest, head.log2_size)
        made[f"{name}_embedder.offsets"] = _offsets(grid)
    if not field.alone:
        made["torso_embedder.offsets"] = _offsets(published_grid("torso", 2, 2048, 16))
    if field.torso.super_resolution:
        taps = torch.outer(torch.tensor(TAPS), torch.tensor(TAPS)) / sum(TAPS) ** 2
        made["sr_net.resample_filter"] = taps
        for block in ("block0", "block1"):
            for part in ("", ".conv0", ".conv1"):
                made[f"sr_net.{block}{part}.resample_filter"] = taps
    return made


def other_constants(field: PublishedField, tensors: Mapping[str, Tensor]) -> list[str]:
    """Names of those that a checkpoint has otherwise."""
    return [
        name
        for name, wanted in constants(field).items()
        if name in tensors
        and (
            tensors[name].shape != wanted.shape
            or not torch.allclose(tensors[name].double(), wanted.double(), rtol=1e-6)
        )
    ]


def _offsets(grid: GridSpec) -> Tensor:
    ends = np.cumsum([0, *(level.size for level in grid.levels)])
    return torch.from_numpy(ends.astype(np.int32))
