"""Networks and grids as the tensor-core kernel reads them: in halves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...contract.errors import BadOption
from .fused_plan import FusedPlan, TensorLayer


def pack_fragments(plan: FusedPlan, weights: Mapping[str, NDArray[Any]]) -> NDArray[np.uint32]:
    """Every layer's weights in the plan's order.

    Raises:
        BadOption: a weight is beyond a half's range.
    """
    return np.concatenate(
        [
            pack_layer(
                np.asarray(weights[f"{layer.network.name}.{layer.index}.weight"], np.float32), layer
            )
            for layer in plan.layers
        ]
    )


def pack_tables(tables: NDArray[np.float32], places: Mapping[str, int]) -> NDArray[np.float16]:
    """Every grid's numbers, each the nearest half.

    Args:
        places: the first of each grid's, by its tensor's name.

    Raises:
        BadOption: a number is beyond a half's range.
    """
    for name, first in places.items():
        after = min((at for at in places.values() if at > first), default=tables.size)
        _check_range(name, tables[first:after])
    return tables.astype(np.float16)


def pack_layer(weight: NDArray[np.float32], layer: TensorLayer) -> NDArray[np.uint32]:
    """Weights as lanes load them: for 8 outputs, 16 inputs and each term, lane l's two words hold
    the weights of output l // 4 and inputs 2 (l % 4), 2 (l % 4) + 1, and those 8 further.

    Args:
        weight: (outputs, inputs).

    Returns:
        (words,)

    Raises:
        BadOption: a weight is beyond a half's range.
    """
    inputs, outputs = layer.padded
    _check_range(f"{layer.network.name}.{layer.index}.weight", weight)
    padded = np.zeros((outputs, inputs), np.float32)
    padded[: layer.outputs, : layer.inputs] = weight
    terms = split_halves(padded, layer.terms)
    # (term, tile of outputs, output, tile of inputs, word, pair, half of the word)
    cut = terms.reshape(layer.terms, outputs // 8, 8, inputs // 16, 2, 4, 2)
    lanes = cut.transpose(1, 3, 0, 2, 5, 4, 6)  # tile, tile, term, output, pair, word, half
    return np.ascontiguousarray(lanes).view(np.uint32).reshape(-1)


def split_halves(values: NDArray[np.float32], terms: int) -> NDArray[np.float16]:
    """(terms, …): the nearest halves, then the nearest to what they lack."""
    first = values.astype(np.float16)
    if terms == 1:
        return first[None]
    return np.stack([first, (values - first.astype(np.float32)).astype(np.float16)])


def _check_range(name: str, values: NDArray[np.float32]) -> None:
    most = float(np.abs(values).max(initial=0))
    if most > float(np.finfo(np.float16).max):
        raise BadOption(name, expected="numbers within ±65504, as halves hold", found=f"{most:.3g}")
