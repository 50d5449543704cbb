"""A whole frame on a GPU by the plain kernels: a thread a pixel, everything in float32.

It takes every field the CPU's fused renderer takes, gives the same pictures to rounding, and is
what faster kernels are compared with on the GPU.
"""

from __future__ import annotations

import ctypes

from ...contract.field import FieldSpec, TorsoSpec
from .device_field import DeviceField
from .evaluation import specification
from .frame_plan import FramePlan
from .programs import Program
from .sources import read_unit

PLAIN = "plain"

_TILE = 8


def plain_program(
    field: FieldSpec, torso: TorsoSpec | None, *, half_tables: bool = False
) -> Program:
    """The kernels, specialised on the fields."""
    headers = specification(field, torso, half_tables=half_tables)
    return Program(PLAIN, read_unit("plain.cu", headers))


class PlainField(DeviceField):
    """The fields of one avatar in a GPU's memory, evaluated by a thread a pixel."""

    _takes_halves = True

    def _program(self) -> Program:
        return plain_program(self._field, self._torso, half_tables=self._half_tables)

    def _find_kernels(self) -> None:
        self._bake = self.gpu.function(self._module, "bake_nodes")
        self._paint = self.gpu.function(self._module, "paint_pixels")

    def _paint_frame(self, plan: FramePlan, stream: int) -> None:
        tiles, frame = -(-plan.size // _TILE), ctypes.c_void_p(plan.frame.address)
        arguments = (self._model, frame, plan.structure)
        self.gpu.launch(self._paint, (tiles, tiles, 1), (_TILE, _TILE, 1), arguments, 0, stream)
