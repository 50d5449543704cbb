"""What steps do: one GPU, the scenes, and what one step leaves for another."""

from __future__ import annotations

import functools
import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emogene.contract import measure
from emogene.contract.errors import KernelLibraryMissing
from emogene.kernels import native
from emogene.kernels.fused import FusedField, unsupported
from emogene.kernels.gpu import nvrtc
from emogene.kernels.gpu.cubin_cache import CubinCache
from emogene.kernels.gpu.device_field import DeviceField
from emogene.kernels.gpu.kinds import KINDS
from emogene.kernels.gpu.opening import open_gpu
from emogene.kernels.gpu.plain import PLAIN
from emogene.kernels.gpu.protocol import Gpu
from emogene.kernels.gpu.wavefront import WAVEFRONT
from emogene.kernels.reference.fused import FusedField as ReferenceField
from emogene.runtime.backends.driver import find_driver

from .. import machine
from ..roofline import FrameCounts
from .events import frame_timing
from .floors import floors
from .lent import check_lending
from .operations import check_operations
from .peaks import GpuPeaks, measure_peaks
from .sanitizer import sanitize
from .scenes import GpuScene, SceneFrame, make_scene
from .worker import Part

LEAST_PSNR = 50.0
"""Between a renderer's picture and the float32 reference's, dB."""

TRANSMITTANCE = 1e-4
"""Light below which a ray ends: quality ``exact``."""

FRAME = 40.0
"""Milliseconds of a frame at 25 a second."""

RUNS = 60
"""Frames timed for each row."""

REFERENCE_RUNS = 3
"""Of the PyTorch reference, which takes long."""

POISON = 0xFF
"""What fresh memory is filled with, so that nobody lives on zeros: bytes of NaN."""


@dataclass(frozen=True)
class Session:
    """Does steps on one GPU, which is opened for the first that needs it.

    Attributes:
        folder: what was compiled and painted lies there, for sessions that follow.
        seed: of all inputs.
        check_size: side of the pictures that are proved, pixels.
        device: PyTorch's, for the reference; "" takes CUDA where PyTorch has it.
    """

    folder: Path
    seed: int
    check_size: int
    device: str = ""

    def do(self, action: str, *arguments: Any) -> Iterator[Part]:
        """The parts of a step, as they are known."""
        yield from getattr(self, action)(*arguments)
        gc.collect()

    def close(self) -> None:
        """Give the GPU back; twice is fine."""
        if "gpu" in self.__dict__:
            self.__dict__.pop("gpu").close()

    @functools.cached_property
    def gpu(self) -> Gpu:
        """Its fresh memory is never zero."""
        gpu = open_gpu()
        allocate = gpu.allocate

        def poisoned(size: int) -> int:
            address = allocate(size)
            gpu.fill(address, POISON, size, 0)
            gpu.synchronise(0)
            return address

        gpu.allocate = poisoned  # type: ignore[method-assign]
        return gpu

    @functools.cached_property
    def scene(self) -> Callable[[str], GpuScene]:
        """Scenes by name, each made once."""
        return functools.cache(lambda name: make_scene(name, self.seed))

    def describe(self) -> Iterator[Part]:
        """The machine and its versions."""
        yield {"machine": machine.describe(), "torch": torch.__version__}
        driver = find_driver()
        facts = {**asdict(self.gpu.facts), "driver": driver.version}
        cuda = ".".join(map(str, driver.cuda))
        yield {"gpu": {**facts, "cuda": cuda, "nvrtc": nvrtc.version()}}

    def operations(self, name: str) -> Iterator[Part]:
        """Every operation by itself."""
        frame = self.scene(name).frame(self.check_size, self.seed + 1)
        for check in check_operations(self.gpu, frame, self.seed, self._cache):
            yield {"checks": [check]}

    def paint(self, name: str) -> Iterator[Part]:
        """The reference's picture of a scene, which all kinds of kernels are held to."""
        scene = self.scene(name)
        frame = scene.frame(self.check_size, self.seed + 1)
        painter = reference(scene)
        made = painter.render(frame.inputs(), frame.background, transmittance=TRANSMITTANCE)
        assert made.image is not None
        counts = (made.samples, made.rays)
        np.savez(self._right_file(name), image=made.image, counts=counts)
        yield {"painted_by": type(painter).__module__}

    def picture(self, kind: str, name: str) -> Iterator[Part]:
        """A renderer's picture of a scene against the reference's, and twice the same bits."""
        scene, what = self.scene(name), f"{kind}, {name}"
        frame = scene.frame(self.check_size, self.seed + 1)
        inputs = frame.inputs()
        with np.load(self._right_file(name)) as right:
            image, (samples, rays) = right["image"], map(int, right["counts"])
        began = time.perf_counter()
        field = self._field(kind, scene)
        yield {"compiled": [{"name": what, "seconds": time.perf_counter() - began}]}
        one, two = (
            field.render(inputs, frame.background, transmittance=TRANSMITTANCE, keep_head=True)
            for _ in range(2)
        )
        field.close()
        assert one.image is not None and two.image is not None and one.head is not None
        decibel, same = psnr(one.image, image), bool(np.array_equal(one.image, two.image))
        passed = decibel >= LEAST_PSNR and same and one.rays == rays
        told = f"{decibel:.1f} dB, {one.samples} samples of {samples}"
        told += f", {one.rays} rays of {rays}" if one.rays != rays else ""
        told += "" if same else ", another picture the second time"
        yield {"checks": [{"name": what, "passed": passed, "found": told}]}
        kept = self.folder / f"plain-{name}.npy"
        if kind == PLAIN:
            np.save(kept, one.head)
        elif kind == WAVEFRONT and kept.exists():
            other = int(np.count_nonzero((np.load(kept) != one.head).any(axis=2)))
            told = f"{other} pixels of {one.head.shape[0] ** 2} have other bits"
            title = f"{kind} equals {PLAIN}, {name}"
            yield {"checks": [{"name": title, "passed": other == 0, "found": told}]}

    def share(self, name: str) -> Iterator[Part]:
        """Whether PyTorch and we read each other's arrays where they lie."""
        if not torch.cuda.is_available():
            yield {"skipped": ["PyTorch's arrays: this PyTorch sees no GPU"]}
            return
        scene = self.scene(name)
        field = self._field(PLAIN, scene)
        for check in check_lending(field, scene.frame(self.check_size, self.seed + 1)):
            yield {"checks": [check]}
        field.close()

    def peaks(self) -> Iterator[Part]:
        """The most the GPU can do."""
        found = measure_peaks(self.gpu)
        np.save(self.folder / "peaks.npy", list(asdict(found).values()))
        yield {"peaks": asdict(found)}

    def reference(self, name: str, size: int) -> Iterator[Part]:
        """The PyTorch reference's time on the same GPU, and its picture."""
        device = self.device or ("cuda" if torch.cuda.is_available() else "")
        if not device:
            yield {"skipped": [f"PyTorch, {name}, {size}²: this PyTorch sees no GPU"]}
            return
        scene = self.scene(name)
        frame = scene.frame(size, self.seed + size)
        try:
            picture, ms = timed_reference(frame, device)
        finally:
            scene.head.to("cpu")
            scene.torso.to("cpu")
            if device == "cuda":
                torch.cuda.empty_cache()
        np.savez(self._reference_file(name, size), picture=picture, ms=ms)
        row = {"scene": name, "size": size, "renderer": "PyTorch reference", "ms": ms, "p95": ms}
        yield {"frames": [row]}

    def frame(self, kind: str, name: str, size: int) -> Iterator[Part]:
        """A renderer's time for a scene at a size."""
        scene = self.scene(name)
        frame, gpu = scene.frame(size, self.seed + size), self.gpu
        inputs = frame.inputs()
        field = self._field(kind, scene)
        stream = gpu.create_stream()
        made = field.render(inputs, frame.background, transmittance=TRANSMITTANCE)
        plan = field.replayer(inputs, frame.background, TRANSMITTANCE)
        timing = frame_timing(gpu, stream, partial(plan.launch, stream), RUNS)
        gpu.synchronise(stream)
        gpu.destroy_stream(stream)
        field.close()
        assert made.image is not None
        row: dict[str, Any] = {
            "scene": name,
            "size": size,
            "renderer": kind,
            "ms": timing.median,
            "p95": timing.p95,
            "samples": made.samples,
            "rays": made.rays,
            "streams": int(FRAME / timing.median),
        }
        if (known := self.folder / "peaks.npy").exists():
            counts = FrameCounts(made.samples, made.rays, 0.4 * size * size)
            rates = GpuPeaks(*map(float, np.load(known)))
            least = floors(scene.field, scene.torso.spec, scene.weights, counts, size, rates)
            row |= {"floor_ms": least.most, "floors_ms": asdict(least)}
        if (known := self._reference_file(name, size)).exists():
            with np.load(known) as right:
                row["reference_ms"] = float(right["ms"])
                row["psnr"] = psnr(made.image, right["picture"])
        yield {"frames": [row]}

    def sanitize(self, tool: str) -> Iterator[Part]:
        """NVIDIA's checkers on the checks."""
        yield from sanitize(tool, self.seed, self.folder)

    @property
    def _cache(self) -> CubinCache:
        return CubinCache(self.folder / "cubins")

    def _field(self, kind: str, scene: GpuScene) -> DeviceField:
        made = KINDS[kind]
        return made(self.gpu, scene.field, scene.weights, scene.torso.spec, cache=self._cache)

    def _right_file(self, name: str) -> Path:
        return self.folder / f"right-{name}-{self.check_size}.npz"

    def _reference_file(self, name: str, size: int) -> Path:
        return self.folder / f"reference-{name}-{size}.npz"


def reference(scene: GpuScene) -> FusedField | ReferenceField:
    """The C++ kernels where they are and take the fields, else NumPy's."""
    try:
        native.library()
        taken = not unsupported(scene.field, scene.torso.spec)
    except KernelLibraryMissing:
        taken = False
    if not taken:
        return ReferenceField(scene.field, scene.weights, scene.torso.spec)
    return FusedField(scene.field, scene.weights, scene.torso.spec, instruction_set="baseline")


def timed_reference(frame: SceneFrame, device: str) -> tuple[NDArray[np.uint8], float]:
    """The reference's picture, and the median milliseconds it takes."""
    taken = []
    for _ in range(REFERENCE_RUNS + 1):
        _wait(device)
        began = time.perf_counter()
        picture = frame.reference(device)
        _wait(device)
        taken.append(1e3 * (time.perf_counter() - began))
    return picture.cpu().numpy(), float(np.median(taken[1:]))


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def psnr(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Decibel between two pictures; 99 for equal ones, which JSON has a number for."""
    return min(measure.psnr(one, other), 99.0)
