"""Random numbers that are a function of (seed, purpose, index), never of the order of calls.

Philox is counter-based: any place of its stream can be computed by itself. Only its raw 64-bit
words are used, which NumPy promises never to change; the distributions are made here.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from ..contract.data import Float32
from ..contract.errors import BadOption

MAX_SEED = 2**63 - 1


class Purpose(IntEnum):
    """Each purpose draws from a stream of its own."""

    LATENT = 1
    BLINK = 2
    IDLE = 3


def checked_seed(seed: int) -> int:
    """``seed`` as an int in [0, 2⁶³); raises `BadOption` otherwise."""
    whole = isinstance(seed, (int, np.integer)) and not isinstance(seed, bool)
    if whole and 0 <= int(seed) <= MAX_SEED:
        return int(seed)
    raise BadOption("seed", expected="a whole number from 0 to 2^63 - 1", found=repr(seed))


def words(seed: int, purpose: Purpose, index: int, count: int) -> NDArray[np.uint64]:
    """(count,) random 64-bit words of place ``index``."""
    generator = np.random.Philox(
        key=np.array([seed, 0], np.uint64), counter=np.array([0, index, purpose, 0], np.uint64)
    )
    return np.asarray(generator.random_raw(count), np.uint64)


def uniform(seed: int, purpose: Purpose, index: int, count: int) -> NDArray[np.float64]:
    """(count,) float64 uniform in [0, 1)."""
    mantissa = words(seed, purpose, index, count) >> np.uint64(11)
    values: NDArray[np.float64] = mantissa.astype(np.float64) * 2.0**-53
    return values


def integer(seed: int, purpose: Purpose, index: int, low: int, high: int) -> int:
    """A whole number uniform in ``low … high``, both included."""
    return low + int(uniform(seed, purpose, index, 1)[0] * (high - low + 1))


def normal(seed: int, purpose: Purpose, index: int, count: int) -> Float32:
    """(count,) float32 from the unit normal distribution, after Box and Muller."""
    pairs = -(-count // 2)
    u = uniform(seed, purpose, index, 2 * pairs)
    radius = np.sqrt(-2.0 * np.log1p(-u[:pairs]))  # 1 - u lies in (0, 1]
    angle = 2.0 * np.pi * u[pairs:]
    both = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return both.reshape(-1)[:count].astype(np.float32)


def latent_noise(seed: int, first: int, count: int, width: int) -> Float32:
    """Noise of the audio-to-motion network.

    Args:
        first: absolute index of the first latent in the session.

    Returns:
        (1, width, count) float32; column k depends on (seed, first + k) alone.
    """
    columns = [normal(seed, Purpose.LATENT, first + k, width) for k in range(count)]
    return np.stack(columns, axis=1)[None] if columns else np.zeros((1, width, 0), np.float32)
