"""The step of a build that makes further precisions of a directory's ONNX files."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..contract.codec import canonical, from_plain, to_plain
from ..contract.engine_directory import file_path, hash_file, list_files
from ..contract.engines import Precision, VariantSpec
from ..contract.errors import BadOption, ToleranceMissed
from ..contract.manifest import Manifest
from ..contract.stages import HUBERT, Signature
from ..contract.tensors import StageSpec
from ..runtime.backends.onnxruntime import OnnxRuntimeRunner
from .compare import OutputDifference
from .examples import varying_symbol
from .inspection import stage_order
from .report import Report, StageReport
from .stage_cache import StageCache, source_hash
from .tools import tool_versions

if TYPE_CHECKING:
    from .exporting import Started

Choice = Literal["fp32", "fp16", "bf16", "auto"]
CHOICES: tuple[Choice, ...] = ("fp32", "fp16", "bf16", "auto")


@dataclass(frozen=True)
class PrecisionOptions:
    """Which precision each stage gets beside float32, which every directory holds.

    Attributes:
        everywhere: for stages without a choice of their own.
        stages: choices by stage.
        int8_hubert: also make a HuBERT with 8-bit weights for ONNX Runtime.
    """

    everywhere: Choice = "fp32"
    stages: Mapping[str, Choice] = field(default_factory=dict)
    int8_hubert: bool = False

    def of(self, stage: str) -> Choice:
        """The choice for a stage."""
        return self.stages.get(stage, self.everywhere)


def parse_precisions(words: list[str], int8_hubert: bool) -> PrecisionOptions:
    """``["auto", "density=fp16"]``: one choice for all stages, and some for single ones.

    Raises:
        BadOption: one of them is no precision, or contradicts another.
    """
    everywhere: Choice = "fp32"
    stages: dict[str, Choice] = {}
    seen: set[str] = set()
    for word in words:
        stage, equals, name = word.rpartition("=")
        choice = next((c for c in CHOICES if c == name), None)
        if choice is None or (equals and not stage):
            raise BadOption(
                "--precision",
                expected=f"one of {', '.join(CHOICES)}, or STAGE=PRECISION",
                found=word,
            )
        if stage in seen:
            raise BadOption(
                "--precision",
                expected=f"one choice for {stage or 'all stages'}",
                found="two",
            )
        seen.add(stage)
        if stage:
            stages[stage] = choice
        else:
            everywhere = choice
    return PrecisionOptions(everywhere, stages, int8_hubert)


@dataclass(frozen=True)
class Made:
    """What came out of one attempt; what a cache entry keeps beside the file.

    Attributes:
        stage, precision: ``"fp32"`` if `auto` found that the stage bears no less.
        tolerance, why_tolerance: what it was judged by.
        differences: from the float32 file, in true half arithmetic.
        kept: nodes that stayed in float32, each as ``node: reason``.
        reason: one line on why this precision.
        passed: whether it is within its tolerance.
    """

    stage: str
    precision: Precision
    tolerance: float
    why_tolerance: str
    differences: tuple[OutputDifference, ...]
    kept: tuple[str, ...]
    reason: str
    passed: bool


def make_variants(
    folder: Path,
    manifest: Manifest,
    options: PrecisionOptions,
    threads: int,
    command: str,
    cache: StageCache,
    started: Started,
    finished: Callable[[Report], None],
    noted: Callable[[str], None],
) -> tuple[Manifest, tuple[Report, ...]]:
    """Write ``stages/<stage>.<precision>.onnx`` for every stage that was asked for.

    Args:
        folder: holds what the manifest names, and gets the variants.
        command: how to call this build again, for messages.

    Returns:
        the manifest with the variants and their hashes, and a report of each.

    Raises:
        BadOption: an option names a stage this avatar does not have.
        ToleranceMissed: a precision that was asked for by name costs too much.
    """
    for stage in options.stages:
        if stage not in manifest.stages:
            known = ", ".join(manifest.stages)
            raise BadOption("--precision", expected=f"one of {known}", found=stage)
    wanted = [(s, options.of(s)) for s in stage_order(manifest.stages)]
    jobs: list[tuple[str, str]] = [(s, choice) for s, choice in wanted if choice != "fp32"]
    jobs += [(HUBERT, "int8")] if options.int8_hubert else []
    variants: list[VariantSpec] = []
    reports: list[StageReport] = []
    hits = 0
    for done, (stage, choice) in enumerate(jobs):
        started(f"{stage} in {choice}", done, len(jobs))
        begun = time.perf_counter()
        made, data, why = _cached(folder, manifest, stage, choice, threads, cache)
        hits += not why
        if why and cache.root is not None:
            noted(f"{stage} in {choice}: not in the cache, {why}")
        if made.precision == "fp32":
            noted(f"[–] {stage}  {made.reason}")
            continue
        spec = manifest.stages[stage]
        file = f"{Path(spec.file).with_suffix('')}.{made.precision}.onnx"
        (folder / file).write_bytes(data)
        report = StageReport(
            stage,
            made.precision,
            varying_symbol(Signature(spec.inputs, spec.outputs)),
            made.tolerance,
            made.why_tolerance,
            made.differences,
            len(data),
            time.perf_counter() - begun,
            kept=made.kept,
        )
        reports.append(report)
        finished(report)
        variants.append(VariantSpec(stage, made.precision, file, report.error, made.kept))
    if hits:
        noted(f"{hits} further precisions from the cache")
    _refuse_missed(reports, command)
    return _with_variants(folder, manifest, variants), tuple(reports)


def _with_variants(folder: Path, manifest: Manifest, variants: list[VariantSpec]) -> Manifest:
    if not variants:
        return manifest
    return dataclasses.replace(manifest, variants=tuple(variants), files=list_files(folder))


def _refuse_missed(reports: list[StageReport], command: str) -> None:
    if missed := [r for r in reports if not r.passed]:
        raise ToleranceMissed(
            ", ".join(f"stage {r.stage} in {r.precision}" for r in missed),
            expected=f"a relative L2 of at most {missed[0].tolerance:.0e}",
            found=", ".join(f"{r.relative_l2:.1e}" for r in missed),
            remedy=f"nothing was written; let it find what they bear with --precision "
            f"{missed[0].stage}=auto, or see it again with: {command}",
        )


def _cached(
    folder: Path, manifest: Manifest, stage: str, choice: str, threads: int, cache: StageCache
) -> tuple[Made, bytes, str]:
    """What was made, its file, and why it was not in the cache (empty on a hit)."""
    subject = f"{manifest.name} {stage} {choice}"
    parts = {
        "ONNX file": hash_file(file_path(folder, manifest.stages[stage].file)).sha256,
        "choice": choice,
        "exporter's source": source_hash("exporters/precision", "exporters"),
        **{n: v for n, v in tool_versions().items() if n in ("numpy", "onnx", "onnxruntime")},
    }
    found = cache.find("precision", subject, parts)
    if found.folder is not None:
        plain = json.loads((found.folder / "made.json").read_bytes())
        return from_plain(Made, plain), (found.folder / "stage.onnx").read_bytes(), ""
    made, data = _make(folder, manifest.stages[stage], stage, choice, threads)

    def fill(entry: Path) -> None:
        (entry / "made.json").write_bytes(canonical(to_plain(made)))
        (entry / "stage.onnx").write_bytes(data)

    if made.passed:  # what failed may hold NaN, and is better seen again
        cache.keep("precision", subject, parts, fill)
    return made, data, found.why


def _make(
    folder: Path, spec: StageSpec, stage: str, choice: str, threads: int
) -> tuple[Made, bytes]:
    from .precision.auto import at_precision, choose

    path = file_path(folder, spec.file)
    data, signature = path.read_bytes(), Signature(spec.inputs, spec.outputs)
    with OnnxRuntimeRunner(path, threads) as reference:
        if choice == "auto":
            chosen = choose(stage, data, signature, reference)
        else:
            chosen = at_precision(stage, data, signature, reference, choice)
    made = Made(
        stage,
        chosen.precision,
        chosen.tolerance.relative_l2,
        chosen.tolerance.reason,
        chosen.differences if chosen.precision != "fp32" else (),
        chosen.kept,
        chosen.reason,
        chosen.passed,
    )
    return made, chosen.data
