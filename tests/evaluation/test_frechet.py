"""Fréchet distances against closed forms, SciPy and torchmetrics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.linalg import sqrtm
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from emogene.contract.errors import BadInput
from emogene.evaluation.fid import INPUT, InceptionDistance
from emogene.evaluation.frechet import dct_features, frechet_distance

from .test_images import picture


def normal(seed: int, mean: float, deviation: float, rows: int = 40_000) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(mean, deviation, (rows, 1))


def test_distance_of_two_normals_on_a_line() -> None:
    found = frechet_distance(normal(0, 0.0, 1.0), normal(1, 3.0, 2.0))
    assert found == pytest.approx(3.0**2 + (1.0 - 2.0) ** 2, rel=0.02)


def test_distance_of_features_and_themselves_is_zero() -> None:
    features = np.random.default_rng(0).normal(size=(50, 60))  # fewer rows than columns
    assert frechet_distance(features, features) == pytest.approx(0.0, abs=1e-6)
    assert frechet_distance(features, features + 2.0) == pytest.approx(4.0 * 60, rel=1e-6)


def test_distance_is_that_of_scipys_matrix_root() -> None:
    rng = np.random.default_rng(2)
    a = rng.normal(size=(300, 7)) @ rng.normal(size=(7, 7))
    b = rng.normal(size=(200, 7)) @ rng.normal(size=(7, 7)) + 0.5
    one, two = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    mixed = np.trace(sqrtm(one @ two).real)
    expected = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(one) + np.trace(two) - 2 * mixed
    assert frechet_distance(a, b) == pytest.approx(expected)


def test_too_few_features_are_refused() -> None:
    with pytest.raises(BadInput, match="at least two rows"):
        frechet_distance(np.zeros((1, 3)), np.zeros((5, 3)))


def test_first_cosine_coefficient_is_the_mean_luma() -> None:
    grey = np.full((100, 80, 3), 51, np.uint8)
    (features,) = dct_features([grey])
    assert features.shape == (64,)
    assert features[0] == pytest.approx(0.2)
    assert np.abs(features[1:]).max() < 1e-12


class StandIn(nn.Module):
    """In Inception's place: means of the nine ninths of the picture."""

    def forward(self, pixels: Tensor, return_features: bool = False) -> Tensor:
        means = nn.functional.adaptive_avg_pool2d(pixels.float() / 255, 3)
        return means if return_features else means[:, :, :1]


def test_fid_is_torchmetrics_on_the_users_network(tmp_path: Path) -> None:
    path = tmp_path / "inception.pt"
    torch.jit.script(StandIn()).save(str(path))
    real = [picture(seed, INPUT, INPUT) for seed in range(6)]
    made = [picture(seed + 20, INPUT, INPUT) for seed in range(6)]
    ours = InceptionDistance(path)
    ours.add(real, real=True)
    ours.add(made, real=False)

    def features(pictures: list[NDArray[np.uint8]]) -> NDArray[np.float64]:
        batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
        return StandIn()(batch, True).flatten(1).double().numpy()

    expected = frechet_distance(features(real), features(made))
    assert ours.value() == pytest.approx(expected, rel=1e-3)

    class Flat(nn.Module):
        def forward(self, pixels: Tensor) -> Tensor:
            return StandIn()(pixels, True).flatten(1)

    theirs = FrechetInceptionDistance(feature=Flat())
    for flag, pictures in ((True, real), (False, made)):
        theirs.update(torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2), real=flag)
    assert ours.value() == pytest.approx(float(theirs.compute()), rel=1e-5)


@pytest.mark.parametrize("content", [None, b"", b"no network"])
def test_what_is_no_network_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "inception.pt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=r"inception\.pt: expected a TorchScript network"):
        InceptionDistance(path)
