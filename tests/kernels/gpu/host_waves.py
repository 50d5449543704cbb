"""The memory of a frame in rounds on the host, poisoned, and its kernels one by one."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np

from emogene.kernels.gpu.field_memory import Model, model_arrays
from emogene.kernels.gpu.frame_inputs import frame_values
from emogene.kernels.gpu.frame_plan import PictureStructure
from emogene.kernels.gpu.wavefront_launches import SCAN_THREADS, THREADS
from emogene.kernels.gpu.wavefront_memory import WaveChunk, WaveCounts, wave_layout

from ..fused_scenes import Scene
from .host_kernels import wavefront_kernels

POISON = 0xFF
"""Bytes of NaN, and of whole numbers that are no index."""

_WHOLE = ("counts", "cursors", "taken", "live", "marks", "places", "tiles", "chosen", "slots")


class Waves:
    """Kernels of a scene on memory of this machine.

    Attributes:
        rays: of a whole chunk; ``rows`` samples fit a round.
        arrays: flat views by name, float32 or int32.
        frame: the frame's inputs, which may be spoilt.
    """

    def __init__(self, scene: Scene, rays: int, folder: Path, threshold: float = 0.0) -> None:
        field, torso = scene.field, scene.torso
        self.scene, self.rays, self.threshold = scene, rays, threshold
        self._kernels = wavefront_kernels(field, torso, folder)
        self._held = model_arrays(field, scene.weights, torso)
        self.model = Model(*(array.ctypes.data for array in self._held))
        self.frame = frame_values(field, torso, scene.inputs, threshold, threshold).reshape(1)
        layout = wave_layout(field, torso, rays)
        self.rows, self._layout = layout.rows, layout
        memory = np.full(layout.size, POISON, np.uint8)
        self._held.append(memory)
        self.memory = layout.memory(memory.ctypes.data)
        ends = [*sorted(layout.places.values()), layout.size]
        self.arrays: dict[str, Any] = {}
        for name, at in layout.places.items():
            part = memory[at : ends[ends.index(at) + 1]]
            self.arrays[name] = part.view(np.int32 if name in _WHOLE else np.float32)
        self.counts = WaveCounts.from_address(memory.ctypes.data + layout.places["counts"])
        self.totals = np.zeros(2, np.uint64)
        size = scene.inputs.camera.size
        self.image = np.full((size, size, 3), POISON, np.uint8)
        self.head = np.full((size, size, 4), np.nan, np.float32)

    @property
    def picture(self) -> PictureStructure:
        """Where image and head go."""
        there = (self.scene.background, self.image, self.head, self.totals)
        return PictureStructure(*(array.ctypes.data for array in there))

    @property
    def at_frame(self) -> ctypes.c_void_p:
        return ctypes.c_void_p(self.frame.ctypes.data)

    def chunk(self, first: int = 0, rays: int | None = None) -> WaveChunk:
        return WaveChunk(first, self.rays if rays is None else rays)

    def run(self, kernel: str, *arguments: Any, blocks: int = 3, shared: int = 0) -> None:
        """A launch; whole numbers stand for ``int32_t``."""
        given = [ctypes.c_int32(a) if isinstance(a, int) else a for a in arguments]
        threads = SCAN_THREADS if kernel == "scan_tiles" else THREADS
        self._kernels[kernel]((blocks, 1, 1), (threads, 1, 1), shared, _packed(given))

    def bake(self) -> None:
        displacement = self.scene.field.displacement
        if displacement is not None:
            blocks = -(-int(np.prod(displacement.resolution)) // THREADS)
            self.run("bake_nodes", self.model, self.at_frame, blocks=blocks)

    def scan(self, counted: int, turn: int = 0, rays: int | None = None) -> None:
        rays = self.rays if rays is None else rays
        arguments = (self.memory, counted, turn, rays)
        self.run("scan_tiles", *arguments, blocks=1, shared=4 * SCAN_THREADS)

    def network(self, role: str, count: str, given: str, to: str) -> None:
        where = self._layout.count(self._held[-1].ctypes.data, count)
        places = (where, getattr(self.memory, given), getattr(self.memory, to))
        self.run(f"run_{role}", self.model, self.at_frame, *map(ctypes.c_void_p, places))

    def mark(self, numbers: np.ndarray) -> None:
        """Marks of items and the sums of every 32 of them, as a kernel leaves them."""
        self.arrays["marks"][: len(numbers)] = numbers
        tiles = -(-len(numbers) // 32)
        padded = np.zeros(32 * tiles, np.int32)
        padded[: len(numbers)] = numbers
        self.arrays["tiles"][:tiles] = padded.reshape(tiles, 32).sum(axis=1)

    def poisoned(self, name: str, start: int) -> bool:
        """Whether nobody wrote behind a place."""
        return bool((self.arrays[name][start:].view(np.uint8) == POISON).all())


def _packed(arguments: list[Any]) -> bytes:
    """Arguments as they lie in a launch's parameters."""
    made = bytearray()
    for argument in arguments:
        made += bytes(-len(made) % ctypes.alignment(argument))
        made += bytes(argument)
    return bytes(made)
