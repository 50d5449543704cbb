"""A head field as data: grids, where each is read, the networks behind them, and the march.

The head field ``F: (x, d, l_E) -> (c, sigma)`` (paper Eq. 5) of the authors and the small
``realtime`` one are two instances of `FieldSpec`. NumPy, C++, CUDA, exporter and trainer know this
description and nothing else.

How a sample at position x is evaluated:

1. every grid is read at its own map of x (`GridSpec.read_at`);
2. ``features = concat(grids in order, displacement(x) * displacement_gain if that is not 0)``;
3. ``raw = density MLP(features)``, ``sigma = exp(clip(raw[0] + density_shift, -15, 15))`` per
   head-space unit, ``geometry = raw[1:]``;
4. colour, per sample (``colour_at="sample"``): ``sigmoid(colour MLP(concat(SH(d), geometry)))``;
   or once a ray (``"ray"``): the geometry composited along the ray, divided by (opacity + 1e-3),
   takes the place of the sample's, and the result is multiplied by the ray's opacity;
5. colour once a ray may also read ``surface`` grids, where the ray ends: at
   ``origin + depth * direction`` with ``depth = sum(w_i t_i) / max(opacity, 1e-3)``, t_i being a
   sample's distance from the origin. Their features follow the geometry. Samples need only find
   the surface then; its looks are read once, at one point instead of spread over a few.

The frame's condition never meets a sample: the condition stage turns it into the **first-layer
bias** of every MLP, once a frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

ReadAt = Literal["position", "displaced", "ambient"]

RAY_FEATURE_EPSILON = 1e-3
"""Added to a ray's opacity before its composited geometry is divided by it."""

RAY_LEAST_OPACITY = 1e-3
"""A ray's composited distance is divided by its opacity, or by this if that is less."""

HEAD_CODE_HIDDEN = (16, 32)
"""Hidden widths of the network that turns the head's colour and alpha into a code, as published."""

HEAD_CODE_SLOPE = 0.02
"""What is below zero between its layers is multiplied by this (LeakyReLU)."""

DENSITY_EXPONENT_LIMIT = 15.0
"""The density's exponent is kept between minus this and this, so that no density is infinite."""


@dataclass(frozen=True)
class GridLevel:
    """One resolution of a multi-resolution grid.

    A coordinate u in [0, 1] lies at ``u * scale + 0.5`` cells; corner c of the cell has entry
    ``(sum(c[d] * strides[d]) mod 2**32) mod size`` of the level's table.

    Attributes:
        scale: cells over the unit interval, minus one (float32 value).
        strides: entries per step along each axis; 0 leaves the axis out of the index.
        size: entries in the level's table.
    """

    scale: float
    strides: tuple[int, ...]
    size: int


@dataclass(frozen=True)
class GridSpec:
    """A tiled multi-resolution feature grid; the index wraps modulo the level's size.

    Its table is the tensor ``<name>.table`` (sum of level sizes, features), level after level.
    A coordinate outside [0, 1] gives zeros for that sample in all levels.

    Attributes:
        name: prefix of its tensors.
        dimensions: 2 or 3 coordinates.
        features: features a level.
        levels: from coarse to fine.
        read_at: the sample's ``position``; the position ``displaced`` back to the face at rest; or
            the ``ambient`` coordinate, an MLP of the first grid's features and the condition.
    """

    name: str
    dimensions: int
    features: int
    levels: tuple[GridLevel, ...]
    read_at: ReadAt = "position"

    @property
    def width(self) -> int:
        """Features of one sample."""
        return self.features * len(self.levels)

    @property
    def entries(self) -> int:
        """Rows of the table."""
        return sum(level.size for level in self.levels)

    @staticmethod
    def tiled(
        name: str,
        *,
        dimensions: int = 3,
        levels: int,
        base: float,
        finest: float,
        log2_size: int,
        features: int = 2,
        read_at: ReadAt = "position",
        keep_all_axes: bool = True,
    ) -> GridSpec:
        """Resolutions in geometric progression from ``base`` to ``finest`` cells.

        Args:
            log2_size: no level gets more than ``2**log2_size`` entries.
            keep_all_axes: False reproduces the published tiled grids, whose index leaves out an
                axis once the stride before it has outgrown the table.
        """
        growth = (finest / base) ** (1 / (levels - 1)) if levels > 1 else 1.0
        made = []
        for level in range(levels):
            cells = base * growth**level
            side = math.ceil(cells - 1e-9) + 1
            size = min(2**log2_size, side**dimensions)
            size += -size % 8
            strides, stride = [], 1
            for _ in range(dimensions):
                kept = keep_all_axes or stride <= size
                strides.append(stride if kept else 0)
                stride *= side if kept else 1
            made.append(GridLevel(cells - 1.0, tuple(strides), size))
        return GridSpec(name, dimensions, features, tuple(made), read_at)


@dataclass(frozen=True)
class MlpSpec:
    """A ReLU multi-layer perceptron whose first-layer bias is given per frame.

    Tensors ``<name>.<i>.weight`` (out, in) for layer i, and ``<name>.<i>.bias`` for i ≥ 1 if
    ``bias``. The output has no activation.

    Attributes:
        name: prefix of its tensors, and of the condition's output ``<name>_bias``.
        inputs: width of a sample's input.
        hidden: widths of the hidden layers, at least one.
        outputs: width of the output.
        bias: whether the layers after the first have biases.
    """

    name: str
    inputs: int
    hidden: tuple[int, ...]
    outputs: int
    bias: bool = True

    @property
    def widths(self) -> tuple[int, ...]:
        """Input, hidden and output widths in order."""
        return (self.inputs, *self.hidden, self.outputs)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds for one input row."""
        return sum(a * b for a, b in zip(self.widths, self.widths[1:], strict=False))


@dataclass(frozen=True)
class DisplacementSpec:
    """A small grid of displacements, baked per frame from the landmarks, that brings a point of
    the moving face back to the face at rest: ``x_rest = x - displacement(x)``.

    At a node x: ``sum_i g_i (l_i - rest_i) / (sum_i g_i + regulariser)`` with
    ``g_i = exp(-|x - l_i|² * falloff_i)``. Between nodes it is read trilinearly. Tensors:
    ``displacement.rest`` (68, 3) and ``displacement.falloff`` (68,) = 1 / (2 sigma²).

    Attributes:
        resolution: nodes along x, y, z, on the corners of the field's bounds and between.
        regulariser: keeps far points where they are.
    """

    resolution: tuple[int, int, int]
    regulariser: float


@dataclass(frozen=True)
class MarchSpec:
    """How a ray is sampled.

    Sample k of the lattice stands at ``near + (phase + k) * step`` where near is the entry into the
    bounds (not before ``min_near``); it counts when its occupancy cell is set.

    Attributes:
        step: distance between lattice points, head-space units.
        phase: offset of the first lattice point, in steps.
        min_near: nearest distance from the camera, head-space units.
        max_samples: occupied samples a ray gets at most.
        occupancy_resolution: cells along each axis of the bounds; the bits are the tensor
            ``occupancy`` (G³/8,) uint8, x fastest, then y, then z, bit i%8 of byte i//8.
        box: low and high corner of the box that rays enter and leave where that is not the bounds
            but a part of them; the lattice then begins at that box.
    """

    step: float
    phase: float
    min_near: float
    max_samples: int
    occupancy_resolution: int
    box: tuple[tuple[float, float, float], tuple[float, float, float]] | None = None


@dataclass(frozen=True)
class FieldSpec:
    """A head field. See the module's text for how it is evaluated.

    Attributes:
        bounds_min, bounds_max: the box the field fills, head space; grids see it as [0, 1]³.
        grids: in the order of their features; an ``ambient`` grid comes after the first.
        displacement: how ``displaced`` grids are read; None if there is none.
        displacement_gain: factor on the displacement as a feature; 0 leaves it out.
        ambient: MLP from the first grid's features to tanh coordinates of the ambient grid.
        density, colour: the networks.
        density_shift: added to the raw density before the exponential.
        directions: spherical-harmonics degree of the view direction; degree² coefficients.
        colour_at: colour per ``sample`` or once a ``ray``.
        march: how rays are sampled.
        surface: grids read once a ray, ``displaced`` or at the ``position``; for colour once a ray.
    """

    bounds_min: tuple[float, float, float]
    bounds_max: tuple[float, float, float]
    grids: tuple[GridSpec, ...]
    density: MlpSpec
    colour: MlpSpec
    march: MarchSpec
    surface: tuple[GridSpec, ...] = ()
    displacement: DisplacementSpec | None = None
    displacement_gain: float = 0.0
    ambient: MlpSpec | None = None
    density_shift: float = 0.0
    directions: int = 3
    colour_at: Literal["sample", "ray"] = "ray"

    @property
    def entry_box(self) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """Low and high corner of the box that rays enter."""
        return self.march.box or (self.bounds_min, self.bounds_max)

    @property
    def feature_width(self) -> int:
        """Inputs of the density MLP: all grids, and the displacement where it is a feature."""
        return sum(g.width for g in self.grids) + (3 if self.displacement_gain else 0)

    @property
    def geometry_width(self) -> int:
        """Geometry features that the density MLP gives beside the density."""
        return self.density.outputs - 1

    @property
    def surface_width(self) -> int:
        """Features read once a ray, where it ends."""
        return sum(grid.width for grid in self.surface)

    @property
    def networks(self) -> tuple[MlpSpec, ...]:
        """The MLPs in evaluation order."""
        return ((self.ambient,) if self.ambient else ()) + (self.density, self.colour)


@dataclass(frozen=True)
class TorsoSpec:
    """The torso field ``F_torso: (x, C_head; d0, P, l_E) -> (c, alpha)`` (paper Eq. 8), in 2-D.

    A pixel p in [-1, 1]² (x right, y down, times ``shrink``) is evaluated as

    1. ``q = concat(p, for k < octaves: sin(2^k f p), cos(2^k f p))``, each of both axes, with the
       base ``frequency`` f;
    2. ``offset = deform_range * tanh(deform MLP(q))``;
    3. ``features = grid(((p + offset) + 1) / 2)``;
    4. ``rgba = sigmoid(colour MLP(concat(features, q, head)))``, ``head`` being the head's colour
       premultiplied by its alpha, and that alpha.

    The published torso differs in three places. Its offset is not bounded by tanh, and p + offset
    is clamped to ±1 instead (``offset = "clamped"``). Its ±1 stand on the centres of the outermost
    pixels (``span = "centres"``), not on their outer edges. And where ``head_code`` is not 0, a
    network of its own (stage ``torso_head``, tensors `weights.head_code_layers`) turns the head's
    four numbers into a code of that width, which takes their place and is given to the deform MLP
    too, after q.

    Pose P and landmarks l_E enter through the MLPs' first-layer biases, like the head's condition.
    Only pixels whose bit in the tensor ``torso_mask`` (mask_resolution²/8,) uint8 is set (row by
    row) are evaluated; the others have alpha 0.

    Attributes:
        grid: 2-D grid.
        octaves: frequency octaves of the position encoding.
        deform: MLP from q to the offset.
        deform_range: largest offset, in units of the half image.
        colour: MLP to (r, g, b, alpha).
        mask_resolution: cells along an image side.
        span: what lies at ±1: the outer ``edges`` of the outermost pixels, or their ``centres``.
        shrink: factor on p, above 0.
        frequency: f, radians a unit of p at the lowest octave.
        offset: how the offset is bounded.
        head_code: width of the code that stands for the head; 0 for its four numbers themselves.
    """

    grid: GridSpec
    octaves: int
    deform: MlpSpec
    deform_range: float
    colour: MlpSpec
    mask_resolution: int
    span: Literal["edges", "centres"] = "edges"
    shrink: float = 1.0
    frequency: float = math.pi
    offset: Literal["tanh", "clamped"] = "tanh"
    head_code: int = 0

    @property
    def position_width(self) -> int:
        """Width of the position encoding q."""
        return 2 + 4 * self.octaves
