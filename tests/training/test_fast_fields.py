"""The C++ operations that training uses against the plain torch reference: values, gradients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from emogene.contract.errors import BadOption
from emogene.contract.field import FieldSpec, GridSpec
from emogene.kernels.traversal import Samples
from emogene.reference.authors import authors_head
from emogene.reference.grids import encode_grid
from emogene.reference.head_field import HeadField
from emogene.reference.torso_field import TorsoField
from emogene.reference.volume_rendering import PackedSamples, Rays
from emogene.reference.volume_rendering import composite as plain_composite
from emogene.reference.volume_rendering import shade as plain_shade
from emogene.training.fields.fast_head import FastHead
from emogene.training.fields.film import Film
from emogene.training.fields.operations import composite, encode
from emogene.training.fields.rays import RaySampler, RaySampling
from emogene.training.fields.statistics import LandmarkStatistics

from .tiny_field import tiny_head, tiny_torso

# float32 sums in another order
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def packed(samples: Samples) -> PackedSamples:
    return PackedSamples(
        torch.from_numpy(samples.positions),
        torch.from_numpy(samples.distances),
        torch.from_numpy(samples.rays.astype(np.int64)),
        torch.from_numpy(samples.offsets.astype(np.int64)),
    )


@pytest.mark.parametrize("dimensions", [2, 3])
def test_encoding_and_its_gradients_equal_the_reference(dimensions: int) -> None:
    grid = GridSpec.tiled("g", dimensions=dimensions, levels=4, base=3, finest=40, log2_size=8)
    torch.manual_seed(0)
    table = torch.randn(grid.entries, grid.features, requires_grad=True)
    coordinates = torch.rand(500, dimensions)
    coordinates[:5] = torch.tensor([0.0, 1.0, -0.1, 1.1, 0.5])[:, None]
    coordinates.requires_grad_(True)
    upstream = torch.randn(500, grid.width)
    results = []
    for function in (encode_grid, encode):
        features = function(grid, table, coordinates)
        gradients = torch.autograd.grad((features * upstream).sum(), (table, coordinates))
        results.append((features, *gradients))
    for plain, fast in zip(*results, strict=True):
        torch.testing.assert_close(fast, plain, **CLOSE)


def test_compositing_and_its_gradients_equal_the_reference() -> None:
    rng = np.random.default_rng(0)
    counts = np.array([0, 1, 7, 0, 40, 3, 0])
    offsets = np.concatenate([[0], counts.cumsum()]).astype(np.int32)
    rays = np.repeat(np.arange(len(counts)), counts)
    total = int(counts.sum())
    samples = PackedSamples(
        torch.zeros(total, 3),
        torch.zeros(total),
        torch.from_numpy(rays),
        torch.from_numpy(offsets.astype(np.int64)),
    )
    # From empty to opaque within one sample.
    sigmas = torch.from_numpy(np.exp(rng.uniform(-8, 8, total)).astype(np.float32))
    values = torch.from_numpy(rng.normal(0, 1, (total, 5)).astype(np.float32))
    sigmas.requires_grad_(True), values.requires_grad_(True)
    weights = [torch.from_numpy(rng.normal(0, 1, s).astype(np.float32)) for s in ((7, 5), 7, total)]
    results = []
    for done in (
        plain_composite(sigmas, values, samples, 0.045),
        composite(sigmas, values, offsets, 0.045),
    ):
        loss = sum((part * weight).sum() for part, weight in zip(done, weights, strict=True))
        results.append((*done, *torch.autograd.grad(loss, (sigmas, values))))
    for plain, fast in zip(*results, strict=True):
        torch.testing.assert_close(fast, plain, **CLOSE)


def without_surface(field: FieldSpec) -> FieldSpec:
    inputs = field.colour.inputs - field.surface_width
    colour = replace(field.colour, inputs=inputs)
    return replace(field, colour_at="sample", surface=(), colour=colour)


@pytest.mark.parametrize("colour_at", ["ray", "sample"])
def test_a_shaded_batch_equals_the_reference(film: Film, colour_at: str) -> None:
    network = tiny_head()
    if colour_at == "sample":
        network = replace(network, field=without_surface(network.field))
    torch.manual_seed(0)
    head = HeadField(network)
    statistics = LandmarkStatistics.of(film.landmarks)
    head.displacement.rest.copy_(torch.from_numpy(statistics.rest.copy()))
    head.displacement.falloff.fill_(40.0)
    for name, parameter in head.named_parameters():
        if name.endswith("table"):
            torch.nn.init.normal_(parameter, std=0.3)
    cells = np.random.default_rng(0).random((32, 32, 32)) < 0.3
    batch = RaySampler(film, RaySampling(rays=256, frames=4)).draw(np.random.default_rng(1))
    landmarks = film.landmarks[batch.film_frames]
    windows = statistics.windows(landmarks)

    fast = FastHead(head, cells)
    rays = fast.span(batch.origins, batch.directions, batch.frames)
    samples = fast.march(rays)
    assert len(samples) > 500
    done = {"fast": fast.shade(rays, samples, fast.condition(windows, landmarks))}
    head.encode = encode_grid
    done["plain"] = plain_shade(
        head,
        Rays(torch.from_numpy(batch.origins), torch.from_numpy(batch.directions)),
        packed(samples),
        head.frame(windows, torch.from_numpy(landmarks)),
        torch.from_numpy(batch.frames.astype(np.int64)),
    )
    upstream = torch.randn(len(batch.frames), 3)
    parameters = list(head.parameters())
    results = {}
    for name, shaded in done.items():
        loss = (shaded.values * upstream).sum() + shaded.opacity.square().sum()
        results[name] = (*shaded, *torch.autograd.grad(loss, parameters))
    for plain, quick in zip(results["plain"], results["fast"], strict=True):
        # The tiled grids amplify the last bits of a displaced coordinate by their resolution.
        scale = float(plain.detach().abs().max())
        torch.testing.assert_close(quick, plain, rtol=1e-3, atol=1e-4 * max(scale, 1e-3))


def test_torso_gradients_equal_the_reference() -> None:
    torch.manual_seed(0)
    torso = TorsoField(tiny_torso())
    torch.nn.init.normal_(torso.get_submodule("torso").table, std=0.3)
    pixels, head = torch.rand(300, 2) * 2 - 1, torch.rand(300, 4)
    frames = torch.arange(300) % 2
    results = []
    for function in (encode_grid, encode):
        torso.encode = function
        biases = torso.condition(torch.randn(2, 12, generator=torch.manual_seed(1)),
                                 torch.randn(2, 204))  # fmt: skip
        rgba = torso(pixels, head, biases, frames)
        results.append((rgba, *torch.autograd.grad(rgba.square().sum(), list(torso.parameters()))))
    for plain, fast in zip(*results, strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-3, atol=1e-4)


def test_a_batch_that_meets_nothing_is_empty_and_differentiable(film: Film) -> None:
    head = HeadField(tiny_head())
    fast = FastHead(head, np.zeros((32, 32, 32), bool))
    batch = RaySampler(film, RaySampling(rays=64, frames=2)).draw(np.random.default_rng(1))
    landmarks = film.landmarks[batch.film_frames]
    condition = fast.condition(LandmarkStatistics.of(film.landmarks).windows(landmarks), landmarks)
    rays = fast.span(batch.origins, batch.directions, batch.frames)
    shaded = fast.shade(rays, fast.march(rays), condition)
    assert len(shaded.weights) == 0
    assert not shaded.values.any() and not shaded.opacity.any()
    (shaded.values.sum() + shaded.opacity.sum()).backward()


def test_ambient_grids_are_refused_until_the_kernels_differentiate_them() -> None:
    head = HeadField(authors_head(window=3, blink=0))
    with pytest.raises(BadOption, match=r"ambient coordinate.*plain reference"):
        FastHead(head, np.ones((128, 128, 128), bool))
