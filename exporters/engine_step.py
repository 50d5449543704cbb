"""The step of a build that makes TensorRT and TensorRT-RTX engines of a directory's ONNX files."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..contract.cubins import CUBINS
from ..contract.engine_directory import file_path, list_files
from ..contract.engines import EngineSpec, Precision, Target
from ..contract.errors import ToleranceMissed, Unavailable
from ..contract.manifest import Manifest
from ..contract.stages import Signature
from .candidates import candidates
from .engines.architectures import (
    DEFAULT_RTX_ARCHITECTURES,
    check_architectures,
    rtx_architectures,
)
from .inspection import stage_order
from .known_answers import load
from .report import Report, StageReport, measured
from .stage_cache import note_misses
from .verify import verify_candidate

if TYPE_CHECKING:
    from .exporting import Started

ENGINES_FOLDER = "engines"


@dataclass(frozen=True)
class EngineOptions:
    """Which engines to build.

    Attributes:
        targets: what to build for; ONNX files are written in any case.
        architectures: GPUs that TensorRT-RTX engines shall run on, where it serves them; TensorRT
            proper builds for the GPU at hand.
        kernels: GPUs that CUDA kernels are compiled for ahead of time.
        command: how to ask for the same again, for messages.
    """

    targets: tuple[Target, ...] = ("onnxruntime",)
    architectures: tuple[str, ...] = DEFAULT_RTX_ARCHITECTURES
    kernels: tuple[str, ...] = ()
    command: str = ""


def buildable_targets() -> tuple[Target, ...]:
    """ONNX Runtime, and whatever engines this machine can build."""
    from ..runtime.backends.flavours import FLAVOURS
    from .engines.flavours import require

    found: list[Target] = ["onnxruntime"]
    for target, flavour in FLAVOURS.items():
        try:
            require(target)
        except Unavailable:
            continue
        found.append(flavour.target)
    return tuple(found)


def without_engines(manifest: Manifest) -> Manifest:
    """The manifest of the same directory before any engine or cubin was built."""
    built = (f"{ENGINES_FOLDER}/", f"{CUBINS}/")
    files = {name: e for name, e in manifest.files.items() if not name.startswith(built)}
    return dataclasses.replace(manifest, files=files, engines=(), cubins=())


def check_targets(targets: tuple[Target, ...], architectures: tuple[str, ...]) -> None:
    """Refuse (`BadOption`) TensorRT-RTX where it serves none of the GPUs."""
    if "tensorrt-rtx" in targets and not rtx_architectures(architectures):
        check_architectures(architectures)


def build_engines(
    folder: Path,
    manifest: Manifest,
    options: EngineOptions,
    cache: Path | None,
    started: Started,
    finished: Callable[[Report], None],
    noted: Callable[[str], None],
) -> tuple[Manifest, tuple[Report, ...]]:
    """Build every stage for every target into ``engines/<target>/<stage>.<precision>.engine``.

    A stage that has a half-precision variant is built from it, else from its float32 file. What
    can run on this machine is run and compared with PyTorch's answers.

    Args:
        folder: holds what the manifest names, and gets the engines.
        cache: folder of the cache; None uses none.

    Returns:
        the manifest with the engines and their hashes, and a report of each.

    Raises:
        BadOption: an engine cannot be built for these architectures in this precision.
        Unavailable: a target cannot be built for here.
        Failure: an engine cannot be built.
    """
    targets = [t for t in options.targets if t != "onnxruntime"]
    stages = stage_order(manifest.stages)
    if not targets:
        return manifest, ()
    check_targets(options.targets, options.architectures)
    served = rtx_architectures(options.architectures)
    if "tensorrt-rtx" in targets and (rest := set(options.architectures) - set(served)):
        noted(
            f"tensorrt-rtx serves no {', '.join(sorted(rest))}: build engines for those on their "
            "machines with --target tensorrt"
        )
    from .engines.build import EngineRequest, Progress
    from .engines.cache import EngineCache
    from .engines.obtain import obtain_engine
    from .engines.profiles import default_profile

    kept = EngineCache(cache / "engines") if cache is not None else None
    jobs = [(target, stage) for target in targets for stage in stages]
    engines: list[EngineSpec] = []
    seconds: dict[str, float] = {}
    misses: dict[str, str] = {}
    for done, (target, stage) in enumerate(jobs):
        spec = manifest.stages[stage]
        source, precision = best_source(manifest, stage)
        request = EngineRequest(
            stage,
            file_path(folder, source),
            Signature(spec.inputs, spec.outputs),
            precision,
            default_profile(spec.inputs),
            target,
            served if target == "tensorrt-rtx" else (),
            options.command,
        )
        name = f"{ENGINES_FOLDER}/{target}/{stage}.{precision}.engine"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)

        def progress(at: Progress, done: int = done, target: str = target) -> None:
            started(f"{at.stage} for {target}: {at.phase}", done + at.fraction, len(jobs))

        started(f"{stage} for {target}", done, len(jobs))
        obtained = obtain_engine(request, folder / name, kept, progress)
        if not obtained.cached:
            new = obtained.why.startswith("none of ")
            misses[f"{stage} for {target}"] = "never built before" if new else obtained.why
        if obtained.warning:
            noted(obtained.warning)
        seconds[name] = obtained.seconds
        engines.append(obtained.spec(folder, source))
    note_misses(noted, kept is not None, misses, len(jobs) - len(misses), "engines")
    built = dataclasses.replace(manifest, engines=tuple(engines), files=list_files(folder))
    return _executed(folder, built, seconds, finished)


def best_source(manifest: Manifest, stage: str) -> tuple[str, Precision]:
    """The ONNX file a stage's engine is built from, and its precision."""
    half = [v for v in manifest.variants if v.stage == stage and v.precision in ("fp16", "bf16")]
    if half:
        return half[0].file, half[0].precision
    return manifest.stages[stage].file, "fp32"


def _executed(
    folder: Path,
    manifest: Manifest,
    seconds: Mapping[str, float],
    finished: Callable[[Report], None],
) -> tuple[Manifest, tuple[Report, ...]]:
    """Run the engines that run here; the manifest keeps what was measured."""
    answers = load(folder, manifest)
    reports: list[Report] = []
    engines: list[EngineSpec] = []
    for candidate in candidates(folder, manifest):
        if candidate.engine is None:
            continue
        report = verify_candidate(candidate, answers, 1)
        report = dataclasses.replace(report, seconds=seconds[candidate.file])
        reports.append(report)
        finished(report)
        error = report.error if isinstance(report, StageReport) else None
        engines.append(dataclasses.replace(candidate.engine, error=error))
    if missed := [r for r in measured(reports) if not r.passed]:
        raise ToleranceMissed(
            ", ".join(f"the {r.target} engine of {r.stage} in {r.precision}" for r in missed),
            expected=f"a relative L2 of at most {missed[0].tolerance:.0e}",
            found=", ".join(f"{r.relative_l2:.1e}" for r in missed),
            remedy="report it with the versions of the driver and of TensorRT",
        )
    return dataclasses.replace(manifest, engines=tuple(engines)), tuple(reports)
