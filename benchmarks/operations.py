"""All arithmetic a frame cannot do without, counted operation by operation, and its least time.

The floor of `roofline.py` counts multiply-adds of networks and of interpolation, and loads. A frame
must also work out where the entries lie and how much each weighs, widen them from half precision,
look for its samples, and turn densities into light. Counted here are operations on one number (an
addition, a comparison, a conversion, a multiply-add), each at the rate of multiply-adds: vector
units begin as many of either. Loads have the quickest measured way, one by one or gathered, from a
table that the first cache holds: neighbouring rays read neighbouring entries. Within a stage loads
and arithmetic overlap, so the longer of the two counts; stages follow each other, so they add up.

Still not counted: shuffles between layouts, moving rows that are kept, steps through emptiness,
lanes and panels without a sample, what divisions cost more than one operation, waiting for the
other threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from emogene.contract.field import FieldSpec, GridSpec, MlpSpec, TorsoSpec

from .machine import Peaks
from .roofline import AMX, BFLOAT16, FLOAT32_BESIDE, SPLIT_PRODUCTS, FrameCounts

EXPONENTIAL = 16
"""Operations: two limits, four to split off the power of two, six of the polynomial, four to put
it in again."""

SIGMOID = EXPONENTIAL + 3
"""And as many for a hyperbolic tangent."""

RECTIFIED = 1
SPLIT = {True: 0.5, False: 3.0}
"""Operations that make a number a tile's: halves of pairs packed; to split it also masked and
subtracted, and packed twice. By whether products are coarse."""


@dataclass(frozen=True)
class Stage:
    """Counted work of one part of a frame.

    Attributes:
        operations: on single numbers.
        loads: of eight bytes from tables.
        widened: numbers converted from half precision.
        products: multiply-adds of networks.
    """

    operations: float = 0.0
    loads: float = 0.0
    widened: float = 0.0
    products: float = 0.0

    def __add__(self, other: Stage) -> Stage:
        return Stage(
            self.operations + other.operations,
            self.loads + other.loads,
            self.widened + other.widened,
            self.products + other.products,
        )

    def __mul__(self, times: float) -> Stage:
        return Stage(
            self.operations * times, self.loads * times, self.widened * times, self.products * times
        )


def reading_level(dimensions: int, features: int) -> Stage:
    """Of reading one level at one point whose coordinates lie in [0, 1]."""
    corners = 2 ** (dimensions - 1)  # but for x, along which two entries are one load
    place = 4 * dimensions  # scaled, truncated, converted back, subtracted
    index = 2 * (dimensions - 1) + corners - 1  # strides multiplied and added; the other corners
    weights = {2: 1, 3: 6}[dimensions]
    values = 2 * features
    return Stage(
        operations=place + index + weights + corners * values + 2 * features,
        loads=corners,
        widened=corners * values,
    )


def reading(grids: tuple[GridSpec, ...]) -> Stage:
    """Of reading grids at one point: into [0, 1] and back from beyond it, then every level."""
    made = Stage()
    for grid in grids:
        made += Stage(operations=4 * grid.dimensions)
        made += reading_level(grid.dimensions, grid.features) * len(grid.levels)
    return made


def network(mlp: MlpSpec, tiles: bool, coarse: bool) -> Stage:
    """Of one network at one point."""
    operations: float = RECTIFIED * sum(mlp.hidden)
    if tiles:
        operations += SPLIT[coarse] * (mlp.inputs + sum(mlp.hidden)) + sum(mlp.hidden) + mlp.outputs
    return Stage(operations=operations, products=mlp.multiply_adds)


DISPLACED = Stage(operations=3 * 7 + 4 + 6 + 4 * 2 * 3 + 2 * 3 + 3, loads=8)
"""Three coordinates to nodes and fractions; index; weights; four corners of two nodes; along x;
subtracted."""

LOOKED_AT = Stage(operations=4 + 3 * 2 + 3 * 5 + 6 + 2, loads=1)
"""A place on a ray: its distance, position, cell and index; whether it is inside and occupied."""

PULL = Stage(operations=3 + 4 + EXPONENTIAL + 1 + 3)
"""One landmark's at one node of the displacement."""

PAINTED = Stage(operations=3 * 9)
"""A pixel: background under torso under head, to a byte."""


def frame_stages(
    field: FieldSpec,
    torso: TorsoSpec,
    counts: FrameCounts,
    tiles: bool = False,
    coarse: bool = False,
) -> dict[str, Stage]:
    """Of one picture, by part; ``tiles`` and ``coarse`` as `amx` multiplies."""

    def networks(*mlps: MlpSpec) -> Stage:
        made = Stage()
        for mlp in mlps:
            made += network(mlp, tiles, coarse)
        return made

    by_ray = field.colour_at == "ray"
    colours = counts.rays if by_ray else counts.samples
    summed = field.geometry_width + bool(field.surface) if by_ray else 3
    ambient = () if field.ambient is None else (field.ambient,)
    moved = counts.samples + counts.rays * bool(field.surface)
    pixel = networks(torso.deform, torso.colour)
    return {
        "networks": networks(field.density, *ambient) * counts.samples
        + networks(field.colour) * colours
        + pixel * counts.torso_pixels,
        "grids": reading(field.grids) * counts.samples
        + reading(field.surface) * counts.rays
        + reading((torso.grid,)) * counts.torso_pixels,
        "displacement": DISPLACED * (moved * (field.displacement is not None))
        + PULL * counts.pulls,
        "marching": LOOKED_AT * (counts.samples + counts.rays),
        "light and colour": Stage(operations=2 * EXPONENTIAL + 6 + summed) * counts.samples
        + Stage(operations=field.directions**2 + 3 * (SIGMOID + 1)) * colours
        + Stage(operations=6 * (SIGMOID + 1)) * counts.torso_pixels
        + PAINTED * max(counts.rays, counts.torso_pixels),
    }


def floor_parts(
    stages: Mapping[str, Stage], instruction_set: str, peaks: Peaks, coarse: bool = False
) -> dict[str, float]:
    """The least milliseconds of every part, on as many threads as the peaks are of."""
    beside = FLOAT32_BESIDE if instruction_set in (AMX, BFLOAT16) else instruction_set
    products = peaks.gflops[instruction_set] / 2
    if instruction_set == AMX and not coarse:
        products /= SPLIT_PRODUCTS
    operations, widened = peaks.gflops[beside] / 2, peaks.gwidenings[beside]
    loads = max(peaks.gloads, peaks.gathers[beside])

    def least(stage: Stage) -> float:
        arithmetic = stage.products / products + stage.operations / operations
        arithmetic += stage.widened / widened if widened else 0.0
        return 1e-6 * max(arithmetic, stage.loads / loads)

    return {name: least(stage) for name, stage in stages.items()}
