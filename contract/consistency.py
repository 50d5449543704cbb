"""Whether the numbers of a specification fit together, in one place for files and for networks.

Each function lists everything that is wrong, in words; an empty list is a good specification.
Without these rules a wrong number would show itself as an endless loop or an index error later.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from .camera import Intrinsics
from .field import FieldSpec, GridSpec, MarchSpec, MlpSpec, TorsoSpec
from .hearing import HearingSpec
from .motion import (
    BlinkStep,
    IdleSpec,
    LleStep,
    MotionSpec,
    PeriodicBlinkStep,
    WindowStep,
)
from .units import SAMPLES_PER_FEATURE

FEATURES = (1, 2, 4, 8)
"""Features a level of a grid may have: those the kernels are compiled for."""

HIGHEST_DEGREE = 4
"""Of the spherical harmonics of a view direction."""

LARGEST_OCCUPANCY = 1024
"""Cells along an axis; the bits are then 128 MiB."""

LONGEST_LATTICE = 1 << 16
"""Steps across the bounds' diagonal; beyond them a ray would take for ever."""

HEAD_RGBA = 4
"""What the torso is given of the head: premultiplied colour, and alpha."""


def field_problems(spec: FieldSpec) -> list[str]:
    """What does not fit in a head field."""
    said = _name_problems((*spec.grids, *spec.surface, *spec.networks))
    if not all(low < high for low, high in zip(spec.bounds_min, spec.bounds_max, strict=True)):
        said.append(f"bounds from {spec.bounds_min} to {spec.bounds_max} hold nothing")
    else:
        said += _march_problems(spec.march, math.dist(spec.bounds_min, spec.bounds_max))
        said += _box_problems(spec)
    if not 1 <= spec.directions <= HIGHEST_DEGREE:
        said.append(f"directions of degree 1 to {HIGHEST_DEGREE} are known, not {spec.directions}")
    said += _field_grid_problems(spec)
    for network in spec.networks:
        said += _mlp_problems(network)
    said += _input_problems("density", spec.density, spec.feature_width)
    looks = spec.directions**2 + spec.geometry_width + spec.surface_width
    said += _input_problems("colour", spec.colour, looks)
    if spec.colour.outputs != 3:
        said.append(f"a colour network has 3 outputs, {spec.colour.name!r} {spec.colour.outputs}")
    if spec.ambient is not None and spec.grids:
        said += _input_problems("ambient", spec.ambient, spec.grids[0].width)
    return said


def torso_problems(spec: TorsoSpec) -> list[str]:
    """What does not fit in a torso field."""
    said = _name_problems((spec.grid, spec.deform, spec.colour))
    said += _grid_problems(spec.grid, 2)
    if spec.octaves < 0:
        said.append(f"{spec.octaves} octaves are fewer than none")
    if spec.mask_resolution < 1:
        said.append(f"a mask of {spec.mask_resolution} cells a side holds nothing")
    if not 0 < spec.shrink <= 1 or not spec.frequency > 0 or spec.head_code < 0:
        said.append(
            f"shrink {spec.shrink}, frequency {spec.frequency} or head code {spec.head_code} is "
            "out of range"
        )
    narrow = spec.position_width + spec.head_code
    wide = spec.grid.width + spec.position_width + (spec.head_code or HEAD_RGBA)
    for network, inputs, outputs in ((spec.deform, narrow, 2), (spec.colour, wide, 4)):
        said += _mlp_problems(network)
        if (network.inputs, network.outputs) != (inputs, outputs):
            said.append(
                f"network {network.name!r} is {network.inputs} → {network.outputs}, "
                f"the torso needs {inputs} → {outputs}"
            )
    return said


def motion_problems(spec: MotionSpec) -> list[str]:
    """What is out of range in the steps of a motion."""
    said = []
    for step in spec.steps:
        if isinstance(step, BlinkStep):
            said += _blink_problems(step)
        elif isinstance(step, PeriodicBlinkStep):
            said += _periodic_blink_problems(step)
        elif isinstance(step, LleStep):
            said += _lle_problems(step)
        elif isinstance(step, WindowStep) and (step.width < 1 or step.width % 2 == 0):
            said.append(f"a window has an odd width of at least 1, not {step.width}")
    if sum(isinstance(step, (BlinkStep, PeriodicBlinkStep)) for step in spec.steps) > 1:
        said.append("eyes blink in one step at most")
    return said


def idle_problems(spec: IdleSpec) -> list[str]:
    """What is out of range in how still stretches are found."""
    said = []
    if not 0 <= spec.tolerance < 1:
        said.append(f"idle tolerance {spec.tolerance} is not at least 0 and below 1")
    if spec.gap < 0:
        said.append(f"idle gap {spec.gap} is negative")
    return said


def hearing_problems(spec: HearingSpec) -> list[str]:
    """What is out of range in how sound is heard."""
    if 1 <= spec.pitch_middle <= SAMPLES_PER_FEATURE:
        return []
    known = f"a sample of 1 to {SAMPLES_PER_FEATURE}"
    return [f"pitch is looked for around {known}, not {spec.pitch_middle}"]


def camera_problems(camera: Intrinsics) -> list[str]:
    """What is out of range in a camera."""
    said = []
    if camera.size < 1:
        said.append(f"a camera of {camera.size} pixels sees nothing")
    if not camera.focal > 0:
        said.append(f"focal length {camera.focal} is not above 0")
    return said


def _name_problems(parts: Iterable[GridSpec | MlpSpec]) -> list[str]:
    names = [part.name for part in parts]
    if len(set(names)) == len(names):
        return []
    return [f"names of grids and networks must differ: {', '.join(names)}"]


def _field_grid_problems(spec: FieldSpec) -> list[str]:
    if not spec.grids:
        return ["a field has at least one grid"]
    said = []
    for grid in spec.grids:
        ambient = spec.ambient if grid.read_at == "ambient" else None
        said += _grid_problems(grid, ambient.outputs if ambient else 3)
    if any(grid.read_at == "ambient" for grid in spec.grids) != (spec.ambient is not None):
        said.append("an ambient grid and an ambient network come together")
    if spec.grids[0].read_at == "ambient":
        said.append("the first grid is what ambient coordinates are made of, so not ambient itself")
    said += _surface_problems(spec)
    placed = (*spec.grids, *spec.surface)
    moved = any(grid.read_at == "displaced" for grid in placed) or spec.displacement_gain
    if moved and spec.displacement is None:
        said.append("the field reads displaced positions but has no displacement")
    if spec.displacement is not None and min(spec.displacement.resolution) < 2:
        said.append(f"a displacement of {spec.displacement.resolution} nodes has no cell")
    return said


def _surface_problems(spec: FieldSpec) -> list[str]:
    said = []
    for grid in spec.surface:
        said += _grid_problems(grid, 3)
        if grid.read_at == "ambient":
            said.append(f"surface grid {grid.name!r} has no ambient coordinate to be read at")
    if spec.surface and spec.colour_at != "ray":
        said.append("surface grids are read once a ray, so colour is too")
    return said


def _grid_problems(grid: GridSpec, dimensions: int) -> list[str]:
    said = []
    if grid.dimensions not in (2, 3) or grid.dimensions != dimensions:
        said.append(f"grid {grid.name!r} has {grid.dimensions} dimensions, read in {dimensions}")
    if grid.features not in FEATURES:
        said.append(f"grid {grid.name!r} has {grid.features} features a level, not 1, 2, 4 or 8")
    if not grid.levels:
        said.append(f"grid {grid.name!r} has no levels")
    for number, level in enumerate(grid.levels):
        if level.size < 1:
            said.append(f"level {number} of grid {grid.name!r} has {level.size} entries")
        if len(level.strides) != grid.dimensions or min(level.strides, default=0) < 0:
            said.append(f"level {number} of grid {grid.name!r} has strides {level.strides}")
        if not 0 <= level.scale < 2**24:  # beyond, float32 cannot tell the cells apart
            said.append(f"level {number} of grid {grid.name!r} has scale {level.scale}")
    return said


def _mlp_problems(network: MlpSpec) -> list[str]:
    if network.hidden and min(network.widths) >= 1:
        return []
    widths = " → ".join(map(str, network.widths))
    return [f"network {network.name!r} is {widths}, without a hidden layer or with an empty one"]


def _input_problems(role: str, network: MlpSpec, inputs: int) -> list[str]:
    if network.inputs == inputs:
        return []
    return [f"the field needs a {role} network with {inputs} inputs, it has {network.inputs}"]


def _box_problems(spec: FieldSpec) -> list[str]:
    low, high = spec.entry_box
    inside = all(
        outer <= a < b <= far
        for outer, a, b, far in zip(spec.bounds_min, low, high, spec.bounds_max, strict=True)
    )
    return [] if inside else [f"rays enter the box {low} to {high}, which is no part of the bounds"]


def _march_problems(march: MarchSpec, diagonal: float) -> list[str]:
    said = []
    if not march.step > 0 or diagonal > LONGEST_LATTICE * march.step:
        said.append(f"marching steps of {march.step} never cross the bounds")
    if march.max_samples < 1:
        said.append(f"{march.max_samples} samples a ray show nothing")
    if not 1 <= march.occupancy_resolution <= LARGEST_OCCUPANCY:
        said.append(
            f"an occupancy of 1 to {LARGEST_OCCUPANCY} cells an axis is known, "
            f"not {march.occupancy_resolution}"
        )
    return said


def _blink_problems(step: BlinkStep) -> list[str]:
    said = []
    if not 1 <= step.shortest <= step.longest:
        said.append(f"blinks {step.shortest} to {step.longest} frames apart")
    if not step.shape or not all(0 <= closed <= 1 for closed in step.shape):
        said.append(f"a blink of shape {step.shape}, not values from 0 to 1")
    if not 0 <= step.gap <= 1:
        said.append(f"a blink's gap of {step.gap}, not from 0 to 1")
    return said


def _periodic_blink_problems(step: PeriodicBlinkStep) -> list[str]:
    said = []
    if not 0 <= step.first < step.period or not 0 < len(step.shape) <= step.period:
        said.append(
            f"a blink of {len(step.shape)} frames from frame {step.first} of every {step.period}"
        )
    if not all(0 <= closed <= 1 for closed in step.shape):
        said.append(f"a blink of shape {step.shape}, not values from 0 to 1")
    return said


def _lle_problems(step: LleStep) -> list[str]:
    said = []
    if step.neighbours < 2:
        said.append(f"a projection between {step.neighbours} neighbours")
    if not 0 <= step.share <= 1 or not step.regulariser > 0:
        said.append(f"a projection of share {step.share} and regulariser {step.regulariser}")
    return said
