"""Small fields of every kind the fused renderer takes, with random tensors."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from emogene.contract.camera import Intrinsics
from emogene.contract.field import (
    DisplacementSpec,
    FieldSpec,
    GridLevel,
    GridSpec,
    MarchSpec,
    MlpSpec,
    TorsoSpec,
)
from emogene.contract.landmarks import LANDMARKS
from emogene.contract.stages import bias_name
from emogene.contract.weights import (
    FALLOFF,
    OCCUPANCY,
    REST,
    TORSO_MASK,
    head_code_layers,
    network_tensors,
    table_name,
)
from emogene.kernels.fused import FrameInputs
from emogene.kernels.occupancy import pack_cells

from . import scenes

SIDE = 24
MARCH = MarchSpec(0.045, 0.5, 0.05, 48, SIDE)
CAMERA = Intrinsics(72, 72 * 2.4, 34.5, 37.0)


@dataclass(frozen=True, eq=False)
class Scene:
    """Fields, their tensors, a frame and what stands behind it."""

    field: FieldSpec
    torso: TorsoSpec | None
    weights: dict[str, np.ndarray]
    inputs: FrameInputs
    background: np.ndarray


def fields() -> dict[str, FieldSpec]:
    """One for each way a grid is read, a colour is found, and a table is indexed."""
    low, high = scenes.LOW, scenes.HIGH
    skin = GridSpec.tiled("skin", levels=5, base=6, finest=80, log2_size=11, read_at="displaced")
    inner = GridSpec.tiled("inner", levels=3, base=5, finest=40, log2_size=10)
    odd = GridSpec(
        "odd", 3, 2, (GridLevel(6.3, (1, 9, 81), 1000), GridLevel(99.9, (1, 101, 10201), 997))
    )
    crossed = GridSpec("crossed", 3, 4, (GridLevel(7.0, (81, 9, 1), 729),))
    flat = {
        n: GridSpec.tiled(
            f"ambient{n}", dimensions=n, levels=4, base=4, finest=30, log2_size=9, read_at="ambient"
        )
        for n in (2, 3)
    }
    return {
        "realtime": FieldSpec(
            bounds_min=low,
            bounds_max=high,
            grids=(skin, inner),
            density=MlpSpec("density", 19, (32,), 16),
            colour=MlpSpec("colour", 9 + 15, (48, 48), 3),
            march=MARCH,
            displacement=DisplacementSpec((9, 10, 7), 0.15),
            displacement_gain=4.0,
            density_shift=2.0,
        ),
        "surface": FieldSpec(
            bounds_min=low,
            bounds_max=high,
            grids=(inner,),
            surface=(skin, dataclasses.replace(inner, name="looks")),
            density=MlpSpec("density", 6 + 3, (16,), 9),
            colour=MlpSpec("colour", 9 + 8 + 10 + 6, (32,), 3),
            march=MARCH,
            displacement=DisplacementSpec((8, 8, 8), 0.1),
            displacement_gain=2.0,
            density_shift=2.0,
        ),
        "authors": FieldSpec(
            bounds_min=low,
            bounds_max=high,
            grids=(inner, flat[2]),
            density=MlpSpec("density", 14, (64, 64), 65, bias=False),
            colour=MlpSpec("colour", 16 + 64, (64,), 3, bias=False),
            # As theirs: entered through a box within the bounds, from its very face on.
            march=dataclasses.replace(MARCH, phase=0.0, box=(low, (high[0], 0.5, high[2]))),
            ambient=MlpSpec("ambient", 6, (32, 32), 2, bias=False),
            density_shift=1.0,
            directions=4,
            colour_at="sample",
        ),
        "odd": FieldSpec(
            bounds_min=low,
            bounds_max=high,
            grids=(odd, crossed, flat[3]),
            density=MlpSpec("density", 16, (7,), 2),
            colour=MlpSpec("colour", 1 + 1, (5, 3), 3),
            march=MARCH,
            ambient=MlpSpec("ambient", 4, (9,), 3),
            directions=1,
        ),
    }


TORSO = TorsoSpec(
    grid=GridSpec.tiled("torso", dimensions=2, levels=4, base=8, finest=60, log2_size=10),
    octaves=3,
    deform=MlpSpec("torso_deform", 14, (16,), 2),
    deform_range=0.2,
    colour=MlpSpec("torso_colour", 8 + 14 + 4, (24, 24), 4),
    mask_resolution=18,
)


PUBLISHED_TORSOS = {
    # Its frequencies and offsets as published; told of the head by four numbers, or by a code.
    "blind": dataclasses.replace(
        TORSO,
        deform=dataclasses.replace(TORSO.deform, bias=False),
        colour=dataclasses.replace(TORSO.colour, bias=False),
        deform_range=1.0,
        span="centres",
        shrink=0.8,
        frequency=1.0,
        offset="clamped",
    ),
}
PUBLISHED_TORSOS["head-aware"] = dataclasses.replace(
    PUBLISHED_TORSOS["blind"],
    deform=MlpSpec("torso_deform", 14 + 16, (16,), 2, bias=False),
    colour=MlpSpec("torso_colour", 8 + 14 + 16, (24, 24), 4, bias=False),
    head_code=16,
)


def scene(
    kind: str,
    *,
    cells: np.ndarray | None = None,
    camera: Intrinsics = CAMERA,
    torso: TorsoSpec = TORSO,
) -> Scene:
    """A scene whose head is a shell, unless other cells are given."""
    rng = scenes.generator()
    field = fields()[kind]
    if cells is None:
        z, y, x = np.indices((SIDE,) * 3) - (SIDE - 1) / 2
        radius = np.sqrt(x * x + y * y + z * z)
        cells = (radius > 6) & (radius < 9)
    networks = (*field.networks, torso.deform, torso.colour)
    weights: dict[str, np.ndarray] = {
        OCCUPANCY: pack_cells(cells),
        TORSO_MASK: np.packbits(rng.random(torso.mask_resolution**2) < 0.6, bitorder="little"),
        REST: rng.normal(0, 0.4, (LANDMARKS, 3)),
        FALLOFF: 1 / (2 * rng.uniform(0.05, 0.2, LANDMARKS) ** 2),
    }
    for grid in (*field.grids, *field.surface, torso.grid):
        weights[table_name(grid)] = rng.uniform(-1, 1, (grid.entries, grid.features))
    for network in networks:
        for name, shape in network_tensors(network).items():
            weights[name] = rng.normal(0, (2 / shape[-1]) ** 0.5, shape)
    for layer, (inputs, outputs) in head_code_layers(torso).items():
        weights[f"{layer}.weight"] = rng.normal(0, (2 / inputs) ** 0.5, (outputs, inputs))
        weights[f"{layer}.bias"] = rng.normal(0, 0.3, outputs)
    weights = {n: w if w.dtype == np.uint8 else w.astype(np.float32) for n, w in weights.items()}
    biases = {
        bias_name(n.name): rng.normal(0, 0.3, n.hidden[0]).astype(np.float32) for n in networks
    }
    moved = weights[REST] + rng.normal(0, 0.03, (LANDMARKS, 3)).astype(np.float32)
    inputs = FrameInputs(scenes.poses()[1], camera, biases, moved)
    background = rng.integers(0, 256, (camera.size, camera.size, 3)).astype(np.uint8)
    return Scene(field, torso, weights, inputs, background)
