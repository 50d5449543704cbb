"""The C++ kernels as differentiable operations, for training on a CPU.

Each is the operation of the same name in `emogene.kernels`; its plain torch twin stands in
`emogene.reference`. Tensors are float32 on the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...contract.field import GridSpec
from ...kernels import compositing, grids
from ...reference.grids import encode_grid
from ...reference.head_field import Encode


@contextmanager
def single_thread() -> Iterator[None]:
    """Run torch on one thread: its gathers add up gradients in any order on several, and batches
    this small gain little from them. Networks are trained side by side instead."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def encode(grid: GridSpec, table: Tensor, coordinates: Tensor) -> Tensor:
    """`reference.grids.encode_grid`: features (S, grid.width) of (S, D) coordinates.

    Differentiable in `table` (grid.entries, grid.features), and in `coordinates` where they
    require a gradient.
    """
    features: Tensor = _Encode.apply(table, coordinates, grid)
    return features


def composite(
    sigmas: Tensor, values: Tensor, offsets: NDArray[np.int32], step: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Volume rendering (paper Eq. 6-7) of packed samples, front to back.

    Args:
        sigmas: (S,) densities.
        values: (S, C) what is summed along each ray.
        offsets: (N + 1,) first sample of each ray.
        step: distance between samples, head-space units.

    Returns:
        sums (N, C), opacities (N,) and the samples' weights (S,); all differentiable.
    """
    sums, opacities, weights = _Composite.apply(sigmas, values, offsets, step)
    return sums, opacities, weights


def encoder() -> Encode:
    """How grids are read on the default device: by the kernels on the CPU, else by plain torch."""
    return encode if torch.get_default_device().type == "cpu" else encode_grid


class _Encode(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, coordinates: Tensor, grid: GridSpec) -> Tensor:
        ctx.save_for_backward(table, coordinates)
        ctx.grid = grid
        return torch.from_numpy(grids.encode(grid, _array(table), _array(coordinates)))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, None]:
        table, coordinates = ctx.saved_tensors
        of_table, of_coordinates = grids.encode_backward(
            ctx.grid,
            _array(table),
            _array(coordinates),
            _array(gradients[0]),
            coordinates_too=ctx.needs_input_grad[1],
        )
        moved = None if of_coordinates is None else torch.from_numpy(of_coordinates)
        return torch.from_numpy(of_table), moved, None


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, sigmas: Tensor, values: Tensor, offsets: NDArray[np.int32], step: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        state = compositing.CompositeState.start(len(offsets) - 1, values.shape[1])
        weights = compositing.composite(_array(sigmas), _array(values), offsets, step, state)
        ctx.save_for_backward(sigmas, values)
        ctx.offsets, ctx.step = offsets, step
        opacities = np.ascontiguousarray(state.opacity, np.float32)
        return torch.from_numpy(state.channels), torch.from_numpy(opacities), _tensor(weights)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        sigmas, values = ctx.saved_tensors
        of_sums, of_opacities, of_weights = gradients
        of_sigmas, of_values = compositing.composite_backward(
            _array(sigmas),
            _array(values),
            ctx.offsets,
            ctx.step,
            _array(of_sums),
            _array(of_opacities),
            grad_weights=_array(of_weights),
        )
        return torch.from_numpy(of_sigmas), torch.from_numpy(of_values), None, None


def _array(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().contiguous().numpy()
    return array


def _tensor(array: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
