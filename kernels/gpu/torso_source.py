"""The torso's evaluation as C++: what its networks are given, and whole pixels."""

from __future__ import annotations

import math

from ...contract.field import HEAD_CODE_HIDDEN, HEAD_CODE_SLOPE, TorsoSpec
from ...contract.weights import head_code_layers
from .network_source import SIGMOID, activated, torso_offset
from .specification import Layout, grid_type, network_function, real

Lines = list[str]


def torso_parts(torso: TorsoSpec | None, places: Layout) -> Lines:
    """What the torso's networks are given."""
    of_place = [
        "// Where a pixel of the torso lies, encoded.",
        "EMOGENE_HD void torso_place(int size, int row, int column, float* q) {",
    ]
    of_looks = [
        "// The rest of what its colour is asked for, before its place and the head in the row.",
        "template <class Model>",
        "EMOGENE_HD void torso_looks(const Model& model, const float* offset, float* in) {",
    ]
    if torso is None:
        unused = "    (void)size, (void)row, (void)column, (void)q;"
        nothing = "    (void)model, (void)offset, (void)in;"
        return [*of_place, unused, "}", *_seen(None, places), *of_looks, nothing, "}"]
    moved = "q[d] + offset[d]"
    if torso.offset == "clamped":
        moved = f"smaller(larger({moved}, -1.0f), 1.0f)"
    return [
        *of_place,
        *_position(torso),
        "}",
        *_seen(torso, places),
        *of_looks,
        f"    const float* q = in + {torso.grid.width};",
        "    float u[2];",
        f"    for (int d = 0; d < 2; ++d) u[d] = (({moved}) + 1.0f) * 0.5f;",
        f"    encode<{grid_type(torso.grid.name)}>(model.tables, u, in);",
        "}",
    ]


def _position(torso: TorsoSpec) -> Lines:
    """Lines that encode a pixel's place."""
    lines = [
        "    const float pixel = 2.0f / (float)size;",
        "    float x = ((float)column + 0.5f) * pixel - 1.0f;",
        "    float y = ((float)row + 0.5f) * pixel - 1.0f;",
    ]
    if torso.span == "centres":
        lines = [
            "    const float last = size > 1 ? (float)(size - 1) : 1.0f;",
            "    float x = (float)column / last * 2.0f - 1.0f;",
            "    float y = (float)row / last * 2.0f - 1.0f;",
        ]
    if torso.shrink != 1.0:
        lines += [f"    {axis} *= {real(torso.shrink)};" for axis in "xy"]
    base = "" if torso.frequency == math.pi else f", {real(torso.frequency)}"
    return [*lines, f"    frequency_encode(x, y, {torso.octaves}, q{base});"]


def _seen(torso: TorsoSpec | None, places: Layout) -> Lines:
    """A function that gives what both networks see of the head."""
    lines = [
        "// What the torso sees of the head: its colour and opacity, or their code.",
        "EMOGENE_HD void torso_seen(const PlainModel& model, const float* head, float* seen) {",
    ]
    if torso is None:
        return [*lines, "    (void)model, (void)head, (void)seen;", "}"]
    layers = head_code_layers(torso)
    if not layers:
        return [
            *lines,
            "    (void)model;",
            "    for (int c = 0; c < 4; ++c) seen[c] = head[c];",
            "}",
        ]
    lines.append(f"    float a[{max(HEAD_CODE_HIDDEN)}], b[{max(HEAD_CODE_HIDDEN)}];")
    source = "head"
    for i, (layer, (inputs, outputs)) in enumerate(layers.items()):
        target = "seen" if i == len(layers) - 1 else "ab"[i % 2]
        weight, bias = (
            f"model.parameters + {places.parameters[f'{layer}.{kind}']}"
            for kind in ("weight", "bias")
        )
        lines.append(
            f"    layer<{inputs}, {outputs}, false>({weight}, {bias}, {source}, {target});"
        )
        if target != "seen":
            leaked = f"{target}[i] < 0.0f ? {real(HEAD_CODE_SLOPE)} * {target}[i] : {target}[i]"
            lines.append(f"    for (int i = 0; i < {outputs}; ++i) {target}[i] = {leaked};")
        source = target
    return [*lines, "}"]


def torso_pixel(torso: TorsoSpec | None, model: str) -> Lines:
    """Red, green, blue and alpha of a pixel of the torso, for a model of this C++ type."""
    lines = [
        f"EMOGENE_HD void torso_at(const {model}& model, const PlainFrame& frame, int row, "
        "int column, const float* head, float* rgba) {"
    ]
    if torso is None:
        return [*lines, "    (void)model, (void)frame, (void)row, (void)column, (void)head;", "}"]
    features, place = torso.grid.width, torso.position_width
    return [
        *lines,
        f"    float in[{torso.colour.inputs}], raw[2];",
        f"    torso_place(frame.size, row, column, in + {features});",
        f"    torso_seen(model, head, in + {features + place});",
        f"    {network_function(torso.deform)}(model, frame, in + {features}, raw);",
        activated(torso.deform, "raw", torso_offset(torso)),
        "    torso_looks(model, raw, in);",
        f"    {network_function(torso.colour)}(model, frame, in, rgba);",
        activated(torso.colour, "rgba", SIGMOID),
        "}",
    ]
