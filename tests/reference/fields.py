"""Small fields for tests."""

from __future__ import annotations

import torch

from emogene.contract.field import DisplacementSpec, FieldSpec, GridSpec, MarchSpec, MlpSpec
from emogene.reference.condition import PlainConditionConfig
from emogene.reference.head_field import HeadField, HeadFieldConfig


def small_head(colour_at: str = "ray", window: int = 3, bound: float = 1.0) -> HeadField:
    """A head with every part: displaced and plain grid, displacement as a feature, and a surface
    grid where colour is worked out once a ray."""
    per_ray = colour_at == "ray"
    grids = (
        GridSpec.tiled("skin", levels=2, base=4, finest=9, log2_size=10, read_at="displaced"),
        GridSpec.tiled("inner", levels=2, base=3, finest=7, log2_size=9),
    )
    surface = (
        GridSpec.tiled("looks", levels=3, base=4, finest=20, log2_size=9, read_at="displaced"),
    )
    field = FieldSpec(
        bounds_min=(-bound,) * 3,
        bounds_max=(bound,) * 3,
        grids=grids,
        density=MlpSpec("density", 8 + 3, (12,), 1 + 5),
        colour=MlpSpec("colour", 9 + 5 + (6 if per_ray else 0), (10, 8), 3),
        march=MarchSpec(0.1, 0.5, 0.05, 24, 16),
        displacement=DisplacementSpec((6, 6, 6), 0.15),
        displacement_gain=4.0,
        density_shift=1.0,
        colour_at="ray" if per_ray else "sample",
        surface=surface if per_ray else (),
    )
    torch.manual_seed(4)
    head = HeadField(HeadFieldConfig(field, PlainConditionConfig(window, 16, 8)))
    with torch.no_grad():
        for grid in (*grids, *field.surface):
            head.get_submodule(grid.name).table.uniform_(-1, 1)
        head.displacement.rest.uniform_(-0.7, 0.7)
        head.displacement.falloff.fill_(8.0)
    return head.eval()
