"""The head field: its evaluation step by step, batches of frames, gradients, what it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from emogene.contract.field import MlpSpec
from emogene.reference.demo import demo_falloff, demo_head
from emogene.reference.grids import encode_grid, read_nodes, spherical_harmonics
from emogene.reference.head_field import HeadField, HeadFieldConfig

from .fields import small_head


def inputs(frames: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    windows = torch.randn(frames, 3, 204, generator=generator)
    landmarks = torch.rand(frames, 68, 3, generator=generator) * 1.4 - 0.7
    x = torch.rand(30, 3, generator=generator) * 2.2 - 1.1
    directions = torch.nn.functional.normalize(torch.randn(30, 3, generator=generator), dim=1)
    return windows, landmarks, x, directions


def test_evaluation_is_the_contracts_four_steps() -> None:
    head = small_head("sample")
    windows, landmarks, x, directions = inputs(1)
    condition = head.frame(windows, landmarks)
    colour, density = head(x, directions, condition)

    assert condition.displacement is not None
    moved = read_nodes(condition.displacement, (x + 1) / 2)
    skin = encode_grid(head.spec.grids[0], head.skin.table, (x - moved + 1) / 2)
    inner = encode_grid(head.spec.grids[1], head.inner.table, (x + 1) / 2)
    features = torch.cat((skin, inner, 4 * moved), dim=1)
    code = head.condition.encoder(windows.flatten(1))
    t = head.state_dict()
    first = features @ t["density.0.weight"].T + head.condition.biases["density"](code)
    raw = first.clamp(min=0) @ t["density.1.weight"].T + t["density.1.bias"]
    torch.testing.assert_close(density, (raw[:, 0] + 1).exp())
    h = torch.cat((spherical_harmonics(directions, 3), raw[:, 1:]), dim=1)
    h = (h @ t["colour.0.weight"].T + head.condition.biases["colour"](code)).clamp(min=0)
    h = (h @ t["colour.1.weight"].T + t["colour.1.bias"]).clamp(min=0)
    expected = torch.sigmoid(h @ t["colour.2.weight"].T + t["colour.2.bias"])
    torch.testing.assert_close(colour, expected)


def test_colour_once_a_ray_is_given_the_mean_geometry() -> None:
    head = small_head()
    windows, landmarks, _, directions = inputs(1)
    condition = head.frame(windows, landmarks)
    geometry, opacity = torch.randn(30, 5), torch.rand(30)
    surface = torch.randn(30, 6)
    got = head.ray_colour(directions, geometry, opacity, condition, surface=surface)
    mean = geometry / (opacity + 1e-3)[:, None]
    torch.testing.assert_close(
        got, opacity[:, None] * head.sample_colour(directions, mean, condition, surface=surface)
    )


def test_samples_of_several_frames_equal_each_frame_alone() -> None:
    head = small_head("sample")
    windows, landmarks, x, directions = inputs(3)
    frames = torch.arange(30) % 3
    colour, density = head(x, directions, head.frame(windows, landmarks), frames)
    for f in range(3):
        own = frames == f
        alone = head.frame(windows[f : f + 1], landmarks[f : f + 1])
        expected = head(x[own], directions[own], alone)
        torch.testing.assert_close((colour[own], density[own]), expected)


def test_landmarks_at_rest_leave_the_skin_where_it_is() -> None:
    head = small_head()
    windows, _, x, _ = inputs(1)
    condition = head.frame(windows, head.displacement.rest[None])
    features = head.sample_features(x, condition)
    torch.testing.assert_close(
        features[:, :4], encode_grid(head.spec.grids[0], head.skin.table, (x + 1) / 2)
    )
    assert torch.equal(features[:, 8:], torch.zeros(30, 3))


def test_density_is_clipped_before_the_exponential() -> None:
    head = small_head("sample")
    windows, landmarks, x, directions = inputs(1)
    with torch.no_grad():
        head.get_submodule("density.1").bias[0] = 1e6
    _, density = head(x, directions, head.frame(windows, landmarks))
    torch.testing.assert_close(density, torch.full((30,), 15.0).exp())


def test_gradients_reach_every_parameter() -> None:
    head = small_head("sample").train()
    windows, landmarks, x, directions = inputs(2)
    colour, density = head(x, directions, head.frame(windows, landmarks), torch.arange(30) % 2)
    (colour.sum() + density.log().sum()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in head.parameters())


def test_another_encoder_may_take_the_grids_place() -> None:
    calls = []

    def counting(spec, table, coordinates):  # type: ignore[no-untyped-def]
        calls.append(spec.name)
        return encode_grid(spec, table, coordinates)

    head = HeadField(small_head().config, encode=counting)
    windows, landmarks, x, _ = inputs(1)
    head.sample_features(x, head.frame(windows, landmarks))
    assert calls == ["skin", "inner"]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"density": MlpSpec("density", 99, (4,), 6)}, "density network with 11 inputs, it has 99"),
        ({"colour": MlpSpec("density", 14, (4,), 3)}, "names of grids and networks must differ"),
        ({"displacement": None}, "has no displacement"),
        ({"ambient": MlpSpec("ambient", 4, (4,), 3)}, "come together"),
    ],
)
def test_refuses_parts_that_do_not_fit(change: dict[str, object], message: str) -> None:
    config = small_head().config
    with pytest.raises(ValueError, match=message):
        HeadField(HeadFieldConfig(replace(config.field, **change), config.condition))  # type: ignore[arg-type]


def test_the_demo_field_is_as_small_as_it_says() -> None:
    field = demo_head().field
    assert field.density.multiply_adds == 17 * 32 + 32 * 9 == 832
    assert field.colour.multiply_adds == 45 * 56 + 56 * 56 + 56 * 3 == 5824
    parameters = sum(p.numel() for p in HeadField(demo_head()).parameters())
    assert 2 * parameters < 3.6e6  # bytes as float16
    falloff = demo_falloff()
    assert falloff.shape == (68,) and falloff[40] == pytest.approx(1 / (2 * 0.055**2))
