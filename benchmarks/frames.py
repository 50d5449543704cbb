"""The same frames by all: PyTorch, wavefront on ONNX Runtime, fused per instruction set."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emogene.contract import stages
from emogene.contract.measure import psnr
from emogene.contract.weights import BACKGROUND
from emogene.kernels import instructions
from emogene.kernels.fused import FusedField
from emogene.kernels.threads import ThreadPool
from emogene.reference.avatar import ReferenceAvatar
from emogene.reference.frame import render_frame
from emogene.runtime.avatar import Avatar
from emogene.runtime.loading import Loaded
from emogene.runtime.render.background import resized
from emogene.runtime.render.choice import FUSED, WAVEFRONT
from emogene.runtime.render.fused import FusedRenderer
from emogene.runtime.render.quality import BALANCED, EXACT, FAST, Quality
from emogene.runtime.render.renderer import Renderer

from .counting import CountingField, frame_counts
from .machine import Peaks
from .operations import floor_parts, frame_stages
from .recorded import Moment
from .roofline import AMX, FrameCounts, floor_ms, frame_work
from .timing import Timing, in_turns

REFERENCE = "PyTorch reference"
COMPARED = 3
"""Pictures that are compared with the reference's, which takes seconds for one."""

IDENTICAL = 99.0
"""Told as the PSNR of pictures that do not differ: JSON has no infinity."""

SLOW = (WAVEFRONT, "baseline")
"""Run a few times only, so that the others run often in the same time."""

EVERY_SAMPLE = Quality("every sample", 0.0)
"""No ray ends early: the samples that the reference takes."""


@dataclass(frozen=True)
class FrameRow:
    """One way to render the frames.

    Attributes:
        renderer: what painted, with its instruction set.
        quality: where rays end.
        size, threads: pixels; how many.
        time: of a picture.
        samples_per_ray: over rays that met the head; None of the reference.
        floor_ms: the least the frames' work could take; None but for the fused renderer.
        parts_ms: the same with all that is counted in `operations`, by part of the frame.
        psnr: dB against the reference, of all compared pictures together; None if not compared.
    """

    renderer: str
    quality: str
    size: int
    threads: int
    time: Timing
    samples_per_ray: float | None = None
    floor_ms: float | None = None
    parts_ms: Mapping[str, float] | None = None
    psnr: float | None = None


class Bench:
    """Renderers of one avatar at one size and number of threads, on recorded frames.

    Args:
        loaded: the avatar, its networks opened with as many threads.
        moments: what is rendered.
        peaks: measured with as many threads.
    """

    def __init__(
        self, loaded: Loaded, moments: Sequence[Moment], size: int, threads: int, peaks: Peaks
    ) -> None:
        self._loaded, self._moments, self._peaks = loaded, moments, peaks
        self._size, self._threads = size, threads
        self._pool = ThreadPool(threads)
        self._fields: dict[str, FusedField] = {}

    def measure(
        self,
        contenders: Sequence[tuple[str, Quality]],
        budget: float,
        reference: ReferenceAvatar | None = None,
    ) -> list[FrameRow]:
        """Render in turns for about ``budget`` seconds.

        Args:
            contenders: `WAVEFRONT` or an instruction set, and the quality.
            reference: is timed, and all are compared with it.
        """
        renderers = [self._renderer(name, quality) for name, quality in contenders]
        functions: dict[str, Callable[[], object]] = {
            f"{i}": self._next(renderer) for i, renderer in enumerate(renderers)
        }
        pictures: list[NDArray[np.uint8]] = []
        if reference is not None:
            functions[REFERENCE] = self._next_reference(reference, renderers[0])
            pictures = [self._referred(reference, renderers[0], m) for m in self._compared()]
        slow = [f"{i}" for i, (name, _) in enumerate(contenders) if name in SLOW]
        times = in_turns(functions, budget, slow=[*slow, REFERENCE])
        rows = [
            self._row(name, quality, renderer, times[f"{i}"], pictures)
            for i, ((name, quality), renderer) in enumerate(zip(contenders, renderers, strict=True))
        ]
        if reference is not None:
            told = REFERENCE, EVERY_SAMPLE.name, self._size, self._threads
            rows.insert(0, FrameRow(*told, times[REFERENCE]))
        return rows

    def head_ms(self, instruction_set: str, budget: float) -> Timing:
        """Time of the head without torso, background and the condition's networks."""
        noted = CountingField(self._field(instruction_set))
        renderer = self._fused(noted, BALANCED)
        for moment in self._moments:
            renderer.render(moment.condition, moment.pose)
        loaded = self._loaded
        head = FusedField(loaded.manifest.field, loaded.weights, instruction_set=instruction_set)
        each = itertools.cycle(noted.inputs)

        def run() -> None:
            head.render(next(each), transmittance=BALANCED.transmittance, pool=self._pool)

        try:
            return in_turns({"head": run}, budget)["head"]
        finally:
            head.close()

    def close(self) -> None:
        """Free fields and threads."""
        for field in self._fields.values():
            field.close()
        self._pool.close()

    def _compared(self) -> Sequence[Moment]:
        return self._moments[:: max(1, len(self._moments) // COMPARED)][:COMPARED]

    def _next(self, renderer: Renderer) -> Callable[[], object]:
        moments = itertools.cycle(self._moments)

        def run() -> object:
            moment = next(moments)
            return renderer.render(moment.condition, moment.pose)

        return run

    def _next_reference(self, reference: ReferenceAvatar, like: Renderer) -> Callable[[], object]:
        moments = itertools.cycle(self._compared())
        return lambda: self._referred(reference, like, next(moments))

    def _referred(
        self, reference: ReferenceAvatar, like: Renderer, moment: Moment
    ) -> NDArray[np.uint8]:
        torch.set_num_threads(self._threads)
        condition = moment.condition
        picture: NDArray[np.uint8] = render_frame(
            reference.head,
            reference.torso,
            like.camera,
            torch.from_numpy(np.array(moment.pose, np.float32)),
            torch.from_numpy(condition.windows[0]),
            torch.from_numpy(condition.landmarks[0]),
            torch.from_numpy(condition.torso[0]),
            torch.from_numpy(np.array(like.background)),
        ).numpy()
        return picture

    def _renderer(self, name: str, quality: Quality) -> Renderer:
        if name == WAVEFRONT:
            # Not closed: that would close the networks, which belong to whoever loaded them.
            return Avatar(self._loaded, self._threads, WAVEFRONT).renderer(self._size, quality)
        return self._fused(self._field(name), quality)

    def _field(self, name: str) -> FusedField:
        if name not in self._fields:
            manifest = self._loaded.manifest
            self._fields[name] = FusedField(
                manifest.field, self._loaded.weights, manifest.torso, instruction_set=name
            )
        return self._fields[name]

    def _fused(self, field: Any, quality: Quality) -> FusedRenderer:
        loaded, size = self._loaded, self._size
        return FusedRenderer(
            field,
            loaded.runners[stages.CONDITION],
            loaded.runners[stages.TORSO_CONDITION],
            resized(loaded.weights[BACKGROUND], size),
            loaded.manifest.camera.scaled(size),
            quality,
            self._pool,
        )

    def _row(
        self,
        name: str,
        quality: Quality,
        renderer: Renderer,
        time: Timing,
        pictures: Sequence[NDArray[np.uint8]],
    ) -> FrameRow:
        compared = None
        if pictures:
            made = [renderer.render(m.condition, m.pose).image for m in self._compared()]
            compared = min(IDENTICAL, psnr(np.stack(made), np.stack(pictures)))
        if name == WAVEFRONT:
            rays = [renderer.render(m.condition, m.pose) for m in self._compared()]
            per_ray = float(np.mean([picture.samples_per_ray for picture in rays]))
            return FrameRow(
                name, quality.name, self._size, self._threads, time, per_ray, psnr=compared
            )
        counts = self._counts(name, quality)
        manifest = self._loaded.manifest
        of_frame = manifest.field, manifest.torso, counts
        work = frame_work(*of_frame)
        parts = frame_stages(*of_frame, tiles=name == AMX, coarse=quality.coarse)
        return FrameRow(
            f"{FUSED} {name}",
            quality.name,
            self._size,
            self._threads,
            time,
            counts.samples / max(1.0, counts.rays),
            floor_ms(work, name, self._peaks, quality.coarse),
            floor_parts(parts, name, self._peaks, quality.coarse),
            compared,
        )

    def _counts(self, name: str, quality: Quality) -> FrameCounts:
        """Means over the frames."""
        field = CountingField(self._field(name))
        renderer = self._fused(field, quality)
        for moment in self._moments:
            renderer.render(moment.condition, moment.pose)
        return frame_counts(self._loaded, field.made, quality.torso_transmittance)


def contenders() -> list[tuple[str, Quality]]:
    """All that is compared at one size: every way at one quality, the best at every quality."""
    available = instructions.available()
    best = instructions.chosen()
    return [
        (WAVEFRONT, BALANCED),
        *((name, quality) for name in available for quality in (EXACT, BALANCED, FAST)),
        (best, EVERY_SAMPLE),
    ]
