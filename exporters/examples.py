"""Inputs for a stage, made anew from its name and a length, the same on every machine.

They come from SHAKE-256, integer arithmetic and exact float64 sums, so no library version and no
processor changes a bit of them: a directory can keep expected outputs and leave the inputs out.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..contract.emotions import EMOTIONS
from ..contract.stages import Signature
from ..contract.tensors import TensorSpec
from ..contract.units import FIRST_PITCH_BIN, LAST_PITCH_BIN
from .shapes import resolved, symbols

LENGTHS: dict[str, tuple[int, ...]] = {
    "samples": (400, 6_653, 16_000),
    "latents": (1, 7, 26),
    "frames": (1, 13, 100),
    "points": (1, 777, 4_096),
    "pixels": (1, 777, 4_096),
    "side": (2, 13, 32),
}
"""Lengths at which a stage is compared: the shortest there is, an odd one, one of real size."""

TRACED: dict[str, int] = {
    "samples": 4_080,
    "latents": 3,
    "frames": 11,
    "points": 6,
    "pixels": 6,
    "side": 10,
}
"""Length a stage is traced at: none of `LENGTHS`, so a baked-in length shows at all of them."""

_OUTLIER_EVERY, _OUTLIER_FACTOR = 97, 8.0


def varying_symbol(signature: Signature) -> str:
    """The one symbol in the inputs of a stage."""
    (symbol,) = symbols(signature.inputs)
    return symbol


def example_inputs(stage: str, signature: Signature, length: int) -> dict[str, NDArray[np.generic]]:
    """Inputs of ``stage`` with its varying dimension at ``length``, by name.

    Integers fill their whole range (pitch bins 1…255, emotions 0…7); positions lie in [-1, 1] and
    pictures in [0, 1]; everything else is near a standard normal with an outlier of eight times the
    size here and there, because tame inputs prove little.
    """
    symbol = varying_symbol(signature)
    return {
        spec.name: _tensor(f"{stage}/{length}/{spec.name}", spec, symbol, length)
        for spec in signature.inputs
    }


def _tensor(key: str, spec: TensorSpec, symbol: str, length: int) -> NDArray[np.generic]:
    shape = resolved(spec.shape, symbol, length)
    count = int(np.prod(shape))
    made: NDArray[Any]
    if spec.name == "pitch_bins":
        made = FIRST_PITCH_BIN + _integers(key, count, LAST_PITCH_BIN - FIRST_PITCH_BIN + 1)
    elif spec.name == "emotion":
        made = _integers(key, count, len(EMOTIONS))
    elif spec.name == "position":
        made = 2.0 * _uniform(key, count) - 1.0
    elif spec.name == "picture":
        made = _uniform(key, count)
    else:
        # Twelve uniform numbers have variance 1; their sum is exact, unlike a logarithm's last bit.
        made = _uniform(key, 12 * count).reshape(12, count).sum(0) - 6.0
        made[::_OUTLIER_EVERY] *= _OUTLIER_FACTOR if count > _OUTLIER_EVERY else 1.0
    return made.astype(spec.dtype).reshape(shape)


def _bits(key: str, count: int) -> NDArray[np.uint16]:
    return np.frombuffer(hashlib.shake_256(key.encode()).digest(2 * count), "<u2")


def _integers(key: str, count: int, bound: int) -> NDArray[np.int64]:
    return (_bits(key, count).astype(np.int64) * bound) >> 16


def _uniform(key: str, count: int) -> NDArray[np.float64]:
    return (_bits(key, count).astype(np.float64) + 0.5) / 65_536.0
