"""A field's structure as C++: what NVRTC specialises kernels on.

``specification.h`` holds constants and one type a grid; `evaluation` writes what is computed.
`layout` says where each tensor lies in the memory that both index.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...contract.field import (
    FieldSpec,
    GridSpec,
    MlpSpec,
    TorsoSpec,
)
from ...contract.landmarks import LANDMARKS
from ...contract.weights import head_code_layers, table_name
from .. import fused

CONSTANTS = "cuda/specification.h"
"""Name of the header."""


def unsupported(field: FieldSpec, torso: TorsoSpec | None = None) -> list[str]:
    """Why a GPU's kernels do not take these fields; empty if they do."""
    return fused.beyond_limits(field, torso)


_ALIGNED = 8


@dataclass(frozen=True)
class Layout:
    """Where things lie.

    Attributes:
        tables: first entry of each grid's table, in numbers, by tensor name.
        parameters: first number of each network's tensors, by tensor name.
        biases: first number of each network's first-layer bias in a frame, by network name.
        table_size, parameter_size, bias_size: numbers in all.
    """

    tables: dict[str, int]
    parameters: dict[str, int]
    biases: dict[str, int]
    table_size: int
    parameter_size: int
    bias_size: int


def all_grids(field: FieldSpec, torso: TorsoSpec | None) -> tuple[GridSpec, ...]:
    """Every grid of head and torso, in the order of their types."""
    return (*field.grids, *field.surface, *((torso.grid,) if torso else ()))


def all_networks(field: FieldSpec, torso: TorsoSpec | None) -> tuple[MlpSpec, ...]:
    """Every network of head and torso."""
    return (*field.networks, *((torso.deform, torso.colour) if torso else ()))


def networks_by_role(field: FieldSpec, torso: TorsoSpec | None) -> dict[str, MlpSpec]:
    """Every network by what it is for, as stages of a directory are called."""
    roles = {"density": field.density, "colour": field.colour}
    if field.ambient is not None:
        roles["ambient"] = field.ambient
    if torso is not None:
        roles |= {"torso_deform": torso.deform, "torso_colour": torso.colour}
    return roles


def layout(field: FieldSpec, torso: TorsoSpec | None) -> Layout:
    """Tables one after the other; networks' tensors too; first-layer biases in a frame."""
    grids, networks = all_grids(field, torso), all_networks(field, torso)
    tables, table_size = _places((table_name(g), g.entries * g.features) for g in grids)
    tensors = []
    for network in networks:
        for i, (inputs, outputs) in enumerate(network_layers(network)):
            tensors.append((f"{network.name}.{i}.weight", inputs * outputs))
            if network.bias and i > 0:
                tensors.append((f"{network.name}.{i}.bias", outputs))
    for layer, (inputs, outputs) in (head_code_layers(torso) if torso else {}).items():
        tensors += [(f"{layer}.weight", inputs * outputs), (f"{layer}.bias", outputs)]
    parameters, parameter_size = _places(tensors)
    biases, bias_size = _places((n.name, n.hidden[0]) for n in networks)
    return Layout(tables, parameters, biases, table_size, parameter_size, bias_size)


def header(lines: list[str]) -> str:
    """A generated header."""
    start = ["// Generated for one avatar's fields.", "#pragma once", "namespace emogene {"]
    return "\n".join([*start, *lines, "}  // namespace emogene", ""])


def constants_header(field: FieldSpec, torso: TorsoSpec | None, *, half_tables: bool) -> str:
    """The header."""
    march, places = field.march, layout(field, torso)
    low, high = _floats(field.bounds_min), _floats(field.bounds_max)
    entry_low, entry_high = (_floats(corner) for corner in field.entry_box)
    per_cell = np.float32(march.occupancy_resolution) / (high - low)
    nodes = field.displacement.resolution if field.displacement else (2, 2, 2)
    gaps = _floats(nodes) - np.float32(1)
    side = march.occupancy_resolution
    numbers = {
        "kLandmarks": LANDMARKS,
        "kBiases": places.bias_size,
        "kChannels": channels(field),
        "kMaxSamples": march.max_samples,
        "kMaskSide": torso.mask_resolution if torso else 1,
        "kNodes": int(np.prod(nodes)),
        "kFeatures": field.feature_width,
        "kFirstFeatures": field.grids[0].width,
        "kDensityOutputs": field.density.outputs,
        "kLooks": field.colour.inputs,
        "kTorsoLooks": torso.colour.inputs if torso else 1,
        "kTorsoFeatures": torso.grid.width if torso else 0,
        "kTorsoPlace": torso.position_width if torso else 1,
        "kTorsoCode": torso.head_code if torso else 0,
        "kAmbient": field.ambient.outputs if field.ambient else 0,
    }
    floats = {
        "kStep": march.step,
        "kPhase": march.phase,
        "kMinNear": march.min_near,
        "kRegulariser": field.displacement.regulariser if field.displacement else 1.0,
    }
    lines = [
        "// Generated for one avatar's fields.",
        "#pragma once",
        '#include "cpp/displacement.h"',
        '#include "cpp/grid.h"',
        '#include "cpp/traversal.h"',
        "namespace emogene {",
        f"constexpr bool kTorso = {boolean(torso is not None)};",
        f"constexpr bool kHalfTables = {boolean(half_tables)};",
        f"constexpr bool kRayColour = {boolean(field.colour_at == 'ray')};",
        *(f"constexpr int {name} = {value};" for name, value in numbers.items()),
        *(f"constexpr float {name} = {real(value)};" for name, value in floats.items()),
        _vector_function("bounds_low", low),
        _vector_function("per_bounds", np.float32(1) / (high - low)),
        _vector_function("entry_low", entry_low),
        _vector_function("entry_high", entry_high),
        "EMOGENE_HD NodeGrid node_grid() {",
        f"    return {{{{{nodes[0]}, {nodes[1]}, {nodes[2]}}}, {_vector(low)}, "
        f"{_vector(gaps / (high - low))}, {_vector((high - low) / gaps)}}};",
        "}",
        "EMOGENE_HD OccupancyGrid occupancy_of(const uint8_t* bits, const uint8_t* distance) {",
        f"    return {{bits, distance, {side}, {-(-side // 4)}, {_vector(low)}, "
        f"{_vector(per_cell)}, {_vector(np.float32(1) / per_cell)}}};",
        "}",
    ]
    for grid in all_grids(field, torso):
        lines += _grid(grid, places.tables[table_name(grid)] // grid.features)
    return "\n".join([*lines, "}  // namespace emogene", ""])


def _grid(grid: GridSpec, first: int) -> list[str]:
    """A type with the grid's dimensions and levels."""
    d = grid.dimensions
    lines = [
        f"struct {grid_type(grid.name)} {{",
        f"    static constexpr int kDimensions = {d}, kFeatures = {grid.features}, "
        f"kLevels = {len(grid.levels)};",
        f"    EMOGENE_HD static Level<{d}> level(int l) {{",
        "        switch (l) {",
    ]
    for i, level in enumerate(grid.levels):
        furthest = np.floor(np.float32(level.scale) + np.float32(0.5)) + 1
        largest = sum(float(furthest) * stride for stride in level.strides)
        wrap = "kNone" if largest < level.size else "kFastModulo"
        strides = ", ".join(f"{stride}u" for stride in level.strides)
        case = f"case {i}:" if i < len(grid.levels) - 1 else "default:"
        lines.append(
            f"            {case} return {{{real(level.scale)}, {{{strides}}}, {level.size}u, "
            f"{first}ull, Wrap::{wrap}, 0}};"
        )
        first += level.size
    return [*lines, "        }", "    }", "};"]


def channels(field: FieldSpec) -> int:
    """Numbers that are composited along a ray."""
    return field.geometry_width + 1 if field.colour_at == "ray" else 3


def network_layers(network: MlpSpec) -> Iterable[tuple[int, int]]:
    """Inputs and outputs of each layer."""
    return zip(network.widths[:-1], network.widths[1:], strict=True)


def _places(sizes: Iterable[tuple[str, int]]) -> tuple[dict[str, int], int]:
    """First number of each, at multiples of the most features a level has, and how many in all."""
    places, at = {}, 0
    for name, size in sizes:
        places[name] = at
        at += size + -size % _ALIGNED
    return places, at


def grid_type(name: str) -> str:
    return f"Grid_{name}"


def network_function(network: MlpSpec) -> str:
    """Name of its C++ function."""
    return f"network_{network.name}"


def real(value: float) -> str:
    """Exactly this float32, as hexadecimal C++17."""
    number = float(np.float32(value))
    return f"{number.hex()}f"


def _floats(values: tuple[float, ...]) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)


def _vector(values: NDArray[np.float32]) -> str:
    return "{" + ", ".join(real(v) for v in values) + "}"


def _vector_function(name: str, values: NDArray[np.float32]) -> str:
    return f"EMOGENE_HD Vec3 {name}() {{ return {_vector(values)}; }}"


def boolean(value: bool) -> str:
    return "true" if value else "false"
