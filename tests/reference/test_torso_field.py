"""The torso field (Eq. 8): its evaluation step by step, the mask, batches, gradients."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from emogene.contract.field import MlpSpec
from emogene.reference.grids import encode_frequencies, encode_grid
from emogene.reference.tiny import tiny
from emogene.reference.torso_field import TorsoField, TorsoFieldConfig, pixel_coordinates


def biases_of(torso: TorsoField, frames: int = 1) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    pose = torch.randn(frames, 12, generator=generator)
    return torso.condition(pose, torch.randn(frames, 204, generator=generator))


def test_evaluation_is_the_contracts_four_steps() -> None:
    torso = tiny().torso
    pixels, head = torch.rand(40, 2) * 2 - 1, torch.rand(40, 4)
    biases = biases_of(torso)
    q = encode_frequencies(pixels, torso.spec.octaves)
    t = torso.state_dict()
    h = (q @ t["torso_deform.0.weight"].T + biases["torso_deform_bias"]).clamp(min=0)
    offset = 0.1 * torch.tanh(h @ t["torso_deform.1.weight"].T + t["torso_deform.1.bias"])
    features = encode_grid(torso.spec.grid, t["torso.table"], (pixels + offset + 1) / 2)
    h = torch.cat((features, q, head), dim=1)
    h = (h @ t["torso_colour.0.weight"].T + biases["torso_colour_bias"]).clamp(min=0)
    expected = torch.sigmoid(h @ t["torso_colour.1.weight"].T + t["torso_colour.1.bias"])
    torch.testing.assert_close(torso(pixels, head, biases), expected)


def test_pixels_of_several_frames_equal_each_frame_alone() -> None:
    torso = tiny().torso
    pixels, head = torch.rand(20, 2) * 2 - 1, torch.rand(20, 4)
    biases, frames = biases_of(torso, 2), torch.arange(20) % 2
    got = torso(pixels, head, biases, frames)
    for f in range(2):
        alone = {name: value[f : f + 1] for name, value in biases.items()}
        own = frames == f
        torch.testing.assert_close(got[own], torso(pixels[own], head[own], alone))


def test_pose_and_landmarks_are_standardised() -> None:
    torso = tiny().torso
    pose, landmarks = torch.randn(1, 12), torch.randn(1, 204)
    before = torso.condition(pose, landmarks)
    torso.condition.pose_mean += 1
    torso.condition.landmark_mean -= 2
    after = torso.condition(pose + 1, landmarks - 2)
    torch.testing.assert_close(after, before)


def test_pixel_centres_and_mask() -> None:
    torso = tiny().torso
    expected = torch.tensor([[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]])
    assert torch.equal(pixel_coordinates(2), expected)
    there = torso.masked(pixel_coordinates(32)).view(32, 32)
    assert not there[:23].any() and there[28, 16] and not there[23, 0]
    assert torch.equal(torso.masked(pixel_coordinates(64)).view(64, 64)[::2, ::2], there)


def test_gradients_reach_every_parameter() -> None:
    torso = tiny().torso
    torso(torch.rand(200, 2) * 2 - 1, torch.rand(200, 4), biases_of(torso)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in torso.parameters())


def test_refuses_networks_that_do_not_fit() -> None:
    config = tiny().torso.config
    wrong = replace(config.torso, colour=MlpSpec("torso_colour", 7, (4,), 4))
    with pytest.raises(ValueError, match="'torso_colour' is 7 → 4, the torso needs 20 → 4"):
        TorsoField(TorsoFieldConfig(wrong))
