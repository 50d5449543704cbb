"""Rays, marching and compositing: known answers and properties (Eq. 6–7)."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from emogene.contract.camera import Intrinsics
from emogene.contract.field import MarchSpec
from emogene.reference.volume_rendering import (
    PackedSamples,
    Rays,
    camera_rays,
    composite,
    entry_and_exit,
    march,
    occupied,
    render_rays,
    shade,
)

from .fields import small_head

LOW, HIGH = -torch.ones(3), torch.ones(3)
LOOKING_IN = torch.tensor([[1.0, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, 4]])


def packed(counts: list[int]) -> PackedSamples:
    rays = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    offsets = torch.tensor([0, *counts]).cumsum(0)
    n = sum(counts)
    return PackedSamples(torch.zeros(n, 3), torch.zeros(n), rays, offsets)


def test_compositing_known_answers() -> None:
    """Half the light is absorbed at every sample: weights 1/2, 1/4, 1/8."""
    half = math.log(2) / 0.1
    samples = packed([3, 0, 1])
    values = torch.tensor([[1.0, 0], [0, 1], [0, 0], [3, 4]])
    done = composite(torch.full((4,), half), values, samples, 0.1)
    torch.testing.assert_close(done.weights, torch.tensor([0.5, 0.25, 0.125, 0.5]))
    torch.testing.assert_close(done.opacity, torch.tensor([0.875, 0.0, 0.5]))
    torch.testing.assert_close(done.values, torch.tensor([[0.5, 0.25], [0, 0], [1.5, 2.0]]))


def test_transmittance_and_weights_share_the_light() -> None:
    """Σw = 1 - exp(-Σσδ), whatever the densities; an opaque wall hides what is behind it."""
    samples = packed([7, 1, 30])
    density = torch.rand(38) * 20
    density[3] = 1e6
    done = composite(density, torch.ones(38, 1), samples, 0.05)
    depth = torch.zeros(3).index_add(0, samples.rays, density * 0.05)
    torch.testing.assert_close(done.opacity, 1 - torch.exp(-depth))
    assert torch.equal(done.weights[4:7], torch.zeros(3))


def test_compositing_of_a_constant_medium_approaches_the_integral() -> None:
    """∫ σ e^{-σ t} c(t) dt with c(t) = t over [0, 1], σ = 3: (1 - e^{-3} (1 + 3)) / 3."""
    n = 4000
    t = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    density = torch.full((n,), 3.0, dtype=torch.float64)
    done = composite(density, t[:, None], packed([n]), 1 / n)
    assert done.values.item() == pytest.approx((1 - math.exp(-3) * 4) / 3, rel=1e-5)


def test_compositing_is_differentiable() -> None:
    samples = packed([4, 2])
    density = torch.rand(6, dtype=torch.float64, requires_grad=True)
    values = torch.rand(6, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda d, v: tuple(composite(d, v, samples, 0.3)), (density, values)
    )


def test_rays_pass_through_pixel_centres() -> None:
    camera = Intrinsics(8, 10.0, 4.0, 3.5)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0)))[0]
    pose = torch.cat((turn, torch.tensor([[0.3], [-0.2], [5.0]])), dim=1)
    rays = camera_rays(camera, pose)
    points = rays.origins + 7 * rays.directions
    seen = points @ pose[:, :3].T + pose[:, 3]
    u = camera.cx + camera.focal * seen[:, 0] / seen[:, 2]
    v = camera.cy + camera.focal * seen[:, 1] / seen[:, 2]
    expected = torch.arange(8) + 0.5
    torch.testing.assert_close(u, expected.repeat(8))
    torch.testing.assert_close(v, expected.repeat_interleave(8))


@pytest.mark.parametrize(
    "origin, direction, near, far",
    [
        ((0, 0, 4), (0, 0, -1), 3, 5),
        ((0, 0, 0), (0, 1, 0), 0.05, 1),  # from inside: not before min_near
        ((0.999, 0, 4), (0, 0, -1), 3, 5),
        ((1.0, 0, 4), (0, 0, -1), 3, 5),  # along a face
        ((-3, -3, -3), (1, 1, 1), 2, 4),
    ],
)
def test_box_entry_and_exit(
    origin: tuple[float, ...], direction: tuple[float, ...], near: float, far: float
) -> None:
    rays = Rays(torch.tensor([origin], dtype=torch.float32), torch.tensor([direction]).float())
    a, b = entry_and_exit(rays, LOW, HIGH, 0.05)
    assert (a.item(), b.item()) == pytest.approx((near, far))


@pytest.mark.parametrize("origin", [(1.01, 0, 4), (0, 0, -4)])
def test_rays_that_miss_leave_before_they_enter(origin: tuple[float, ...]) -> None:
    rays = Rays(torch.tensor([origin], dtype=torch.float32), torch.tensor([[0.0, 0, -1]]))
    a, b = entry_and_exit(rays, LOW, HIGH, 0.05)
    assert not a < b


def test_samples_stand_on_the_lattice_in_occupied_cells() -> None:
    generator = torch.Generator().manual_seed(5)
    occupancy = torch.randint(0, 256, (16**3 // 8,), generator=generator, dtype=torch.uint8)
    spec = MarchSpec(0.07, 0.25, 0.05, 6, 16)
    rays = camera_rays(Intrinsics(12, 18.0, 6.0, 6.0), LOOKING_IN)
    samples = march(rays, occupancy, LOW, HIGH, spec)
    near, far = entry_and_exit(rays, LOW, HIGH, 0.05)
    k = (samples.distances - near[samples.rays]) / 0.07 - 0.25
    torch.testing.assert_close(k, k.round(), atol=1e-3, rtol=0)
    assert (samples.distances < far[samples.rays]).all()
    assert occupied(occupancy, samples.positions, LOW, HIGH, 16).all()
    counts = samples.offsets.diff()
    assert counts.max() == 6 and counts.sum() == len(samples.distances)
    assert (samples.rays.diff() >= 0).all()
    endless = replace(spec, max_samples=999)
    full = march(rays, torch.full_like(occupancy, 255), LOW, HIGH, endless)
    expected = ((far - near) / 0.07 - 0.25).clamp(min=0).ceil()
    torch.testing.assert_close(full.offsets.diff().float(), expected, atol=1.0, rtol=0)


def test_an_empty_grid_gives_nothing() -> None:
    head = small_head()
    head.occupancy.zero_()
    rays = camera_rays(Intrinsics(6, 9.0, 3.0, 3.0), LOOKING_IN)
    condition = head.frame(torch.zeros(1, 3, 204), torch.zeros(1, 68, 3))
    colour, opacity = render_rays(head, rays, condition)
    assert torch.equal(colour, torch.zeros(36, 3)) and torch.equal(opacity, torch.zeros(36))


@pytest.mark.parametrize("colour_at", ["ray", "sample"])
def test_shading_several_frames_equals_each_alone(colour_at: str) -> None:
    head = small_head(colour_at)
    windows, landmarks = torch.randn(2, 3, 204), torch.rand(2, 68, 3) - 0.5
    rays = camera_rays(Intrinsics(6, 9.0, 3.0, 3.0), LOOKING_IN)
    both = Rays(*(torch.cat((part, part)) for part in rays))
    samples = march(both, head.occupancy, head.low, head.high, head.spec.march)
    frames = torch.tensor([0, 1]).repeat_interleave(36)
    got = shade(head, both, samples, head.frame(windows, landmarks), frames).values
    for f in range(2):
        alone = head.frame(windows[f : f + 1], landmarks[f : f + 1])
        torch.testing.assert_close(got[36 * f : 36 * f + 36], render_rays(head, rays, alone)[0])
