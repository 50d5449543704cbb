"""Field specifications small enough to train in a test."""

from __future__ import annotations

from dataclasses import replace

from emogene.contract.field import GridSpec
from emogene.reference.demo import demo_head, demo_torso
from emogene.reference.head_field import HeadFieldConfig
from emogene.reference.torso_field import TorsoFieldConfig


def tiny_head() -> HeadFieldConfig:
    """The demo's head field with smaller grids, fewer cells and nodes."""
    whole = demo_head()
    grids, surface = (
        tuple(_small(grid) for grid in grids) for grids in (whole.field.grids, whole.field.surface)
    )
    assert whole.field.displacement is not None
    displacement = replace(whole.field.displacement, resolution=(10, 9, 8))
    march = replace(whole.field.march, occupancy_resolution=32, step=0.06)
    field = replace(
        whole.field, grids=grids, surface=surface, march=march, displacement=displacement
    )
    return replace(whole, field=field)


def _small(grid: GridSpec) -> GridSpec:
    levels = len(grid.levels)
    return GridSpec.tiled(
        grid.name, levels=levels, base=4, finest=32, log2_size=9, read_at=grid.read_at
    )


def tiny_torso() -> TorsoFieldConfig:
    """The demo's torso field with a smaller grid and mask."""
    whole = demo_torso()
    grid = GridSpec.tiled("torso", dimensions=2, levels=8, base=4, finest=32, log2_size=10)
    return replace(whole, torso=replace(whole.torso, grid=grid, mask_resolution=16))
