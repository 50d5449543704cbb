"""The ways a frame is painted on a GPU, in the order they are taken."""

from __future__ import annotations

from .device_field import DeviceField
from .fused import FUSED, TensorField
from .plain import PLAIN, PlainField

# A picture that is wrong is noticed when an avatar is opened, a launch that never ends is not: the
# faster kernels stand second until `benchmarks.gpu` has seen them end on a GPU.
KINDS: dict[str, type[DeviceField]] = {PLAIN: PlainField, FUSED: TensorField}
"""By name. Where one cannot be used or paints another picture, the next is."""
