"""What must hold for any ray, any grid and any way of working in rounds."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from emogene.contract.field import MarchSpec
from emogene.kernels.box import box_interval
from emogene.kernels.compositing import CompositeState, composite, live_rays
from emogene.kernels.displacement import active_nodes
from emogene.kernels.occupancy import Occupancy
from emogene.kernels.threads import ThreadPool
from emogene.kernels.traversal import MarchState, Samples, march

from . import scenes

BOX = (scenes.LOW, scenes.HIGH)


@st.composite
def marches(draw: st.DrawFn) -> dict[str, object]:
    """Random rays and a random grid: arguments of `march` but for the state."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    resolution = draw(st.integers(1, 40))
    fill = draw(st.sampled_from([0.0, 0.001, 0.02, 0.3, 1.0]))
    rays = draw(st.integers(1, 40))
    origins = rng.normal(0, draw(st.sampled_from([0.5, 4.0])), (rays, 3)).astype(np.float32)
    directions = rng.normal(size=(rays, 3)).astype(np.float32)
    flat = rng.random((rays, 3)) < 0.2
    directions[flat & (flat.sum(axis=1, keepdims=True) < 3)] = 0.0
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    near, far = box_interval(origins, directions, *BOX, 0.05)
    return {
        "origins": origins,
        "directions": directions,
        "near": near,
        "far": far,
        "occupancy": Occupancy.from_cells(rng.random((resolution,) * 3) < fill, *BOX),
        "spec": MarchSpec(
            draw(st.sampled_from([0.01, 0.045, 0.2])),
            draw(st.sampled_from([0.0, 0.5, 0.999])),
            0.05,
            draw(st.sampled_from([1, 7, 1000])),
            resolution,
        ),
    }


def by_ray(parts: list[Samples], rays: int) -> list[np.ndarray]:
    """Distances of each ray over several calls, in the order they came."""
    numbers = np.concatenate([part.rays for part in parts])
    distances = np.concatenate([part.distances for part in parts])
    return [distances[numbers == ray] for ray in range(rays)]


@settings(max_examples=60)
@given(marches())
def test_samples_lie_on_the_lattice_in_occupied_cells_inside_the_box(
    arguments: dict[str, object],
) -> None:
    rays, spec = len(arguments["directions"]), arguments["spec"]
    state = MarchState.start(rays)
    samples = march(**arguments, state=state)
    low, high = np.asarray(BOX[0]), np.asarray(BOX[1])
    grid: Occupancy = arguments["occupancy"]
    at = (samples.positions - low) / (high - low) * grid.resolution
    # A position may lie a rounding outside its cell as float64 sees it.
    found = np.zeros(len(samples), np.bool_)
    for slack in np.ndindex(3, 3, 3):
        cell = np.floor(at + (np.asarray(slack) - 1) * 1e-4 * grid.resolution).astype(int)
        x, y, z = np.clip(cell, 0, grid.resolution - 1).T
        found |= grid.cells[z, y, x]
    assert found.all()
    near, far = arguments["near"][samples.rays], arguments["far"][samples.rays]
    assert (samples.distances < far).all()
    k = (samples.distances.astype(np.float64) - near) / spec.step - spec.phase
    np.testing.assert_allclose(k, np.round(k), atol=1e-3)
    for distances in by_ray([samples], rays):
        assert (np.diff(distances) > 0).all()
    np.testing.assert_array_equal(np.diff(samples.offsets), state.taken)
    np.testing.assert_array_equal(np.bincount(samples.rays, minlength=rays), state.taken)
    assert (state.taken <= spec.max_samples).all()


@settings(max_examples=60)
@given(marches(), st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_rounds_of_any_size_give_the_same_samples(
    arguments: dict[str, object], sizes: list[int]
) -> None:
    rays = len(arguments["directions"])
    whole = march(**arguments, state=MarchState.start(rays))
    state, parts = MarchState.start(rays), []
    live = np.arange(rays, dtype=np.int32)
    while live.size:
        count = sizes[len(parts) % len(sizes)]
        parts.append(march(**arguments, state=state, count=count, live=live))
        live = live[state.cursor[live] >= 0]
    for once, rounds in zip(by_ray([whole], rays), by_ray(parts, rays), strict=True):
        np.testing.assert_array_equal(once, rounds)


@settings(max_examples=40)
@given(marches(), st.integers(1, 9), st.sampled_from([0.0, 1e-2, 0.3]))
def test_compositing_in_rounds_gives_the_same_image(
    arguments: dict[str, object], count: int, threshold: float
) -> None:
    rays, step = len(arguments["directions"]), arguments["spec"].step

    def field(samples: Samples) -> tuple[np.ndarray, np.ndarray]:
        sigmas = np.exp(3 * np.sin(7 * samples.positions[:, 0])) * 5
        return sigmas.astype(np.float32), np.cos(9 * samples.positions)

    samples = march(**arguments, state=MarchState.start(rays))
    whole = CompositeState.start(rays, 3)
    composite(*field(samples), samples.offsets, step, whole, threshold=threshold)

    state, rounds = MarchState.start(rays), CompositeState.start(rays, 3)
    live = np.arange(rays, dtype=np.int32)
    while live.size:
        samples = march(**arguments, state=state, count=count, live=live)
        composite(*field(samples), samples.offsets, step, rounds, threshold=threshold, live=live)
        live = live_rays(state, rounds, threshold, live=live)
    np.testing.assert_array_equal(rounds.channels, whole.channels)
    np.testing.assert_array_equal(rounds.transmittance, whole.transmittance)
    np.testing.assert_array_equal(rounds.used, whole.used)


@settings(max_examples=30)
@given(marches(), st.tuples(*[st.integers(2, 20)] * 3))
def test_active_nodes_are_all_that_samples_read(
    arguments: dict[str, object], resolution: tuple[int, int, int]
) -> None:
    samples = march(**arguments, state=MarchState.start(len(arguments["directions"])))
    active = np.zeros(np.prod(resolution), np.bool_)
    active[active_nodes(resolution, arguments["occupancy"])] = True
    active = active.reshape(resolution[::-1])
    low, high = np.asarray(BOX[0]), np.asarray(BOX[1])
    last = np.asarray(resolution) - 1
    at = np.clip((samples.positions - low) / (high - low) * last, 0, last)
    lower = np.minimum(at, last - 1).astype(int)
    for corner in np.ndindex(2, 2, 2):
        x, y, z = (lower + corner).T
        assert active[z, y, x].all()


@settings(max_examples=10)
@given(marches(), st.integers(1, 5))
def test_threads_change_nothing(arguments: dict[str, object], threads: int) -> None:
    many = 700  # rays: several pieces of work
    repeated = {
        name: np.ascontiguousarray(np.resize(value, (many, *value.shape[1:])))
        if isinstance(value, np.ndarray)
        else value
        for name, value in arguments.items()
    }
    alone = march(**repeated, state=MarchState.start(many), count=20)
    with ThreadPool(threads) as pool:
        shared = march(**repeated, state=MarchState.start(many), count=20, pool=pool)
    np.testing.assert_array_equal(alone.positions, shared.positions)
    np.testing.assert_array_equal(alone.rays, shared.rays)
    np.testing.assert_array_equal(alone.offsets, shared.offsets)
