"""A whole frame on a GPU by tensor cores: `DeviceField` by other kernels.

Networks are evaluated for 32 samples at a time in halves with float32 sums, their weights in shared
memory; persistent warps take rays from a queue. A frame is one launch.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from ...contract.errors import BadOption
from ...contract.field import FieldSpec, TorsoSpec
from .arrays import DeviceArray, allocate
from .cubin_cache import CubinCache
from .device_field import DeviceField
from .evaluation import specification
from .field_memory import joined_tables
from .frame_plan import FramePlan
from .fused_packing import pack_fragments, pack_tables
from .fused_plan import fused_plan, fused_specification
from .programs import Program, Shipped
from .protocol import Gpu
from .sources import read_unit
from .specification import channels, layout

FUSED = "fused"

FLOAT16, FLOAT32 = "float16", "float32"
TABLES = (FLOAT16, FLOAT32)
"""Numbers of the grids' tables in the GPU's memory. Halves are half the bytes; what they cost was
measured on the model of a GPU (docs/gpu.md)."""

SPILLS = 64
"""Bytes that the kernel may spill. Of networks as wide as the published ones NVRTC up to 13.0 keeps
two numbers in memory, 13.5 none; so few are not worth refusing to build."""

_COUNTERS = 7 * 128
"""Bytes of ``FusedCounters``."""


_POINTERS = ("fragments", "counters", "gathered", "tables")


class _Memory(ctypes.Structure):
    """``FusedMemory``."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in _POINTERS)


def fused_program(
    field: FieldSpec, torso: TorsoSpec | None, architecture: str, tables: str = FLOAT16
) -> Program:
    """The kernel, specialised on the fields and on the architecture's shared memory.

    Args:
        tables: one of `TABLES`.

    Raises:
        BadOption: its shared memory is too small.
    """
    headers = {
        **specification(field, torso, half_tables=tables == FLOAT16),
        **fused_specification(field, torso, architecture),
    }
    return Program(FUSED, read_unit("fused.cu", headers), spills=SPILLS)


class TensorField(DeviceField):
    """The fields of one avatar in a GPU's memory, evaluated by tensor cores.

    Args:
        tables: one of `TABLES`.
        blocks: of the launch; None fills the GPU once.

    Raises:
        BadOption: `tables` is none, or a number of a network or a table is beyond a half's range.
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
        tables: str = FLOAT16,
        blocks: int | None = None,
    ) -> None:
        if tables not in TABLES:
            raise BadOption("tables", expected=f"one of {', '.join(TABLES)}", found=repr(tables))
        self._asked, self._numbers = blocks, tables
        super().__init__(gpu, field, weights, torso, shipped=shipped, cache=cache)

    def _program(self) -> Program:
        architecture = self.gpu.facts.architecture
        self._layout = fused_plan(self._field, self._torso, architecture)
        return fused_program(self._field, self._torso, architecture, self._numbers)

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
        held, self._tables = [self._fragments], int(self._model.tables)
        if self._numbers == FLOAT16:
            places = layout(self._field, self._torso)
            halves = pack_tables(joined_tables(weights, places), places.tables)
            held.append(allocate(self.gpu, halves.shape, halves.dtype, self._stream, halves))
            self._tables = held[-1].address
        self.gpu.synchronise(self._stream)  # the arrays may go
        return held

    def _scratch(self, size: int) -> int:
        return _COUNTERS + 4 * size * size * (1 + channels(self._field))

    def _launches(self, plan: FramePlan, stream: int) -> None:
        self._paint_frame(plan, stream)  # which does everything

    def _paint_frame(self, plan: FramePlan, stream: int) -> None:
        assert plan.scratch is not None
        scratch = plan.scratch.address
        memory = _Memory(self._fragments.address, scratch, scratch + _COUNTERS, self._tables)
        arguments = (self._model, ctypes.c_void_p(plan.frame.address), plan.structure, memory)
        grid, block = (self._blocks, 1, 1), (self._layout.threads, 1, 1)
        self.gpu.launch(self._paint, grid, block, arguments, self._layout.shared_bytes, stream)
