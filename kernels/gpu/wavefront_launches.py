"""Which kernels a frame in rounds launches, one after the other."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ...contract.field import FieldSpec, TorsoSpec
from .field_memory import Model
from .frame_plan import FramePlan
from .protocol import Argument, Gpu
from .wavefront_memory import LEAST_EACH, WaveChunk, WaveLayout
from .wavefront_networks import BUFFERS, BoundRows, of_samples

THREADS = 128
SCAN_THREADS = 256
"""``kScanThreads``."""

BLOCKS_PER_MULTIPROCESSOR = 16
"""More threads than that would wait; they take another step of the grid instead."""

Arguments: TypeAlias = tuple[Argument, ...]

_ENTERING, _SAMPLES_TAKEN, _GOING_ON, _CHOSEN = range(4)
_P, _I32 = ctypes.c_void_p, ctypes.c_int32


@dataclass(frozen=True, eq=False)
class WaveKernels:
    """What is launched, on what.

    Attributes:
        gpu: which.
        functions: its kernels by name.
        model: where the avatar's tensors lie.
        field, torso: the avatar's.
        bound: networks of others, by role; without them our own kernel runs them.
    """

    gpu: Gpu
    functions: Mapping[str, int]
    model: Model
    field: FieldSpec
    torso: TorsoSpec | None
    bound: Mapping[str, BoundRows]


class ChunkLaunches:
    """The launches of one chunk of rays, in order."""

    def __init__(
        self,
        kernels: WaveKernels,
        plan: FramePlan,
        layout: WaveLayout,
        chunk: WaveChunk,
        stream: int,
    ) -> None:
        assert plan.scratch is not None
        self._of, self._layout, self._stream = kernels, layout, stream
        self._at = plan.scratch.address
        self._memory, self._chunk = layout.memory(self._at), chunk
        self._rays = _I32(chunk.rays)
        self._frame, self._picture = _P(plan.frame.address), plan.structure
        self._whole = plan.under is not None

    def paint(self) -> None:
        """Enqueue everything from the rays' start to their pixels."""
        spec, torso = self._of.field, self._of.torso
        rays, memory, frame = self._layout.rays, self._memory, self._frame
        self._items("start_rays", rays, frame, memory, self._chunk)
        self._scan(_ENTERING)
        self._choose(memory.live)
        rounds = -(-spec.march.max_samples // LEAST_EACH)
        for number in range(rounds):
            self._round(number % 2, last=number == rounds - 1)
        self._items("mark_hits", rays, memory, self._picture, self._rays)
        if spec.colour_at == "ray":
            self._scan(_CHOSEN)
            self._choose(memory.chosen)
            self._items("look_at_rays", rays, self._of.model, frame, memory)
            self._network("colour")
        self._items("put_heads", rays, self._of.model, frame, memory, self._picture, self._chunk)
        if torso is not None and self._whole:
            self._scan(_CHOSEN)
            self._choose(memory.chosen)
            self._items("place_torso", rays, self._of.model, frame, memory, self._chunk)
            self._network("torso_deform")
            self._items("look_at_torso", rays, self._of.model, memory)
            self._network("torso_colour")
        self._items("put_pixels", rays, frame, memory, self._picture, self._chunk)

    def _round(self, turn: int, *, last: bool) -> None:
        spec, model, memory = self._of.field, self._of.model, self._memory
        rays, rows = self._layout.rays, self._layout.rows
        which = _I32(turn)
        self._items("march_rays", rays, model, self._frame, memory, which)
        self._scan(_SAMPLES_TAKEN, turn)
        self._items("place_samples", rays, memory, which)
        self._items("encode_samples", rows, model, memory)
        if spec.ambient is not None:
            self._network("ambient")
            self._items("encode_ambient", rows, model, memory)
        self._network("density")
        if spec.colour_at == "sample":
            self._items("look_at_samples", rows, memory, which)
            self._network("colour")
        self._items("composite_samples", rays, self._frame, memory, which)
        if last:
            return
        self._scan(_GOING_ON, turn)
        source, to = (memory.live + 4 * rays * t for t in (turn, 1 - turn))
        self._choose(to, source, self._layout.count(self._at, "live", turn))

    def _scan(self, counted: int, turn: int = 0) -> None:
        arguments = (self._memory, _I32(counted), _I32(turn), self._rays)
        self._launch("scan_tiles", 1, SCAN_THREADS, arguments, 4 * SCAN_THREADS)

    def _choose(self, to: int, source: int | None = None, count: int | None = None) -> None:
        """Put marked items side by side: of so many, or of the whole chunk."""
        arguments = (self._memory, _P(count), self._rays, _P(source), _P(to))
        self._items("choose_items", self._layout.rays, *arguments)

    def _network(self, role: str) -> None:
        """Run a network on this round's samples, or on the rays that are chosen."""
        if role in self._of.bound:
            self._of.bound[role].run(self._stream)
            return
        of_round = of_samples(role, self._of.field)
        rows = self._layout.rows if of_round else self._layout.rays
        count = self._layout.count(self._at, "samples" if of_round else "chosen")
        given, to = (getattr(self._memory, name) for name in BUFFERS[role])
        self._items(f"run_{role}", rows, self._of.model, self._frame, _P(count), _P(given), _P(to))

    def _items(self, kernel: str, most: int, *arguments: Argument) -> None:
        """Launch a kernel for up to ``most`` items."""
        full = max(1, BLOCKS_PER_MULTIPROCESSOR * self._of.gpu.facts.multiprocessors)
        self._launch(kernel, min(-(-most // THREADS), full), THREADS, arguments)

    def _launch(
        self,
        kernel: str,
        blocks: int,
        threads: int,
        arguments: tuple[Argument, ...],
        shared: int = 0,
    ) -> None:
        function = self._of.functions[kernel]
        shape = ((blocks, 1, 1), (threads, 1, 1))
        self._of.gpu.launch(function, *shape, arguments, shared, self._stream)
