"""What of an avatar's fields stays in a GPU's memory from frame to frame."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...contract.field import FieldSpec, TorsoSpec
from ...contract.weights import (
    FALLOFF,
    OCCUPANCY,
    REST,
    TORSO_MASK,
    head_code_layers,
    table_name,
)
from ..fused_structures import checked_floats, field_structure, torso_structure
from ..occupancy import Occupancy
from .arrays import DeviceArray, allocate
from .protocol import Gpu
from .specification import Layout, all_grids, layout


class Model(ctypes.Structure):
    """``PlainModel``."""

    _fields_ = tuple(
        (name, ctypes.c_void_p)
        for name in ("tables", "parameters", "bits", "distance", "mask", "rest", "falloff", "nodes")
    )


def upload_model(
    gpu: Gpu,
    stream: int,
    field: FieldSpec,
    weights: Mapping[str, NDArray[Any]],
    torso: TorsoSpec | None,
    *,
    half_tables: bool = False,
) -> list[DeviceArray]:
    """The arrays of ``PlainModel`` in the GPU's memory, in its order (`model_arrays`)."""
    arrays = model_arrays(field, weights, torso, half_tables=half_tables)
    made = [allocate(gpu, a.shape, a.dtype, stream, a) for a in arrays]
    gpu.synchronise(stream)  # the arrays may go
    return made


def model_arrays(
    field: FieldSpec,
    weights: Mapping[str, NDArray[Any]],
    torso: TorsoSpec | None,
    *,
    half_tables: bool = False,
) -> list[NDArray[Any]]:
    """The arrays of ``PlainModel``, in its order. Tensors are checked as the C++ library does.

    Args:
        half_tables: the grids' numbers are halves (`stored_in_halves`).

    Raises:
        BadOption: a tensor is missing, misshapen or not finite.
    """
    field_structure(field, weights)
    if torso is not None:
        torso_structure(torso, weights)
        for layer, (inputs, outputs) in head_code_layers(torso).items():
            checked_floats(weights, f"{layer}.weight", (outputs, inputs))
            checked_floats(weights, f"{layer}.bias", (outputs,))
    places = layout(field, torso)
    side = field.march.occupancy_resolution
    occupancy = Occupancy.from_bits(
        np.ascontiguousarray(weights[OCCUPANCY]), side, field.bounds_min, field.bounds_max
    )
    moves = field.displacement is not None
    nodes = (3 * int(np.prod(field.displacement.resolution)),) if field.displacement else (1,)
    arrays: list[NDArray[Any]] = [
        joined_tables(weights, places).astype(np.float16 if half_tables else np.float32),
        _joined(weights, places.parameters, places.parameter_size),
        occupancy.bits,
        occupancy.distance,
        weights[TORSO_MASK] if torso else np.zeros(1, np.uint8),
        np.asarray(weights[REST], np.float32) if moves else np.zeros(1, np.float32),
        np.asarray(weights[FALLOFF], np.float32) if moves else np.zeros(1, np.float32),
        np.zeros(nodes, np.float32),
    ]
    return [np.ascontiguousarray(array) for array in arrays]


def stored_in_halves(
    field: FieldSpec, torso: TorsoSpec | None, weights: Mapping[str, NDArray[Any]]
) -> bool:
    """Whether every grid's table is one of halves, so that halves lose nothing."""
    names = (table_name(grid) for grid in all_grids(field, torso))
    return all(name in weights and weights[name].dtype == np.float16 for name in names)


def joined_tables(weights: Mapping[str, NDArray[Any]], places: Layout) -> NDArray[np.float32]:
    """Every grid's table, one after the other."""
    return _joined(weights, places.tables, places.table_size)


def _joined(
    weights: Mapping[str, NDArray[Any]], places: Mapping[str, int], size: int
) -> NDArray[np.float32]:
    """Tensors one after the other."""
    joined = np.zeros(size, np.float32)
    for name, at in places.items():
        tensor = np.asarray(weights[name], np.float32).reshape(-1)
        joined[at : at + tensor.size] = tensor
    return joined
