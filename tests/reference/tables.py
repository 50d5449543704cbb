"""The published models' tensors: names and shapes."""

from __future__ import annotations

from pathlib import Path

import torch

Table = dict[str, tuple[int, ...]]

_FOLDER = Path(__file__).parent / "published"

INTEGERS = {
    "num_batches_tracked": torch.int64,
    "offsets": torch.int32,
    "step_counter": torch.int32,
    "density_bitfield": torch.uint8,
}


def published(name: str) -> Table:
    """The table of ``published/<name>.txt``."""
    rows = (line.split() for line in (_FOLDER / f"{name}.txt").read_text("utf-8").splitlines())
    return {row[0]: tuple(map(int, row[1:])) for row in rows}


def shapes(module: torch.nn.Module) -> Table:
    """Names and shapes of a module's state."""
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def random_tensors(table: Table, seed: int = 0) -> dict[str, torch.Tensor]:
    """A checkpoint of random numbers, with the types the published ones have."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in table.items():
        dtype = INTEGERS.get(name.rsplit(".", 1)[-1])
        if dtype is None:
            tensors[name] = 0.1 * torch.randn(shape, generator=generator)
        else:
            high = 256 if dtype == torch.uint8 else 9
            tensors[name] = torch.randint(high, shape, generator=generator).to(dtype)
    return tensors
