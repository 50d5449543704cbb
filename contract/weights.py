"""The tensors of ``weights.safetensors``: what exporters must write and the runtime reads.

Everything that is data rather than a graph: grid tables, occupancy, masks, statistics, poses and
the background. Networks live in their ONNX files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from .camera import Intrinsics
from .consistency import HEAD_RGBA
from .field import HEAD_CODE_HIDDEN, FieldSpec, GridSpec, MlpSpec, TorsoSpec
from .landmarks import FLAT, LANDMARKS
from .motion import ClampStep, LleStep, MotionSpec, NormaliseStep

OCCUPANCY = "occupancy"
TORSO_MASK = "torso_mask"
REST = "displacement.rest"
FALLOFF = "displacement.falloff"
MEAN, SCALE = "motion.mean", "motion.scale"
LOW, HIGH = "motion.low", "motion.high"
DATABASE = "motion.database"
POSES = "poses"
"""(N, 3, 4) float32 camera-from-head, 25 a second, in the order they were filmed."""
BACKGROUND = "background"
"""(size, size, 3) uint8 RGB at the camera's size."""

TABLE_TYPES = ("float32", "float16")

ANY = -1
"""In a shape: any length of at least one."""


@dataclass(frozen=True)
class WeightSpec:
    """One tensor: element types it may have, and its shape (`ANY` where the length is free)."""

    dtypes: tuple[str, ...]
    shape: tuple[int, ...]

    def problem(self, dtype: str, shape: Iterable[int]) -> str | None:
        """What is wrong with a tensor of this type and shape, or None."""
        found = tuple(shape)
        fits = len(found) == len(self.shape) and all(
            (n >= 1 if want == ANY else n == want)
            for n, want in zip(found, self.shape, strict=True)
        )
        if fits and dtype in self.dtypes:
            return None
        wanted = tuple("any" if n == ANY else n for n in self.shape)
        return f"{dtype} {found} instead of {' or '.join(self.dtypes)} {wanted}"


def table_name(grid: GridSpec) -> str:
    """Name of a grid's table."""
    return f"{grid.name}.table"


def network_tensors(network: MlpSpec) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a network's tensors."""
    shapes: dict[str, tuple[int, ...]] = {}
    for i, (inputs, outputs) in enumerate(pairwise(network.widths)):
        shapes[f"{network.name}.{i}.weight"] = (outputs, inputs)
        if network.bias and i > 0:
            shapes[f"{network.name}.{i}.bias"] = (outputs,)
    return shapes


def head_code_layers(torso: TorsoSpec) -> dict[str, tuple[int, int]]:
    """Layers of the network that makes the torso's code of the head: inputs and outputs, by the
    prefix of their tensors ``.weight`` (outputs, inputs) and ``.bias`` (outputs,). None without a
    code."""
    if not torso.head_code:
        return {}
    widths = (HEAD_RGBA, *HEAD_CODE_HIDDEN, torso.head_code)
    return {f"head_encoder.{2 * i}": pair for i, pair in enumerate(pairwise(widths))}


def weight_specs(
    field: FieldSpec, torso: TorsoSpec, motion: MotionSpec, camera: Intrinsics
) -> dict[str, WeightSpec]:
    """Every tensor an avatar must have, by name. Others may stand beside them."""
    f32 = ("float32",)
    specs = {
        table_name(grid): WeightSpec(TABLE_TYPES, (grid.entries, grid.features))
        for grid in (*field.grids, *field.surface, torso.grid)
    }
    specs[OCCUPANCY] = WeightSpec(("uint8",), (-(-(field.march.occupancy_resolution**3) // 8),))
    specs[TORSO_MASK] = WeightSpec(("uint8",), (-(-(torso.mask_resolution**2) // 8),))
    specs[POSES] = WeightSpec(f32, (ANY, 3, 4))
    specs[BACKGROUND] = WeightSpec(("uint8",), (camera.size, camera.size, 3))
    if field.displacement is not None:
        specs[REST] = WeightSpec(f32, (LANDMARKS, 3))
        specs[FALLOFF] = WeightSpec(f32, (LANDMARKS,))
    if any(isinstance(step, NormaliseStep) for step in motion.steps):
        specs |= {name: WeightSpec(f32, (FLAT,)) for name in (MEAN, SCALE)}
    if any(isinstance(step, ClampStep) for step in motion.steps):
        specs |= {name: WeightSpec(f32, (FLAT,)) for name in (LOW, HIGH)}
    if any(isinstance(step, LleStep) for step in motion.steps):
        specs[DATABASE] = WeightSpec(f32, (ANY, FLAT))
    return specs


def weight_problems(
    specs: Mapping[str, WeightSpec], found: Mapping[str, tuple[str, tuple[int, ...]]]
) -> list[str]:
    """Everything that is missing or misshapen, one line each.

    Args:
        found: numpy type name and shape of every tensor that is there.
    """
    problems = [f"{name} is missing" for name in sorted(set(specs) - set(found))]
    for name in sorted(set(specs) & set(found)):
        problem = specs[name].problem(*found[name])
        if problem:
            problems.append(f"{name} is {problem}")
    return problems
