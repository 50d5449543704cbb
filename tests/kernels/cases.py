"""Calls of every kernel, made of the C++ and of the NumPy one alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from emogene.kernels.compositing import CompositeState
from emogene.kernels.displacement import active_nodes, bake_displacement
from emogene.kernels.occupancy import Occupancy
from emogene.kernels.traversal import MarchState

from . import scenes

EXACT = (0.0, 0.0)
ROUNDING = (1e-6, 1e-5)
"""A handful of float32 operations in another order, or another exp or sin (2 units)."""
SUMS = (1e-5, 1e-4)
"""Sums of up to some hundred terms in float32."""


@dataclass(frozen=True)
class Case:
    """One call, made of both: what it returns and what it leaves in its arguments must agree."""

    function: str
    variant: str
    arguments: Callable[[], dict[str, Any]]
    tolerance: tuple[float, float] = EXACT

    def __str__(self) -> str:
        return f"{self.function}-{self.variant}"


def cases() -> Iterator[Case]:
    rng = scenes.generator()
    every_pixel = np.arange(48 * 48, dtype=np.int32)
    frames = rng.integers(0, 5, len(every_pixel)).astype(np.int32)
    yield Case(
        "rays.camera_rays",
        "one pose",
        lambda: {"pose": scenes.poses()[1], "camera": scenes.CAMERA, "pixels": every_pixel},
    )
    yield Case(
        "rays.camera_rays",
        "a pose a pixel",
        lambda: {
            "pose": scenes.poses(),
            "camera": scenes.CAMERA,
            "pixels": every_pixel,
            "frames": frames,
        },
    )
    origins, directions = scenes.edge_rays()
    yield Case("box.box_interval", "edges", lambda: _boxed(origins, directions))
    yield Case("box.box_interval", "shared origin", lambda: _boxed(origins[0], directions))
    yield from _occupancy_cases(origins, directions)
    yield from _march_cases()
    yield from _grid_cases()
    yield from _displacement_cases()
    for degree in (1, 2, 3, 4):
        yield Case(
            "harmonics.spherical_harmonics",
            f"degree {degree}",
            lambda degree=degree: {"directions": directions, "degree": degree},
            ROUNDING,
        )
    yield Case(
        "frequency.frequency_encode",
        "edges",
        lambda: {"positions": scenes.edge_coordinates(2)[28:] * 2 - 1, "octaves": 6},
        # Far from 0 the two sines reduce their argument of up to 100 differently.
        (1e-5, 0.0),
    )
    yield Case("image.blend", "outliers", _blended)
    yield from _composite_cases()


def _boxed(origins: np.ndarray, directions: np.ndarray) -> dict[str, Any]:
    return {
        "origins": origins,
        "directions": directions,
        "bounds_min": scenes.LOW,
        "bounds_max": scenes.HIGH,
        "min_near": 0.05,
    }


def _occupancy_cases(origins: np.ndarray, directions: np.ndarray) -> Iterator[Case]:
    rng = scenes.generator()
    for name, grid in scenes.occupancies().items():
        yield Case("occupancy.pack_cells", name, lambda grid=grid: {"cells": grid.cells})
        bits = {"bits": grid.bits, "resolution": grid.resolution}
        yield Case("occupancy.unpack_cells", name, lambda bits=bits: bits)
        yield Case("occupancy.block_distance", name, lambda bits=bits: bits)
        yield Case("occupancy.dilate", name, lambda grid=grid: {"cells": grid.cells})
    positions = rng.normal(0, 1.2, (900, 3)).astype(np.float32)
    values = rng.random(900).astype(np.float32)
    values[::50] = np.nan
    values[7] = np.inf
    box = {"bounds_min": scenes.LOW, "bounds_max": scenes.HIGH}
    yield Case(
        "occupancy.cell_maximum",
        "outliers",
        lambda: {
            "largest": np.full((9, 9, 9), 0.2, np.float32),
            "positions": positions,
            "values": values,
            **box,
        },
    )
    start = rng.uniform(0, 12, len(directions)).astype(np.float32)
    end = start + rng.normal(0.3, 1.0, len(directions)).astype(np.float32)
    end[0] = np.nan
    end[1] = start[1]
    end[2] = 1e9
    yield Case(
        "occupancy.mark_segments",
        "edges",
        lambda: {
            "cells": np.zeros((19, 19, 19), np.bool_),
            "origins": origins,
            "directions": directions,
            "start": start,
            "end": end,
            **box,
        },
    )


def _march_cases() -> Iterator[Case]:
    def arguments(grid: Occupancy, **more: Any) -> dict[str, Any]:
        given = scenes.marched(grid)
        # Full grids would be walked to 2**24 lattice points by the reference.
        given["far"][~np.isfinite(given["far"])] = np.nan
        return {
            **given,
            "spec": scenes.MARCH,
            "state": MarchState.start(len(given["directions"])),
            **more,
        }

    rays = len(scenes.edge_rays()[1])
    phase = scenes.generator().random(rays).astype(np.float32)
    live = scenes.generator().permutation(rays)[: rays // 2].astype(np.int32)
    for name, grid in scenes.occupancies().items():
        yield Case("traversal.march", name, lambda grid=grid: arguments(grid))
        yield Case("traversal.march", f"{name}, 1", lambda grid=grid: arguments(grid, count=1))
        yield Case(
            "traversal.march",
            f"{name}, jitter, half the rays",
            lambda grid=grid: arguments(grid, count=3, phase=phase, live=live),
        )


def _grid_cases() -> Iterator[Case]:
    rng = scenes.generator()
    positions = rng.normal(0, 1.2, (500, 3)).astype(np.float32)
    moved = rng.normal(0, 0.1, (500, 3)).astype(np.float32)
    box = {"positions": positions, "bounds_min": scenes.LOW, "bounds_max": scenes.HIGH}
    yield Case("grids.unit_coordinates", "plain", lambda: box)
    yield Case("grids.unit_coordinates", "moved", lambda: {**box, "displacement": moved})
    for name, grid in scenes.GRIDS.items():
        table = rng.normal(size=(grid.entries, grid.features)).astype(np.float32)
        table[::13] *= 100
        half = table.astype(np.float16)
        u = scenes.edge_coordinates(grid.dimensions)
        upstream = rng.normal(size=(len(u), grid.width)).astype(np.float32)
        given = {"grid": grid, "table": table, "coordinates": u}
        # Outliers of 400 in the table: their rounding, not the sum's, is what is left.
        yield Case("grids.encode", name, lambda given=given: given, (1e-4, 1e-5))
        yield Case(
            "grids.encode",
            f"{name}, half",
            lambda given=given, half=half: {**given, "table": half},
            (1e-4, 1e-5),
        )
        yield Case(
            "grids.encode",
            f"{name}, columns",
            lambda given=given, u=u, grid=grid: {
                **given,
                "out": np.zeros((len(u), grid.width + 5), np.float32)[:, 3:-2],
            },
            (1e-4, 1e-5),
        )
        yield Case(
            "grids.encode_backward",
            name,
            lambda given=given, upstream=upstream: {
                **given,
                "gradient": upstream,
                "coordinates_too": True,
            },
            # Slopes are table differences (400) times scale (1e4), summed over levels.
            (0.5 if name == "odd sizes" else 2e-2, 1e-4),
        )


def _displacement_cases() -> Iterator[Case]:
    spec, box = scenes.DISPLACEMENT, {"bounds_min": scenes.LOW, "bounds_max": scenes.HIGH}
    grids = scenes.occupancies()
    for name, grid in grids.items():
        yield Case(
            "displacement.active_nodes",
            name,
            lambda grid=grid: {"resolution": spec.resolution, "occupancy": grid},
        )
    given = {"spec": spec, **scenes.landmarks(3), **box}
    some = active_nodes(spec.resolution, grids["shell"])
    yield Case("displacement.bake_displacement", "all", lambda: given, SUMS)
    yield Case("displacement.bake_displacement", "some", lambda: {**given, "nodes": some}, SUMS)
    baked = bake_displacement(**given)
    positions = scenes.generator().normal(0, 1.2, (500, 3)).astype(np.float32)
    positions[:8] = [np.where(corner, scenes.HIGH, scenes.LOW) for corner in np.ndindex(2, 2, 2)]
    frames = scenes.generator().integers(0, 3, 500).astype(np.int32)
    read = {"grid": baked, "positions": positions, **box}
    yield Case(
        "displacement.read_displacement", "frames", lambda: {**read, "frames": frames}, ROUNDING
    )
    yield Case(
        "displacement.read_displacement", "one", lambda: {**read, "grid": baked[:1]}, ROUNDING
    )


def _composite_cases() -> Iterator[Case]:
    rng = scenes.generator()
    given = scenes.edge_samples()
    rays, (samples, channels) = len(given["offsets"]) - 1, given["values"].shape
    live = rng.permutation(rays + 9)[:rays].astype(np.int32)
    for threshold in (0.0, 1e-2):
        # Values of 1e4: the tolerance is relative to them.
        yield Case(
            "compositing.composite",
            f"threshold {threshold}",
            lambda threshold=threshold: {
                **given,
                "threshold": threshold,
                "state": CompositeState.start(rays, channels),
            },
            (1e-2, 1e-5),
        )
        yield Case(
            "compositing.composite_backward",
            f"threshold {threshold}",
            lambda threshold=threshold: {
                **given,
                "threshold": threshold,
                "grad_channels": np.ones((rays, channels), np.float32),
                "grad_opacity": np.arange(rays, dtype=np.float32),
                "grad_weights": np.linspace(-1, 1, samples, dtype=np.float32),
            },
            (1e-3, 1e-4),
        )
    yield Case(
        "compositing.composite",
        "live rays",
        lambda: {**given, "live": live, "state": CompositeState.start(rays + 9, channels)},
        (1e-2, 1e-5),
    )
    yield Case(
        "compositing.composite_backward",
        "without weights",
        lambda: {
            **given,
            "grad_channels": np.full((rays, channels), -0.5, np.float32),
            "grad_opacity": np.zeros(rays, np.float32),
        },
        (1e-3, 1e-4),
    )
    state = MarchState(rng.integers(-1, 2, 100).astype(np.int32), np.zeros(100, np.int32))
    gathered = CompositeState.start(100, 1)
    gathered.transmittance[:] = rng.random(100)
    gathered.transmittance[::9] = np.nan
    chosen = {"state": state, "composited": gathered, "threshold": 0.3}
    yield Case("compositing.live_rays", "all", lambda: chosen)
    yield Case(
        "compositing.live_rays",
        "some",
        lambda: {**chosen, "live": rng.permutation(100)[:40].astype(np.int32)},
    )


def _blended() -> dict[str, Any]:
    rng = scenes.generator()
    head = rng.uniform(-0.2, 1.2, (700, 3)).astype(np.float32)
    head[:5] = [[np.nan] * 3, [np.inf] * 3, [-np.inf] * 3, [1e30] * 3, [0.5 / 255] * 3]
    return {
        "head": head,
        "opacity": rng.random(700).astype(np.float32),
        "torso": rng.random((700, 4)).astype(np.float32),
        "background": rng.integers(0, 256, (700, 3)).astype(np.uint8),
    }
