"""A whole frame on a GPU by tensor cores: `DeviceField` by other kernels.

Networks are evaluated for 32 samples at a time in halves with float32 sums, their weights in shared
memory; persistent warps take rays from a queue. A frame is one launch.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...contract.field import FieldSpec, TorsoSpec
from .arrays import DeviceArray, allocate
from .cubin_cache import CubinCache
from .device_field import DeviceField
from .evaluation import specification
from .frame_plan import FramePlan
from .fused_plan import FusedPlan, fused_plan, fused_specification, pack_layer
from .programs import Program, Shipped
from .protocol import Gpu
from .sources import read_unit
from .specification import channels

FUSED = "fused"

_COUNTERS = 7 * 128
"""Bytes of ``FusedCounters``."""


class _Memory(ctypes.Structure):
    """``FusedMemory``."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in ("fragments", "counters", "gathered"))


def fused_program(field: FieldSpec, torso: TorsoSpec | None, architecture: str) -> Program:
    """The kernel, specialised on the fields and on the architecture's shared memory.

    Raises:
        BadOption: its shared memory is too small.
    """
    headers = {
        **specification(field, torso),
        **fused_specification(field, torso, architecture),
    }
    return Program(FUSED, read_unit("fused.cu", headers))


def pack_fragments(plan: FusedPlan, weights: Mapping[str, NDArray[Any]]) -> NDArray[np.uint32]:
    """Every layer's weights in the plan's order.

    Raises:
        BadOption: a weight is beyond a half's range.
    """
    return np.concatenate(
        [
            pack_layer(
                np.asarray(weights[f"{layer.network.name}.{layer.index}.weight"], np.float32), layer
            )
            for layer in plan.layers
        ]
    )


class TensorField(DeviceField):
    """The fields of one avatar in a GPU's memory, evaluated by tensor cores.

    Args:
        blocks: of the launch; None fills the GPU once.
    """

    def __init__(
        self,
        gpu: Gpu,
        field: FieldSpec,
        weights: Mapping[str, NDArray[Any]],
        torso: TorsoSpec | None = None,
        *,
        shipped: Shipped | None = None,
        cache: CubinCache | None = None,
        blocks: int | None = None,
    ) -> None:
        self._asked = blocks
        super().__init__(gpu, field, weights, torso, shipped=shipped, cache=cache)

    def _program(self) -> Program:
        architecture = self.gpu.facts.architecture
        self._layout = fused_plan(self._field, self._torso, architecture)
        return fused_program(self._field, self._torso, architecture)

    def _find_kernels(self) -> None:
        """The kernel, and as many blocks as the GPU holds at a time."""
        gpu, plan = self.gpu, self._layout
        self._paint = gpu.function(self._module, "paint_frame")
        gpu.allow_shared_memory(self._paint, plan.shared_bytes)
        held = gpu.resident_blocks(self._paint, plan.threads, plan.shared_bytes)
        self._blocks = self._asked or max(1, held) * gpu.facts.multiprocessors

    def _upload_more(self, weights: Mapping[str, NDArray[Any]]) -> list[DeviceArray]:
        packed = pack_fragments(self._layout, weights)
        self._fragments = allocate(self.gpu, packed.shape, packed.dtype, self._stream, packed)
        self.gpu.synchronise(self._stream)  # the array may go
        return [self._fragments]

    def _scratch(self, size: int) -> int:
        return _COUNTERS + 4 * size * size * (1 + channels(self._field))

    def _launches(self, plan: FramePlan, stream: int) -> None:
        self._paint_frame(plan, stream)  # which does everything

    def _paint_frame(self, plan: FramePlan, stream: int) -> None:
        assert plan.scratch is not None
        scratch = plan.scratch.address
        memory = _Memory(self._fragments.address, scratch, scratch + _COUNTERS)
        arguments = (self._model, ctypes.c_void_p(plan.frame.address), plan.structure, memory)
        grid, block = (self._blocks, 1, 1), (self._layout.threads, 1, 1)
        self.gpu.launch(self._paint, grid, block, arguments, self._layout.shared_bytes, stream)
