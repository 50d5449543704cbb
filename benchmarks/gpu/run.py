"""Everything that is measured on a GPU, in order of importance: proofs, then times."""

from __future__ import annotations

import gc
import secrets
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emogene.contract.errors import EmoGeneError, KernelLibraryMissing
from emogene.kernels import native
from emogene.kernels.fused import FusedField
from emogene.kernels.gpu import nvrtc
from emogene.kernels.gpu.kinds import KINDS
from emogene.kernels.gpu.opening import open_gpu
from emogene.kernels.gpu.protocol import Gpu
from emogene.kernels.reference.fused import FusedField as ReferenceField
from emogene.runtime.backends.driver import find_driver

from .. import machine
from ..roofline import FrameCounts
from .events import frame_timing
from .floors import floors
from .operations import check_operations
from .peaks import GpuPeaks, measure_peaks
from .report import tables
from .scenes import SCENES, GpuScene, SceneFrame, make_scene

RENDERERS = KINDS
"""What is proved and measured, by name."""

LEAST_PSNR = 50.0
"""Between a renderer's picture and the float32 reference's, dB."""

CHECK_SIZE = 72
"""Side of the pictures that are compared with a NumPy or C++ one, pixels."""

SANITIZERS = ("memcheck", "racecheck")
"""NVIDIA's checkers that are run."""

SANITIZED_SIZE, SANITIZED_SECONDS = 16, 60
"""Side of the pictures that they watch, pixels, and how long each may take."""

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
class Options:
    """Attributes:
    sizes: sides of the pictures that are timed, pixels.
    seconds: after which what is left is skipped.
    checks_only: prove and time nothing.
    seed: of the inputs; None draws one.
    check_size: side of the pictures that are proved, pixels; None is `CHECK_SIZE`.
    """

    sizes: tuple[int, ...] = (256, 512, 1024)
    seconds: float = 420.0
    checks_only: bool = False
    seed: int | None = None
    check_size: int | None = None


def measure(options: Options, device: str = "cuda") -> dict[str, Any]:
    """The result, as plain JSON values; also printed as tables while it grows.

    Args:
        device: PyTorch's, for the reference; tests have only ``"cpu"``.
    """
    end = time.monotonic() + options.seconds
    seed = options.seed if options.seed is not None else secrets.randbelow(2**31)
    driver = find_driver()
    with _poisoned(open_gpu()) as gpu:
        result: dict[str, Any] = {
            "machine": machine.describe(),
            "gpu": {**asdict(gpu.facts), "driver": driver.version, "nvrtc": nvrtc.version()},
            "torch": torch.__version__,
            "seed": seed,
            "checks": _checks(gpu, seed, options.check_size or CHECK_SIZE),
            "frames": [],
            "skipped": [],
        }
        if not options.checks_only:
            result["checks"] += _sanitized(seed)
            peaks = measure_peaks(gpu)
            result["peaks"] = asdict(peaks)
            for name in SCENES:
                for size in options.sizes:
                    if time.monotonic() > end:
                        result["skipped"].append(f"{name} at {size}²")
                        continue
                    made = make_scene(name, seed)
                    result["frames"] += _frames(gpu, made, size, seed, peaks, device)
                    gc.collect()
    for table in tables(result):
        print(table.markdown(), flush=True)
    for skipped in result["skipped"]:
        print(f"skipped, the time was over: {skipped}")
    return result


def _poisoned(gpu: Gpu) -> Gpu:
    """The GPU, whose fresh memory is never zero."""
    allocate = gpu.allocate

    def poisoned(size: int) -> int:
        address = allocate(size)
        gpu.fill(address, POISON, size, 0)
        gpu.synchronise(0)
        return address

    gpu.allocate = poisoned  # type: ignore[method-assign]
    return gpu


def _checks(gpu: Gpu, seed: int, size: int) -> list[dict[str, Any]]:
    """Every renderer's picture of every scene against the reference's, and twice the same bits."""
    found = []
    for scene_name in SCENES:
        scene = make_scene(scene_name, seed)
        frame = scene.frame(size, seed + 1)
        inputs = frame.inputs()
        found += _operations(gpu, frame, seed)
        right = _reference(scene).render(inputs, frame.background, transmittance=TRANSMITTANCE)
        for name, kind in RENDERERS.items():
            what = f"{name}, {scene_name}"
            try:
                field = kind(gpu, scene.field, scene.weights, scene.torso.spec)
            except EmoGeneError as error:
                found.append({"name": what, "passed": False, "found": str(error)})
                continue
            try:
                images = [
                    field.render(inputs, frame.background, transmittance=TRANSMITTANCE)
                    for _ in range(2)
                ]
            except EmoGeneError as error:
                found.append({"name": what, "passed": False, "found": str(error)})
                continue
            finally:
                field.close()
            one, two = (image.image for image in images)
            assert one is not None and two is not None and right.image is not None
            decibel, same = psnr(one, right.image), bool(np.array_equal(one, two))
            passed = decibel >= LEAST_PSNR and same and images[0].rays == right.rays
            told = f"{decibel:.1f} dB, {images[0].samples} samples of {right.samples}"
            told += "" if same else ", another picture the second time"
            found.append({"name": what, "passed": passed, "found": told})
    return found


def _operations(gpu: Gpu, frame: SceneFrame, seed: int) -> list[dict[str, Any]]:
    """Every operation of one scene; a refusal is a check that failed."""
    found: list[dict[str, Any]] = []
    try:
        found.extend(check_operations(gpu, frame, seed))
    except EmoGeneError as error:
        name = f"operations, {frame.scene.name}"
        found.append({"name": name, "passed": False, "found": str(error)})
    return found


def _reference(scene: GpuScene) -> FusedField | ReferenceField:
    """The C++ kernels where they are, else NumPy's."""
    try:
        native.library()
    except KernelLibraryMissing:
        return ReferenceField(scene.field, scene.weights, scene.torso.spec)
    return FusedField(scene.field, scene.weights, scene.torso.spec, instruction_set="baseline")


def sanitizer() -> str | None:
    """Path of NVIDIA's memory checker."""
    return shutil.which("compute-sanitizer")


def _sanitized(seed: int) -> list[dict[str, Any]]:
    """The checks once more under NVIDIA's checkers, where they are installed."""
    tool = sanitizer()
    if tool is None:
        print("compute-sanitizer is not here: memory accesses and races were not checked")
        return []
    return [_sanitized_by(tool, kind, seed) for kind in SANITIZERS]


def _sanitized_by(tool: str, kind: str, seed: int) -> dict[str, Any]:
    command = [tool, "--tool", kind, "--error-exitcode", "9", sys.executable]
    command += ["-m", "benchmarks.gpu", "--checks-only", "--seed", str(seed)]
    command += ["--check-size", str(SANITIZED_SIZE)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SANITIZED_SECONDS, check=False
        )
        passed, lines = done.returncode == 0, (done.stdout + done.stderr).strip().splitlines()
        told = next((x for x in lines if "SUMMARY" in x), lines[-1] if lines else "")
    except subprocess.TimeoutExpired:
        passed, told = False, f"took longer than {SANITIZED_SECONDS} s"
    name = f"compute-sanitizer {kind}"
    return {"name": name, "passed": passed, "found": told.strip("= ")}


def _frames(
    gpu: Gpu, scene: GpuScene, size: int, seed: int, peaks: GpuPeaks, device: str
) -> list[dict[str, Any]]:
    """Times of one scene at one size: the reference, then every renderer."""
    frame = scene.frame(size, seed + size)
    inputs = frame.inputs()
    picture, reference_ms = _timed_reference(frame, device)
    row = {"scene": scene.name, "size": size}
    rows = [{**row, "renderer": "PyTorch reference", "ms": reference_ms, "p95": reference_ms}]
    scene.head.to("cpu")
    scene.torso.to("cpu")
    for name, kind in RENDERERS.items():
        field = kind(gpu, scene.field, scene.weights, scene.torso.spec)
        stream = gpu.create_stream()
        try:
            made = field.render(inputs, frame.background, transmittance=TRANSMITTANCE)
            assert made.image is not None
            plan = field.replayer(inputs, frame.background, TRANSMITTANCE)
            timing = frame_timing(gpu, stream, partial(plan.launch, stream), RUNS)
        finally:
            gpu.synchronise(stream)
            gpu.destroy_stream(stream)
            field.close()
        torso_pixels = 0.4 * size * size
        counts = FrameCounts(made.samples, made.rays, torso_pixels)
        least = floors(scene.field, scene.torso.spec, scene.weights, counts, size, peaks)
        rows.append(
            {
                **row,
                "renderer": name,
                "ms": timing.median,
                "p95": timing.p95,
                "samples": made.samples,
                "rays": made.rays,
                "floor_ms": least.most,
                "floors_ms": asdict(least),
                "reference_ms": reference_ms,
                "psnr": psnr(made.image, picture),
                "streams": int(FRAME / timing.median),
            }
        )
    return rows


def _timed_reference(frame: Any, device: str) -> tuple[NDArray[np.uint8], float]:
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
    """Decibel between two pictures; 99 for equal ones."""
    error = float(np.mean(np.square(one.astype(np.float64) - other)))
    return float(min(10 * np.log10(255**2 / error), 99.0)) if error else 99.0
