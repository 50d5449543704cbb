"""The ways a frame is painted on a GPU, the fastest first."""

from __future__ import annotations

from .fused import FUSED, TensorField
from .plain import PLAIN, PlainField

KINDS: dict[str, type[PlainField]] = {FUSED: TensorField, PLAIN: PlainField}
"""By name. Where one cannot be used or paints another picture, the next is."""
