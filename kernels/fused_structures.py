"""Specifications and tensors as the structures of ``cpp/emogene_fused.h``.

The library copies what it is given, so these live only as long as a call.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..contract.errors import BadOption
from ..contract.field import FieldSpec, GridSpec, MlpSpec, ReadAt, TorsoSpec
from ..contract.landmarks import LANDMARKS
from ..contract.weights import (
    FALLOFF,
    OCCUPANCY,
    REST,
    TORSO_MASK,
    network_tensors,
    table_name,
)
from . import native
from .arrays import U8, address
from .displacement import NodesStructure
from .grids import GridStructure, grid_structure
from .occupancy import Occupancy
from .traversal import OccupancyStructure

_P, _I32, _F32 = native.POINTER, native.I32, native.F32

Weights = Mapping[str, NDArray[Any]]

_READ_AT: Mapping[ReadAt, int] = {"position": 0, "displaced": 1, "ambient": 2}


class MlpStructure(ctypes.Structure):
    """``emogene_mlp``."""

    _fields_ = (("layers", _I32), ("widths", _P), ("weights", _P), ("biases", _P))


class _ReadGrid(ctypes.Structure):
    _fields_ = (("grid", GridStructure), ("table", _P), ("read_at", _I32))


class HeadStructure(ctypes.Structure):
    """``emogene_head``."""

    _fields_ = (
        ("box", native.Box),
        ("grids", _I32),
        ("grid", _P),
        ("surfaces", _I32),
        ("surface", _P),
        ("nodes", _P),
        ("landmarks", _I32),
        ("regulariser", _F32),
        ("rest", _P),
        ("falloff", _P),
        ("displacement_gain", _F32),
        ("ambient", _P),
        ("density", MlpStructure),
        ("colour", MlpStructure),
        ("density_shift", _F32),
        ("directions", _I32),
        ("colour_once_a_ray", _I32),
        ("occupancy", OccupancyStructure),
        ("entry", native.Box),
        ("step", _F32),
        ("phase", _F32),
        ("min_near", _F32),
        ("max_samples", _I32),
    )


class TorsoStructure(ctypes.Structure):
    """``emogene_torso``."""

    _fields_ = (
        ("grid", _ReadGrid),
        ("octaves", _I32),
        ("deform", MlpStructure),
        ("colour", MlpStructure),
        ("deform_range", _F32),
        ("mask", _P),
        ("mask_resolution", _I32),
    )


class FrameStructure(ctypes.Structure):
    """``emogene_frame``."""

    _fields_ = (
        ("pose", _P),
        ("camera", native.Camera),
        ("ambient_bias", _P),
        ("density_bias", _P),
        ("colour_bias", _P),
        ("torso_deform_bias", _P),
        ("torso_colour_bias", _P),
        ("landmarks", _P),
        ("threshold", _F32),
        ("torso_threshold", _F32),
        ("coarse", _I32),
        ("background", _P),
        ("head", _P),
        ("image", _P),
        ("samples", native.I64),
        ("rays", native.I64),
    )


@dataclass(frozen=True)
class Held:
    """A structure and everything it points at."""

    structure: Any
    parts: list[Any]


def field_structure(field: FieldSpec, weights: Weights) -> Held:
    """A head field for the library.

    Raises:
        BadOption: a tensor is missing, misshapen or not finite.
    """
    held: list[Any] = []
    head, side = HeadStructure(), field.march.occupancy_resolution
    bits = np.ascontiguousarray(_tensor(weights, OCCUPANCY, (-(-(side**3) // 8),), np.uint8))
    occupancy = Occupancy.from_bits(bits, side, field.bounds_min, field.bounds_max)
    head.box = native.Box.of(field.bounds_min, field.bounds_max)
    head.grids, head.grid = _grids(field.grids, weights, held)
    head.surfaces, head.surface = _grids(field.surface, weights, held)
    if field.displacement is not None:
        nodes = NodesStructure.of(field.displacement.resolution, field.bounds_min, field.bounds_max)
        rest = checked_floats(weights, REST, (LANDMARKS, 3))
        falloff = checked_floats(weights, FALLOFF, (LANDMARKS,))
        head.nodes, head.landmarks = ctypes.addressof(nodes), LANDMARKS
        head.regulariser = field.displacement.regulariser
        head.rest, head.falloff = rest.ctypes.data, falloff.ctypes.data
        held += [nodes, rest, falloff]
    head.displacement_gain = field.displacement_gain
    if field.ambient is not None:
        ambient = _mlp(field.ambient, weights, held)
        head.ambient = ctypes.addressof(ambient)
        held.append(ambient)
    head.density = _mlp(field.density, weights, held)
    head.colour = _mlp(field.colour, weights, held)
    head.density_shift, head.directions = field.density_shift, field.directions
    head.colour_once_a_ray = field.colour_at == "ray"
    head.occupancy = OccupancyStructure.of(occupancy)
    march = field.march
    head.entry = native.Box.of(*field.entry_box)
    head.step, head.phase, head.min_near = march.step, march.phase, march.min_near
    head.max_samples = march.max_samples
    return Held(head, [*held, occupancy])


def torso_structure(torso: TorsoSpec, weights: Weights) -> Held:
    """A torso field for the library.

    Raises:
        BadOption: a tensor is missing, misshapen or not finite.
    """
    held: list[Any] = []
    side = torso.mask_resolution
    mask = np.ascontiguousarray(_tensor(weights, TORSO_MASK, (-(-(side**2) // 8),), np.uint8))
    structure = TorsoStructure(
        grid=_grid(torso.grid, weights, held),
        octaves=torso.octaves,
        deform=_mlp(torso.deform, weights, held),
        colour=_mlp(torso.colour, weights, held),
        deform_range=torso.deform_range,
        mask=address(TORSO_MASK, mask, U8, (None,)),
        mask_resolution=side,
    )
    return Held(structure, [*held, mask])


def _mlp(network: MlpSpec, weights: Weights, held: list[Any]) -> MlpStructure:
    layers = len(network.widths) - 1
    widths = (_I32 * (layers + 1))(*network.widths)
    pointers = {"weight": (_P * layers)(), "bias": (_P * layers)()}
    for name, shape in network_tensors(network).items():
        tensor = checked_floats(weights, name, shape)
        layer, kind = name.rsplit(".", 2)[-2:]
        pointers[kind][int(layer)] = tensor.ctypes.data
        held.append(tensor)
    held += [widths, *pointers.values()]
    at_weights, at_biases = (ctypes.addressof(p) for p in pointers.values())
    return MlpStructure(layers, ctypes.addressof(widths), at_weights, at_biases)


def _grids(grids: tuple[GridSpec, ...], weights: Weights, held: list[Any]) -> tuple[int, int]:
    """How many, and where their structures lie."""
    array = (_ReadGrid * len(grids))(*(_grid(grid, weights, held) for grid in grids))
    held.append(array)
    return len(grids), ctypes.addressof(array)


def _grid(grid: GridSpec, weights: Weights, held: list[Any]) -> _ReadGrid:
    table = checked_floats(weights, table_name(grid), (grid.entries, grid.features))
    structure = grid_structure(grid)
    held += [table, structure]
    return _ReadGrid(structure, table.ctypes.data, _READ_AT[grid.read_at])


def checked_floats(weights: Weights, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A tensor in float32.

    Raises:
        BadOption: it is missing, misshapen or not finite.
    """
    tensor = _tensor(weights, name, shape, np.float32, np.float16)
    made = np.ascontiguousarray(tensor, np.float32)
    if not np.isfinite(made).all():
        raise BadOption(name, expected="finite numbers", found="some that are not")
    return made


def _tensor(
    weights: Weights, name: str, shape: tuple[int, ...], *types: type[np.generic]
) -> NDArray[Any]:
    if name not in weights:
        raise BadOption(name, expected=f"a tensor {shape}", found="none")
    tensor = weights[name]
    if tensor.shape != shape or tensor.dtype not in [np.dtype(t) for t in types]:
        names = " or ".join(np.dtype(t).name for t in types)
        raise BadOption(
            name, expected=f"{names} {shape}", found=f"{tensor.dtype.name} {tensor.shape}"
        )
    return tensor
