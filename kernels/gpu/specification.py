"""A field's structure as C++: what NVRTC specialises kernels on.

Two headers are written. ``specification.h`` holds constants and one type a grid; ``evaluation.h``
the networks, layer after layer, and what is fed to them. `layout` says where each tensor lies in
the memory that both index.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...contract.field import (
    DENSITY_EXPONENT_LIMIT,
    RAY_FEATURE_EPSILON,
    RAY_LEAST_OPACITY,
    FieldSpec,
    GridSpec,
    MlpSpec,
    TorsoSpec,
)
from ...contract.landmarks import LANDMARKS
from ...contract.weights import table_name
from .. import fused

CONSTANTS, EVALUATION = "cuda/specification.h", "cuda/evaluation.h"
"""Names of the two headers."""


def unsupported(field: FieldSpec, torso: TorsoSpec | None = None) -> list[str]:
    """Why a GPU's kernels do not take these fields; empty if they do."""
    return fused.unsupported(field, torso)


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
    parameters, parameter_size = _places(tensors)
    biases, bias_size = _places((n.name, n.hidden[0]) for n in networks)
    return Layout(tables, parameters, biases, table_size, parameter_size, bias_size)


def specification(field: FieldSpec, torso: TorsoSpec | None) -> dict[str, str]:
    """Both headers, by the names they are included under."""
    return {CONSTANTS: _constants(field, torso), EVALUATION: _evaluation(field, torso)}


def _constants(field: FieldSpec, torso: TorsoSpec | None) -> str:
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
        f"constexpr bool kTorso = {_boolean(torso is not None)};",
        *(f"constexpr int {name} = {value};" for name, value in numbers.items()),
        *(f"constexpr float {name} = {_real(value)};" for name, value in floats.items()),
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


def _evaluation(field: FieldSpec, torso: TorsoSpec | None) -> str:
    places = layout(field, torso)
    lines = _displaced(field)
    for network in all_networks(field, torso):
        lines += _network(network, places)
    return header([*lines, *evaluation(field, torso, "PlainModel")])


def evaluation(field: FieldSpec, torso: TorsoSpec | None, model: str) -> list[str]:
    """What feeds the networks, for a model of this C++ type, whose networks stand before."""
    return [*_sample(field, model), *_shade(field, model), *_torso(torso, model)]


def header(lines: list[str]) -> str:
    """A generated header."""
    start = ["// Generated for one avatar's fields.", "#pragma once", "namespace emogene {"]
    return "\n".join([*start, *lines, "}  // namespace emogene", ""])


def _grid(grid: GridSpec, first: int) -> list[str]:
    """A type with the grid's dimensions and levels."""
    d = grid.dimensions
    lines = [
        f"struct {_type(grid.name)} {{",
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
            f"            {case} return {{{_real(level.scale)}, {{{strides}}}, {level.size}u, "
            f"{first}ull, Wrap::{wrap}, 0}};"
        )
        first += level.size
    return [*lines, "        }", "    }", "};"]


def _network(network: MlpSpec, places: Layout) -> list[str]:
    """A function that runs its layers."""
    layers = list(network_layers(network))
    lines = [
        f"EMOGENE_HD void {network_function(network)}(const PlainModel& model, "
        "const PlainFrame& frame, const float* in, float* out) {",
        f"    float a[{max(network.hidden)}], b[{max(network.hidden)}];",
        "    (void)b;",
    ]
    source = "in"
    for i, (inputs, outputs) in enumerate(layers):
        last = i == len(layers) - 1
        target = "out" if last else "ab"[i % 2]
        weight = f"model.parameters + {places.parameters[f'{network.name}.{i}.weight']}"
        bias = "nullptr"
        if i == 0:
            bias = f"frame.biases + {places.biases[network.name]}"
        elif network.bias:
            bias = f"model.parameters + {places.parameters[f'{network.name}.{i}.bias']}"
        kind = f"{inputs}, {outputs}, {_boolean(not last)}"
        lines.append(f"    layer<{kind}>({weight}, {bias}, {source}, {target});")
        source = target
    return [*lines, "}"]


def _displaced(field: FieldSpec) -> list[str]:
    body = "return read_nodes(node_grid(), nodes, p);"
    if field.displacement is None:
        body = "(void)nodes, (void)p; return {0.0f, 0.0f, 0.0f};"
    return ["EMOGENE_HD Vec3 displaced(const float* nodes, Vec3 p) {", f"    {body}", "}"]


def _read(grid: GridSpec, into: str, column: int, first: str = "") -> list[str]:
    """Lines that read a grid of the head into a row."""
    read = f"encode<{_type(grid.name)}>(model.tables, u, {into} + {column});"
    if grid.read_at == "ambient":
        half = "u[d] = (tanhf(u[d]) + 1.0f) * 0.5f;"
        return [
            f"    {first}(model, frame, {into}, u);",
            f"    for (int d = 0; d < {grid.dimensions}; ++d) {half}",
            f"    {read}",
        ]
    moved = "moved" if grid.read_at == "displaced" else "{0.0f, 0.0f, 0.0f}"
    return [f"    unit_coordinates(p, {moved}, u);", f"    {read}"]


def _sample(field: FieldSpec, model: str) -> list[str]:
    """Density and what is composited, at one position."""
    lines = [
        f"EMOGENE_HD float sample(const {model}& model, const PlainFrame& frame, Vec3 p, "
        "Vec3 moved, Vec3 direction, float distance, float* values) {",
        "    (void)moved, (void)direction, (void)distance;",
        f"    float features[{field.feature_width}], raw[{field.density.outputs}], u[3];",
    ]
    column = 0
    ambient = network_function(field.ambient) if field.ambient else ""
    for grid in field.grids:
        lines += _read(grid, "features", column, ambient)
        column += grid.width
    if field.displacement_gain:
        gain = _real(field.displacement_gain)
        lines += [
            f"    features[{column + d}] = moved.{axis} * {gain};" for d, axis in enumerate("xyz")
        ]
    limit = _real(DENSITY_EXPONENT_LIMIT)
    lines += [
        f"    {network_function(field.density)}(model, frame, features, raw);",
        f"    const float exponent = raw[0] + {_real(field.density_shift)};",
        f"    const float sigma = exponential(smaller(larger(exponent, -{limit}), {limit}));",
    ]
    geometry = field.geometry_width
    if field.colour_at == "ray":
        lines += [
            f"    for (int i = 0; i < {geometry}; ++i) values[i] = raw[1 + i];",
            f"    values[{geometry}] = distance;",
        ]
    else:
        seen = field.directions**2
        lines += [
            f"    float looks[{seen + geometry}];",
            f"    spherical_harmonics(direction, {field.directions}, looks);",
            f"    for (int i = 0; i < {geometry}; ++i) looks[{seen} + i] = raw[1 + i];",
            f"    {network_function(field.colour)}(model, frame, looks, values);",
            "    for (int c = 0; c < 3; ++c) values[c] = sigmoid(values[c]);",
        ]
    return [*lines, "    return sigma;", "}"]


def _shade(field: FieldSpec, model: str) -> list[str]:
    """A ray's premultiplied colour, from what it gathered; head[3] is its opacity."""
    lines = [
        f"EMOGENE_HD void shade(const {model}& model, const PlainFrame& frame, Vec3 origin, "
        "Vec3 direction, const float* channels, float* head) {"
    ]
    if field.colour_at == "sample":
        lines += [
            "    (void)model, (void)frame, (void)origin, (void)direction;",
            "    for (int c = 0; c < 3; ++c) head[c] = channels[c];",
        ]
        return [*lines, "}"]
    seen, geometry = field.directions**2, field.geometry_width
    lines += [
        f"    float looks[{field.colour.inputs}];",
        f"    spherical_harmonics(direction, {field.directions}, looks);",
        f"    for (int i = 0; i < {geometry}; ++i)",
        f"        looks[{seen} + i] = channels[i] / (head[3] + {_real(RAY_FEATURE_EPSILON)});",
    ]
    if field.surface:
        lines += [
            "    float u[3];",
            f"    const float depth = channels[{geometry}] / "
            f"larger(head[3], {_real(RAY_LEAST_OPACITY)});",
            "    const Vec3 p = along(origin, direction, depth);",
            "    const Vec3 moved = displaced(model.nodes, p);",
            "    (void)moved;",
        ]
        column = seen + geometry
        for grid in field.surface:
            lines += _read(grid, "looks", column)
            column += grid.width
    else:
        lines.append("    (void)origin;")
    return [
        *lines,
        f"    {network_function(field.colour)}(model, frame, looks, head);",
        "    for (int c = 0; c < 3; ++c) head[c] = sigmoid(head[c]) * head[3];",
        "}",
    ]


def _torso(torso: TorsoSpec | None, model: str) -> list[str]:
    """Red, green, blue and alpha of a pixel of the torso."""
    lines = [
        f"EMOGENE_HD void torso_at(const {model}& model, const PlainFrame& frame, int row, "
        "int column, const float* head, float* rgba) {"
    ]
    if torso is None:
        return [*lines, "    (void)model, (void)frame, (void)row, (void)column, (void)head;", "}"]
    features, position = torso.grid.width, torso.position_width
    reach = _real(torso.deform_range)
    return [
        *lines,
        f"    float in[{torso.colour.inputs}], u[2];",
        f"    float* q = in + {features};",
        "    const float pixel = 2.0f / (float)frame.size;",
        "    const float x = ((float)column + 0.5f) * pixel - 1.0f;",
        "    const float y = ((float)row + 0.5f) * pixel - 1.0f;",
        f"    frequency_encode(x, y, {torso.octaves}, q);",
        f"    {network_function(torso.deform)}(model, frame, q, u);",
        f"    u[0] = ((x + tanhf(u[0]) * {reach}) + 1.0f) * 0.5f;",
        f"    u[1] = ((y + tanhf(u[1]) * {reach}) + 1.0f) * 0.5f;",
        f"    encode<{_type(torso.grid.name)}>(model.tables, u, in);",
        f"    for (int c = 0; c < 4; ++c) q[{position} + c] = head[c];",
        f"    {network_function(torso.colour)}(model, frame, in, rgba);",
        "    for (int c = 0; c < 4; ++c) rgba[c] = sigmoid(rgba[c]);",
        "}",
    ]


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


def _type(name: str) -> str:
    return f"Grid_{name}"


def network_function(network: MlpSpec) -> str:
    """Name of its C++ function."""
    return f"network_{network.name}"


def _real(value: float) -> str:
    """Exactly this float32, as hexadecimal C++17."""
    number = float(np.float32(value))
    return f"{number.hex()}f"


def _floats(values: tuple[float, ...]) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)


def _vector(values: NDArray[np.float32]) -> str:
    return "{" + ", ".join(_real(v) for v in values) + "}"


def _vector_function(name: str, values: NDArray[np.float32]) -> str:
    return f"EMOGENE_HD Vec3 {name}() {{ return {_vector(values)}; }}"


def _boolean(value: bool) -> str:
    return "true" if value else "false"
