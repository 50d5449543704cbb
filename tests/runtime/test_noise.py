"""Random numbers are a function of (seed, purpose, index)."""

from __future__ import annotations

import numpy as np
import pytest

from emogene.contract.errors import BadOption
from emogene.runtime.noise import Purpose, checked_seed, integer, latent_noise, normal, uniform


def test_any_part_of_the_noise_is_the_same_by_itself() -> None:
    whole = latent_noise(7, 0, 40, 16)
    assert whole.shape == (1, 16, 40) and whole.dtype == np.float32
    for first, count in ((0, 1), (13, 5), (39, 1), (20, 20)):
        np.testing.assert_array_equal(
            latent_noise(7, first, count, 16), whole[:, :, first : first + count]
        )
    assert latent_noise(7, 5, 0, 16).shape == (1, 16, 0)


def test_seed_purpose_and_index_all_matter() -> None:
    one = uniform(1, Purpose.LATENT, 3, 8)
    for other in ((2, Purpose.LATENT, 3), (1, Purpose.BLINK, 3), (1, Purpose.LATENT, 4)):
        assert not np.isin(one, uniform(*other, 8)).any()


def test_known_words() -> None:
    # Philox's raw words are what NumPy promises never to change; this pins our use of them.
    assert uniform(0, Purpose.LATENT, 0, 2).tolist() == pytest.approx(
        [0.6436367332217984, 0.06352798769864854], abs=0
    )


def test_distributions() -> None:
    drawn = normal(3, Purpose.LATENT, 0, 100_001)
    # The mean of n unit normals has a standard deviation of n^-1/2 = 0.003; five of them.
    assert len(drawn) == 100_001 and abs(drawn.mean()) < 0.016
    assert drawn.std() == pytest.approx(1, abs=0.016) and np.isfinite(drawn).all()
    whole = [integer(3, Purpose.IDLE, k, 2, 4) for k in range(300)]
    assert set(whole) == {2, 3, 4}
    assert integer(0, Purpose.IDLE, 0, 5, 5) == 5


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, "7", None])
def test_bad_seeds_are_refused(seed: object) -> None:
    with pytest.raises(BadOption, match="seed: expected a whole number"):
        checked_seed(seed)  # type: ignore[arg-type]
