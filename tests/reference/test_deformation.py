"""Landmark deformation: published tensors, Eq. 2–4, an emotion for every frame."""

from __future__ import annotations

import torch

from emogene.reference.deformation import DeformationConfig, LandmarkDeformation

from .tables import published, random_tensors, shapes


def test_has_exactly_the_published_tensors() -> None:
    model = LandmarkDeformation(DeformationConfig())
    assert shapes(model) == published("deformation")
    assert sum(p.numel() for p in model.parameters()) == 174_924
    model.load_state_dict(random_tensors(published("deformation")))


def test_equals_the_formula() -> None:
    """``FC(ReLU(FC(ReLU(FC(x)))))``, written out."""
    model = LandmarkDeformation(DeformationConfig())
    neutral, emotion = torch.randn(5, 204), torch.tensor([0, 7, 3, 3, 1])
    t = model.state_dict()
    x = torch.cat((neutral, t["emotion_embedding.weight"][emotion]), dim=1)
    for layer in (0, 2):
        x = (x @ t[f"regressor.{layer}.weight"].T + t[f"regressor.{layer}.bias"]).clamp(min=0)
    expected = x @ t["regressor.4.weight"].T + t["regressor.4.bias"]
    torch.testing.assert_close(model(neutral, emotion), expected)


def test_frames_are_independent_of_their_neighbours() -> None:
    model = LandmarkDeformation(DeformationConfig())
    neutral = torch.randn(1, 204).expand(3, -1)
    delta = model(neutral, torch.tensor([2, 4, 2]))
    torch.testing.assert_close(delta[0], delta[2])
    assert (delta[0] - delta[1]).abs().max() > 1e-3


def test_standardisation_is_an_affine_change_of_input_and_output() -> None:
    plain = LandmarkDeformation(DeformationConfig())
    model = LandmarkDeformation(DeformationConfig(standardised=True))
    model.load_state_dict(plain.state_dict(), strict=False)
    neutral, emotion = torch.randn(4, 204), torch.arange(4)
    torch.testing.assert_close(model(neutral, emotion), plain(neutral, emotion))
    model.mean.fill_(0.5)
    model.scale.fill_(0.1)
    model.delta_scale.fill_(3.0)
    expected = 3 * plain((neutral - 0.5) / 0.1, emotion)
    torch.testing.assert_close(model(neutral, emotion), expected)
