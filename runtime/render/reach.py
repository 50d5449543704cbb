"""What of an avatar's pictures the kernels of the CPU and of a GPU paint themselves.

The rest is left to the directory's networks, beside them: the torso, or what enlarges the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ...contract import stages
from ...contract.field import FieldSpec, TorsoSpec
from ...contract.manifest import Manifest
from ...contract.weights import head_code_layers, network_tensors
from ...kernels import fused
from ...kernels.gpu import specification

Shapes = Mapping[str, tuple[int, ...]]
"""Of the tensors in a directory's weights, by name."""

HEAD_STAGES = frozenset({stages.AMBIENT, stages.DENSITY, stages.COLOUR})
"""Networks of the head that kernels evaluate themselves."""

FIELD_STAGES = HEAD_STAGES | {stages.TORSO_HEAD, stages.TORSO_DEFORM, stages.TORSO_COLOUR}
"""Those of head and torso."""


@dataclass(frozen=True)
class Reach:
    """What kernels paint.

    Attributes:
        obstacle: why not even the head; empty if they do.
        beside: why the head alone, and networks the rest; empty if they paint the whole picture.
        enlarged: a network makes larger what they painted.
    """

    obstacle: str = ""
    beside: str = ""
    enlarged: bool = False

    @property
    def stages(self) -> frozenset[str]:
        """The networks that they evaluate themselves."""
        return frozenset() if self.obstacle else HEAD_STAGES if self.beside else FIELD_STAGES

    @property
    def said(self) -> str:
        """In words."""
        if self.obstacle:
            return f"nothing: {self.obstacle}"
        if self.beside:
            return f"the head, networks the rest: {self.beside}"
        return "head, torso and background" + (", which a network enlarges" * self.enlarged)


def shapes_of(weights: Mapping[str, NDArray[Any]]) -> Shapes:
    """Of tensors in memory."""
    return {name: tensor.shape for name, tensor in weights.items()}


def stored_shapes(stored: Any) -> Shapes:
    """Of tensors in an open safetensors file."""
    return {name: tuple(stored.get_slice(name).get_shape()) for name in stored.keys()}  # noqa: SIM118


def fused_reach(manifest: Manifest, tensors: Shapes) -> Reach:
    """Of the CPU's kernels."""
    field, torso = manifest.field, manifest.torso
    if obstacle := _first(fused.unsupported(field), _lacking(field, None, tensors)):
        return Reach(obstacle)
    if manifest.super_resolution:
        return Reach("", "pictures are enlarged by a network")
    missing = _lacking(field, torso, tensors)
    return Reach("", _first(fused.unsupported(field, torso), missing))


def gpu_reach(manifest: Manifest, tensors: Shapes) -> Reach:
    """Of every kind of a GPU's kernels."""
    field, torso = manifest.field, manifest.torso
    if obstacle := _first(specification.unsupported(field), _lacking(field, None, tensors)):
        return Reach(obstacle)
    missing = _lacking(field, torso, tensors)
    beside = _first(specification.unsupported(field, torso), missing)
    return Reach("", beside, manifest.super_resolution)


def _lacking(field: FieldSpec, torso: TorsoSpec | None, tensors: Shapes) -> list[str]:
    """Tensors of the networks that are not there, or not of their shape."""
    wanted: dict[str, tuple[int, ...]] = {}
    for network in (*field.networks, *((torso.deform, torso.colour) if torso else ())):
        wanted |= network_tensors(network)
    for layer, (inputs, outputs) in (head_code_layers(torso) if torso else {}).items():
        wanted |= {f"{layer}.weight": (outputs, inputs), f"{layer}.bias": (outputs,)}
    missing = sorted(name for name, shape in wanted.items() if tensors.get(name) != shape)
    return [f"the directory's weights lack {name} {wanted[name]}" for name in missing]


def _first(*problems: list[str]) -> str:
    return next((problem for some in problems for problem in some), "")
