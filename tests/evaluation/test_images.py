"""Picture measures against known answers and against scikit-image and torchmetrics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import structural_similarity_index_measure

from emogene.contract.errors import BadInput
from emogene.contract.measure import psnr
from emogene.evaluation.images import flicker, ssim


def picture(seed: int, height: int = 48, width: int = 40) -> NDArray[np.uint8]:
    """Smooth colours with edges and grain."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:height, :width]
    waves = [np.sin(row * a + column * b) for a, b in rng.uniform(-0.4, 0.4, (3, 2))]
    smooth = 128 + 80 * np.stack(waves, -1)
    smooth[height // 3 : height // 2, 5:20] -= 60
    return np.clip(smooth + rng.normal(0, 6, smooth.shape), 0, 255).astype(np.uint8)


def test_psnr_of_a_constant_offset() -> None:
    image = np.full((20, 20, 3), 100, np.uint8)
    assert psnr(image + 5, image) == pytest.approx(20 * np.log10(255 / 5))


def test_psnr_is_scikit_images() -> None:
    a, b = picture(0), picture(1)
    assert psnr(a, b) == pytest.approx(peak_signal_noise_ratio(b, a))


def test_ssim_of_a_picture_and_itself_is_one() -> None:
    assert ssim(picture(0), picture(0)) == pytest.approx(1.0)


def test_ssim_of_two_flat_pictures_is_their_luminance_term() -> None:
    a, b = np.full((16, 16, 3), 100, np.uint8), np.full((16, 16, 3), 150, np.uint8)
    c1 = (0.01 * 255) ** 2
    expected = (2 * 100 * 150 + c1) / (100**2 + 150**2 + c1)
    assert ssim(a, b) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("noise", [2.0, 25.0])
def test_ssim_is_scikit_images_and_torchmetrics(seed: int, noise: float) -> None:
    a = picture(seed)
    grain = np.random.default_rng(seed + 9).normal(0, noise, a.shape)
    b = np.clip(a + grain, 0, 255).astype(np.uint8)
    theirs = structural_similarity(
        a,
        b,
        data_range=255,
        channel_axis=-1,
        gaussian_weights=True,
        use_sample_covariance=False,
        sigma=1.5,
    )
    assert ssim(a, b) == pytest.approx(theirs, abs=1e-9)
    batches = (torch.from_numpy(x.astype(np.float64)).permute(2, 0, 1)[None] for x in (a, b))
    # torchmetrics' mean takes in the borders, where it mirrors the picture.
    _, everywhere = structural_similarity_index_measure(
        *batches, data_range=255.0, sigma=1.5, return_full_image=True
    )
    assert ssim(a, b) == pytest.approx(float(everywhere[..., 5:-5, 5:-5].mean()), abs=1e-6)


def test_pictures_of_different_sizes_are_refused() -> None:
    with pytest.raises(BadInput, match="40 × 48 and 40 × 30"):
        ssim(picture(0), picture(0, height=30))
    with pytest.raises(BadInput, match="at least 11"):
        ssim(picture(0, 8, 8), picture(0, 8, 8))


def test_flicker_sees_trembling_where_the_reference_stands_still() -> None:
    still = np.minimum(picture(0), 200)
    found = flicker([still, still + 4, still], [still] * 3)
    assert found == pytest.approx((8.0, 0.0))  # |0 - 2 · 4 + 0|


def test_flicker_leaves_out_what_moves() -> None:
    a, b = np.zeros((12, 12, 3), np.uint8), np.full((12, 12, 3), 9, np.uint8)
    assert flicker([a, b, a], [a, b, a]) is None
    b[:6] = 0
    assert flicker([a, b, a], [a, b, a]) == (0.0, 0.0)
