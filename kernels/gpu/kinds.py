"""The ways a frame is painted on a GPU, in the order they are taken."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from .device_field import DeviceField
from .fused import FLOAT32, FUSED, TensorField
from .plain import PLAIN, PlainField
from .wavefront import WAVEFRONT, WavefrontField

# A picture that is wrong is noticed when an avatar is opened, a launch that never ends is not: the
# kernels whose loops are bounded stand before those that wait for a queue, until `benchmarks.gpu`
# has seen these end on a GPU.
KINDS: dict[str, Callable[..., DeviceField]] = {
    PLAIN: PlainField,
    WAVEFRONT: WavefrontField,
    FUSED: TensorField,
    f"{FUSED}-{FLOAT32}": partial(TensorField, tables=FLOAT32),
}
"""By name. Where one cannot be used or paints another picture, the next is."""
