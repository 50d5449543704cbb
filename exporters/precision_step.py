"""The step of a build that makes further precisions of a directory's ONNX files."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..contract.codec import canonical, from_plain, to_plain
from ..contract.engine_directory import file_path, hash_file, list_files
from ..contract.engines import Precision, VariantSpec
from ..contract.errors import BadOption, ToleranceMissed
from ..contract.manifest import Manifest
from ..contract.stages import HUBERT, Signature
from ..contract.tensors import StageSpec
from ..runtime.backends.onnxruntime import OnnxRuntimeRunner
from .compare import OutputDifference, worst
from .end_to_end_step import sample_speech, settled
from .examples import varying_symbol
from .inspection import stage_order
from .report import NAME_WIDTH, Report, StageReport
from .stage_cache import StageCache, note_misses, source_hash
from .tolerances import Tolerance
from .tools import tool_versions

if TYPE_CHECKING:
    from .exporting import Started
    from .precision.auto import Choice

Wanted = Literal["fp32", "fp16", "bf16", "auto"]
HALF: tuple[Literal["fp16", "bf16"], ...] = ("fp16", "bf16")
CHOICES: tuple[Wanted, ...] = ("fp32", "fp16", "bf16", "auto")


@dataclass(frozen=True)
class PrecisionOptions:
    """Which precision each stage gets beside float32, which every directory holds.

    Attributes:
        everywhere: for stages without a choice of their own.
        stages: choices by stage.
        int8_hubert: also make a HuBERT with 8-bit weights for ONNX Runtime.
    """

    everywhere: Wanted = "fp32"
    stages: Mapping[str, Wanted] = field(default_factory=dict)
    int8_hubert: bool = False

    def of(self, stage: str) -> Wanted:
        """The choice for a stage."""
        return self.stages.get(stage, self.everywhere)


def parse_precisions(words: list[str], int8_hubert: bool) -> PrecisionOptions:
    """``["auto", "density=fp16"]``: one choice for all stages, and some for single ones.

    Raises:
        BadOption: one of them is no precision, or contradicts another.
    """
    everywhere: Wanted = "fp32"
    stages: dict[str, Wanted] = {}
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
) -> tuple[Manifest, tuple[Report, ...], dict[str, Any]]:
    """Write ``stages/<stage>.<precision>.onnx`` for every stage that was asked for.

    Args:
        folder: holds what the manifest names, and gets the variants.
        command: how to call this build again, for messages.

    Returns:
        the manifest with the variants and their hashes, a report of each, and what they mean on
        the screen (`end_to_end_step.settled`).

    Raises:
        BadOption: an option names a stage this avatar does not have.
        ToleranceMissed: a precision that was asked for by name costs too much.
    """
    jobs = _jobs(manifest, options)
    made: list[tuple[Choice, float]] = []
    automatic: set[str] = set()
    misses: dict[str, str] = {}
    for done, (stage, wanted) in enumerate(jobs):
        started(f"{stage} in {wanted}", done, len(jobs))
        begun = time.perf_counter()
        choice, why = _cached(folder, manifest, stage, wanted, threads, cache)
        if why:
            misses[f"{stage} in {wanted}"] = why
        if choice.precision == "fp32":
            noted(f"[–] {stage:<{NAME_WIDTH}}  {choice.reason}")
            continue
        if wanted == "auto":
            automatic.add(stage)
        made.append((choice, time.perf_counter() - begun))
        finished(_report(manifest, *made[-1]))
    note_misses(noted, cache.root is not None, misses, len(jobs) - len(misses), "precisions")
    _refuse_missed([choice for choice, _ in made], command)
    half = {choice.stage: choice for choice, _ in made if choice.precision != "int8"}
    if half:
        started("end to end", len(jobs), len(jobs))
    left, seen = settled(folder, manifest, half, automatic, threads, command, cache, noted)
    reports: list[StageReport] = []
    variants: list[VariantSpec] = []
    for choice, seconds in made:
        if choice.precision != "int8" and choice.stage not in left:
            continue
        file = _file(manifest, choice)
        (folder / file).write_bytes(choice.data)
        report = _report(manifest, choice, seconds)
        reports.append(report)
        variants.append(
            VariantSpec(choice.stage, choice.precision, file, report.error, choice.kept)
        )
    if variants:
        manifest = dataclasses.replace(manifest, variants=tuple(variants), files=list_files(folder))
    return manifest, tuple(reports), seen


def _jobs(manifest: Manifest, options: PrecisionOptions) -> list[tuple[str, str]]:
    """Stages and what is wanted of them, as a frame goes through them."""
    for stage in options.stages:
        if stage not in manifest.stages:
            known = ", ".join(stage_order(manifest.stages))
            raise BadOption("--precision", expected=f"one of {known}", found=stage)
    order = stage_order(manifest.stages)
    jobs: list[tuple[str, str]] = [(s, options.of(s)) for s in order if options.of(s) != "fp32"]
    return jobs + ([(HUBERT, "int8")] if options.int8_hubert else [])


def _file(manifest: Manifest, choice: Choice) -> str:
    return f"{manifest.stages[choice.stage].file.removesuffix('.onnx')}.{choice.precision}.onnx"


def _report(manifest: Manifest, choice: Choice, seconds: float) -> StageReport:
    spec = manifest.stages[choice.stage]
    return StageReport(
        choice.stage,
        choice.precision,
        varying_symbol(Signature(spec.inputs, spec.outputs)),
        choice.tolerance.relative_l2,
        choice.tolerance.reason,
        choice.differences,
        len(choice.data),
        seconds,
        kept=choice.kept,
    )


def _refuse_missed(choices: list[Choice], command: str) -> None:
    if missed := [c for c in choices if not c.passed]:
        first = missed[0]
        other = "leave --int8-hubert out"
        if first.precision != "int8":
            other = f"let it find what they bear with --precision {first.stage}=auto"
        raise ToleranceMissed(
            ", ".join(f"stage {c.stage} in {c.precision}" for c in missed),
            expected=f"a relative L2 of at most {first.tolerance.relative_l2:.0e}",
            found=", ".join(f"{worst(c.differences):.1e}" for c in missed),
            remedy=f"nothing was written; {other}, or see it again with: {command}",
        )


def _cached(
    folder: Path, manifest: Manifest, stage: str, wanted: str, threads: int, cache: StageCache
) -> tuple[Choice, str]:
    """What was made, and why it was not in the cache (empty on a hit)."""
    from .precision.auto import Choice

    subject = f"{manifest.name} {stage} {wanted}"
    tools = ("numpy", "onnx", "onnxruntime")
    parts = {
        "ONNX file": hash_file(file_path(folder, manifest.stages[stage].file)).sha256,
        "precision": wanted,
        "exporter's source": source_hash("exporters/precision", "exporters"),
        **{name: version for name, version in tool_versions().items() if name in tools},
    }
    found = cache.find("precision", subject, parts)
    if found.folder is not None:
        plain = json.loads((found.folder / "choice.json").read_bytes())
        read = from_plain(_Kept, plain)
        data = (found.folder / "stage.onnx").read_bytes()
        facts = {f.name: getattr(read, f.name) for f in dataclasses.fields(read)}
        return Choice(data=data, **facts), ""
    choice = _made(folder, manifest.stages[stage], stage, wanted, threads)

    def fill(entry: Path) -> None:
        facts = {f.name: getattr(choice, f.name) for f in dataclasses.fields(_Kept)}
        (entry / "choice.json").write_bytes(canonical(to_plain(_Kept(**facts))))
        (entry / "stage.onnx").write_bytes(choice.data)

    # What failed may hold NaN, which JSON does not know, and is better seen again.
    if choice.passed and all(d.nan_count == 0 for d in choice.differences):
        cache.keep("precision", subject, parts, fill)
    return choice, found.why


@dataclass(frozen=True)
class _Kept:
    """What a cache entry keeps of a `precision.auto.Choice` beside its file."""

    stage: str
    precision: Precision
    differences: tuple[OutputDifference, ...]
    tolerance: Tolerance
    kept: tuple[str, ...]
    reason: str


def _made(folder: Path, spec: StageSpec, stage: str, wanted: str, threads: int) -> Choice:
    from .precision.auto import Choice, at_precision, choose

    path = file_path(folder, spec.file)
    data, signature = path.read_bytes(), Signature(spec.inputs, spec.outputs)
    with OnnxRuntimeRunner(path, threads) as reference:
        if wanted == "auto":
            return choose(stage, data, signature, reference)
        for half in HALF:
            if wanted == half:
                return at_precision(stage, data, signature, reference, half)
        from .precision.int8 import quantise_hubert

        small = quantise_hubert(data, signature, reference, sample_speech())
    spoken = OutputDifference(
        f"{spec.outputs[0].name} of speech",
        small.differences[-1].length,
        small.speech_relative_l2,
        small.speech_relative_l2,
        0,
    )
    return Choice(
        stage,
        "int8",
        small.data,
        (*small.differences, spoken),
        small.tolerance,
        (),
        small.reason,
    )
