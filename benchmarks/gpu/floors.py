"""The least time a frame can take on a GPU: counted work over what was measured of that GPU.

Three limits work at the same time, so the floor is the largest:

* operations: networks' products over the tensor cores' rate, and interpolation over fp32's;
* loads: grid entries (two neighbours in eight bytes) over the rate of random loads;
* bytes: what must come from memory once (tables, networks, occupancy, background) and what must go
  there (the picture), over the copying bandwidth.

Marching, compositing, activations, launches and the networks' inputs and outputs are not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from emogene.contract.field import FieldSpec, TorsoSpec

from ..roofline import FrameCounts, frame_work
from .peaks import GpuPeaks

HALF = 2
"""Bytes of a table's and a network's number."""


@dataclass(frozen=True)
class Floors:
    """Milliseconds a frame; see the module's text."""

    operations: float
    loads: float
    bytes: float

    @property
    def most(self) -> float:
        """The floor."""
        return max(self.operations, self.loads, self.bytes)


def floors(
    field: FieldSpec,
    torso: TorsoSpec,
    weights: Mapping[str, NDArray[Any]],
    counts: FrameCounts,
    size: int,
    peaks: GpuPeaks,
) -> Floors:
    """Of one picture of ``size``² pixels."""
    work = frame_work(field, torso, counts)
    operations = 2 * work.network / peaks.fp16_gflops + 2 * work.reading / peaks.fp32_gflops
    numbers = sum(w.size for w in weights.values() if w.dtype.kind == "f")
    bits = sum(w.nbytes for w in weights.values() if w.dtype.kind == "u")
    moved = HALF * numbers + bits + 2 * 3 * size * size
    return Floors(
        1e-6 * operations, 1e-6 * work.loads / peaks.gloads, 1e-6 * moved / peaks.memory_gbs
    )
