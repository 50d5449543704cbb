"""A whole frame on a GPU by tensor cores: `DeviceField` by other kernels.

Networks are evaluated for 32 samples at a time in halves with float32 sums, their weights in shared
memory; persistent warps take rays from a queue.
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
from .fused_plan import FusedPlan, KernelPlan, fused_plan, fused_specification, pack_layer
from .programs import Program, Shipped
from .protocol import Gpu
from .sources import read_unit
from .specification import channels

FUSED = "fused"


class _Memory(ctypes.Structure):
    """``FusedMemory``."""

    _fields_ = (("fragments", ctypes.c_void_p), ("gathered", ctypes.c_void_p))


def fused_program(field: FieldSpec, torso: TorsoSpec | None, architecture: str) -> Program:
    """The kernels, specialised on the fields and on the architecture's shared memory.

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
        blocks: of a launch; None fills the GPU once.
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
        self._blocks = blocks
        super().__init__(gpu, field, weights, torso, shipped=shipped, cache=cache)

    def _program(self) -> Program:
        architecture = self.gpu.facts.architecture
        self._layout = fused_plan(self._field, self._torso, architecture)
        return fused_program(self._field, self._torso, architecture)

    def _find_kernels(self) -> None:
        self._gather = self._persistent("gather_rays", self._layout.gather)
        self._finish = self._persistent("finish_pixels", self._layout.finish)

    def _persistent(self, name: str, plan: KernelPlan) -> tuple[int, int, KernelPlan]:
        """A kernel and as many blocks as the GPU holds at a time."""
        gpu, function = self.gpu, self.gpu.function(self._module, name)
        gpu.allow_shared_memory(function, plan.shared_bytes)
        held = gpu.resident_blocks(function, plan.threads, plan.shared_bytes)
        return function, self._blocks or max(1, held) * gpu.facts.multiprocessors, plan

    def _upload_more(self, weights: Mapping[str, NDArray[Any]]) -> list[DeviceArray]:
        packed = pack_fragments(self._layout, weights)
        self._fragments = allocate(self.gpu, packed.shape, packed.dtype, self._stream, packed)
        self.gpu.synchronise(self._stream)  # the array may go
        return [self._fragments]

    def _scratch(self, size: int) -> int:
        return 4 * size * size * (1 + channels(self._field))

    def _paint_frame(self, plan: FramePlan, stream: int) -> None:
        assert plan.scratch is not None
        memory = _Memory(self._fragments.address, plan.scratch.address)
        frame = ctypes.c_void_p(plan.frame.address)
        arguments = (self._model, frame, plan.structure, memory)
        for function, blocks, kernel in (self._gather, self._finish):
            shape = ((blocks, 1, 1), (kernel.threads, 1, 1))
            self.gpu.launch(function, *shape, arguments, kernel.shared_bytes, stream)
