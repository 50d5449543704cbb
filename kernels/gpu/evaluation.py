"""A field's evaluation as C++: its networks, and what is fed to them.

``evaluation.h`` holds, in order: every network as a function; the parts of an evaluation between
the networks, which all renderers share; and, by `evaluation`, whole samples, rays and torso pixels
for a model whose networks are evaluated where they are asked for.
"""

from __future__ import annotations

from ...contract.field import (
    DENSITY_EXPONENT_LIMIT,
    RAY_FEATURE_EPSILON,
    RAY_LEAST_OPACITY,
    FieldSpec,
    GridSpec,
    TorsoSpec,
)
from .network_source import SIGMOID, TANH, activated, network_source
from .specification import (
    CONSTANTS,
    all_networks,
    constants_header,
    grid_type,
    header,
    layout,
    network_function,
    real,
)
from .torso_source import torso_parts, torso_pixel

EVALUATION = "cuda/evaluation.h"
"""Name of the header."""

Lines = list[str]


def specification(
    field: FieldSpec, torso: TorsoSpec | None, *, half_tables: bool = False
) -> dict[str, str]:
    """What every kernel is specialised on: headers by the names they are included under.

    Args:
        half_tables: the grids' numbers lie in the GPU's memory as halves.
    """
    constants = constants_header(field, torso, half_tables=half_tables)
    return {CONSTANTS: constants, EVALUATION: evaluation_header(field, torso)}


def evaluation_header(field: FieldSpec, torso: TorsoSpec | None) -> str:
    """The header: networks in float32, the parts between them for models whose tables lie as they
    like, and whole evaluations."""
    places = layout(field, torso)
    lines = [line for n in all_networks(field, torso) for line in network_source(n, places)]
    lines += [*_displaced(field), *_features(field), *_density(field), *_looks(field)]
    lines += torso_parts(torso, places)
    return header([*lines, *evaluation(field, torso, "TableModel")])


def evaluation(field: FieldSpec, torso: TorsoSpec | None, model: str) -> Lines:
    """Whole samples, rays and pixels for a model of this C++ type, whose networks stand before."""
    return [*_sample(field, model), *_shade(field, model), *torso_pixel(torso, model)]


def _displaced(field: FieldSpec) -> Lines:
    body = "return read_nodes(node_grid(), nodes, p);"
    if field.displacement is None:
        body = "(void)nodes, (void)p; return {0.0f, 0.0f, 0.0f};"
    return ["EMOGENE_HD Vec3 displaced(const float* nodes, Vec3 p) {", f"    {body}", "}"]


def _read(grid: GridSpec, into: str, column: int) -> Lines:
    """Lines that read a grid at the position p, moved by its displacement, into a row."""
    moved = "moved" if grid.read_at == "displaced" else "{0.0f, 0.0f, 0.0f}"
    return [
        f"    unit_coordinates(p, {moved}, u);",
        f"    encode<{grid_type(grid.name)}>(model.tables, u, {into} + {column});",
    ]


def _features(field: FieldSpec) -> Lines:
    """What the density network is given: without, then with, what hangs on the ambient network."""
    lines = [
        "// All but the ambient grids.",
        "template <class Model>",
        "EMOGENE_HD void read_features(const Model& model, Vec3 p, Vec3 moved, float* features) {",
        "    float u[3];",
        "    (void)moved;",
    ]
    ambient = [
        "// The grids at the ambient coordinate, each in [-1, 1].",
        "template <class Model>",
        "EMOGENE_HD void read_ambient(const Model& model, const float* at, float* features) {",
    ]
    if field.ambient is not None:
        ambient += [
            "    float u[3];",
            f"    for (int d = 0; d < {field.ambient.outputs}; ++d)",
            "        u[d] = (at[d] + 1.0f) * 0.5f;",
        ]
    else:
        ambient.append("    (void)model, (void)at, (void)features;")
    column = 0
    for grid in field.grids:
        if grid.read_at == "ambient":
            read = f"encode<{grid_type(grid.name)}>(model.tables, u, features + {column});"
            ambient.append(f"    {read}")
        else:
            lines += _read(grid, "features", column)
        column += grid.width
    if field.displacement_gain:
        gain = real(field.displacement_gain)
        lines += [
            f"    features[{column + d}] = moved.{axis} * {gain};" for d, axis in enumerate("xyz")
        ]
    return [*lines, "}", *ambient, "}"]


def _density(field: FieldSpec) -> Lines:
    limit = real(DENSITY_EXPONENT_LIMIT)
    return [
        "// Density of the density network's first output.",
        "EMOGENE_HD float density_of(float raw) {",
        f"    const float exponent = raw + {real(field.density_shift)};",
        f"    return exponential(smaller(larger(exponent, -{limit}), {limit}));",
        "}",
    ]


def _looks(field: FieldSpec) -> Lines:
    """What the colour network is given, of a sample or of a ray; the other one does nothing."""
    seen, geometry = field.directions**2, field.geometry_width
    start = f"    spherical_harmonics(direction, {field.directions}, looks);"
    of_sample = [
        "// What a sample's colour is asked for.",
        "EMOGENE_HD void sample_looks(Vec3 direction, const float* geometry, float* looks) {",
    ]
    of_ray = [
        "// What a ray's colour is asked for, from what it gathered.",
        "template <class Model>",
        "EMOGENE_HD void ray_looks(const Model& model, Vec3 origin, Vec3 direction, "
        "const float* channels, float opacity, float* looks) {",
    ]
    if field.colour_at == "sample":
        copied = f"    for (int i = 0; i < {geometry}; ++i) looks[{seen} + i] = geometry[i];"
        unused = "(void)model, (void)origin, (void)direction, (void)channels, (void)opacity"
        return [*of_sample, start, copied, "}", *of_ray, f"    {unused}, (void)looks;", "}"]
    lines = [
        *of_sample,
        "    (void)direction, (void)geometry, (void)looks;",
        "}",
        *of_ray,
        start,
        f"    for (int i = 0; i < {geometry}; ++i)",
        f"        looks[{seen} + i] = channels[i] / (opacity + {real(RAY_FEATURE_EPSILON)});",
        "    (void)model, (void)origin;",
    ]
    if field.surface:
        least = real(RAY_LEAST_OPACITY)
        lines += [
            "    float u[3];",
            f"    const float depth = channels[{geometry}] / larger(opacity, {least});",
            "    const Vec3 p = along(origin, direction, depth);",
            "    const Vec3 moved = displaced(model.nodes, p);",
            "    (void)moved;",
        ]
        column = seen + geometry
        for grid in field.surface:
            lines += _read(grid, "looks", column)
            column += grid.width
    return [*lines, "}"]


def _sample(field: FieldSpec, model: str) -> Lines:
    """Density and what is composited, at one position."""
    outputs = max(field.density.outputs, field.ambient.outputs if field.ambient else 0)
    lines = [
        f"EMOGENE_HD float sample(const {model}& model, const PlainFrame& frame, Vec3 p, "
        "Vec3 moved, Vec3 direction, float distance, float* values) {",
        "    (void)direction, (void)distance;",
        f"    float features[{field.feature_width}], raw[{outputs}];",
        "    read_features(model, p, moved, features);",
    ]
    if field.ambient is not None:
        lines += [
            f"    {network_function(field.ambient)}(model, frame, features, raw);",
            activated(field.ambient, "raw", TANH),
            "    read_ambient(model, raw, features);",
        ]
    lines += [
        f"    {network_function(field.density)}(model, frame, features, raw);",
        "    const float sigma = density_of(raw[0]);",
    ]
    geometry = field.geometry_width
    if field.colour_at == "ray":
        lines += [
            f"    for (int i = 0; i < {geometry}; ++i) values[i] = raw[1 + i];",
            f"    values[{geometry}] = distance;",
        ]
    else:
        lines += [
            f"    float looks[{field.colour.inputs}];",
            "    sample_looks(direction, raw + 1, looks);",
            f"    {network_function(field.colour)}(model, frame, looks, values);",
            activated(field.colour, "values", SIGMOID),
        ]
    return [*lines, "    return sigma;", "}"]


def _shade(field: FieldSpec, model: str) -> Lines:
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
    return [
        *lines,
        f"    float looks[{field.colour.inputs}];",
        "    ray_looks(model, origin, direction, channels, head[3], looks);",
        f"    {network_function(field.colour)}(model, frame, looks, head);",
        "    for (int c = 0; c < 3; ++c) head[c] = sigmoid(head[c]) * head[3];",
        "}",
    ]
