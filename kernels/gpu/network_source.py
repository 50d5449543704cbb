"""An avatar's networks as C++, in float32, and what their outputs go through."""

from __future__ import annotations

from ...contract.field import FieldSpec, MlpSpec, TorsoSpec
from .specification import Layout, boolean, network_function, network_layers, real

SIGMOID, TANH = "sigmoid({})", "tanhf({})"
"""Activations of a number."""


def network_source(network: MlpSpec, places: Layout) -> list[str]:
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
        kind = f"{inputs}, {outputs}, {boolean(not last)}"
        lines.append(f"    layer<{kind}>({weight}, {bias}, {source}, {target});")
        source = target
    return [*lines, "}"]


def activations(field: FieldSpec, torso: TorsoSpec | None) -> dict[str, str]:
    """What each network's outputs go through, by its name: C++ with {} for a number."""
    made = {field.density.name: "{}", field.colour.name: SIGMOID}
    if field.ambient is not None:
        made[field.ambient.name] = TANH
    if torso is not None:
        made[torso.deform.name] = torso_offset(torso)
        made[torso.colour.name] = SIGMOID
    return made


def torso_offset(torso: TorsoSpec) -> str:
    """What bounds the torso's offset, as far as it is not the place it leads to that is bounded."""
    return f"{'{}' if torso.offset == 'clamped' else TANH} * {real(torso.deform_range)}"


def activated(network: MlpSpec, outputs: str, activation: str) -> str:
    """A line that takes a network's outputs through their activation."""
    each = activation.format(f"{outputs}[i]")
    return f"    for (int i = 0; i < {network.outputs}; ++i) {outputs}[i] = {each};"
