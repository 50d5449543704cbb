"""The ways a frame is painted on a GPU, in the order they are taken."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from .device_field import DeviceField
from .fused import FLOAT32, FUSED, TensorField
from .plain import PLAIN, PlainField

# A picture that is wrong is noticed when an avatar is opened, a launch that never ends is not: the
# faster kernels stand second until `benchmarks.gpu` has seen them end on a GPU.
KINDS: dict[str, Callable[..., DeviceField]] = {
    PLAIN: PlainField,
    FUSED: TensorField,
    f"{FUSED}, {FLOAT32} tables": partial(TensorField, tables=FLOAT32),
}
"""By name. Where one cannot be used or paints another picture, the next is."""
