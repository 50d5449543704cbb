"""Checkpoints → ONNX files compared with PyTorch: the half of a build that needs PyTorch."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors.numpy import load_file

from ..contract.codec import canonical, from_plain, to_plain
from ..contract.engine_directory import list_files
from ..contract.errors import BadOption, ToleranceMissed
from ..contract.hearing import OWN_HEARING
from ..contract.manifest import HEARING, MANIFEST_FILE, SURFACE_GRIDS, WEIGHTS_FILE, Manifest
from ..contract.stages import SUPER_RESOLUTION, Signature
from ..contract.tensors import StageSpec
from ..reference.avatar import LICENCE_FILE, ReferenceAvatar
from ..runtime.backends.onnxruntime import OnnxRuntimeRunner
from ..runtime.backends.protocol import Array
from .compare import compare
from .examples import LENGTHS, varying_symbol
from .known_answers import KNOWN_ANSWERS_FILE, answers, to_bytes
from .onnx_file import onnx_bytes
from .report import StageReport
from .runners import TorchRunner
from .stage_cache import StageCache
from .stages import LOADERS, feature_width, latent_width, stage_signatures
from .tolerances import tolerance
from .tools import checkpoint_hash, tool_versions
from .weights import weights_bytes

STAGES_FOLDER = "stages"

_KIND, _REPORT, _ANSWERS = "stage", "report.json", "answers.safetensors"
"""Of single stages in the cache."""

Started = Callable[[str, float, int], None]
"""Told what begins, how much is done, and how much there is."""

Finished = Callable[[StageReport], None]
"""Told what was measured of a stage."""


@dataclass(frozen=True)
class Kept:
    """Single stages in the cache, until the export they belong to is there as a whole.

    Attributes:
        cache: where.
        parts: everything that decides the export.
    """

    cache: StageCache
    parts: Mapping[str, str]

    def find(self, stage: str, path: Path) -> tuple[StageReport, dict[str, Array]] | None:
        """A finished stage: its ONNX file goes to ``path``; its report and answers."""
        folder = self.cache.find(_KIND, stage, self._parts(stage)).folder
        if folder is None:
            return None
        shutil.copyfile(folder / path.name, path)
        report = from_plain(StageReport, json.loads((folder / _REPORT).read_bytes()))
        return report, load_file(folder / _ANSWERS)

    def keep(
        self, stage: str, path: Path, report: StageReport, answered: Mapping[str, Array]
    ) -> None:
        """Keep a stage that is finished and within its tolerance."""
        if not report.passed:
            return

        def fill(folder: Path) -> None:
            shutil.copyfile(path, folder / path.name)
            (folder / _REPORT).write_bytes(canonical(to_plain(report)))
            (folder / _ANSWERS).write_bytes(to_bytes(answered))

        self.cache.keep(_KIND, stage, self._parts(stage), fill)

    def drop(self, stages: Iterable[str]) -> None:
        """Forget them: the whole export is kept."""
        for stage in stages:
            self.cache.drop(_KIND, self._parts(stage))

    def _parts(self, stage: str) -> dict[str, str]:
        return {**self.parts, "stage": stage}


def export_avatar(
    avatar: ReferenceAvatar,
    checkpoints: Path,
    folder: Path,
    threads: int,
    command: str,
    started: Started,
    finished: Finished,
    finished_before: Kept,
) -> tuple[Manifest, tuple[StageReport, ...]]:
    """Fill an empty folder with a float32 engine directory, all but its reports.

    Args:
        finished_before: stages that a build which was stopped had finished; they are taken from it
            and kept there until the whole is.

    Raises:
        ToleranceMissed: a stage differs too much from PyTorch.
        Failure: a stage cannot be exported.
    """
    signatures = stage_signatures(avatar)
    (folder / STAGES_FOLDER).mkdir()
    reports, kept = _export(
        avatar, signatures, folder / STAGES_FOLDER, threads, started, finished, finished_before
    )
    check_tolerances(reports, command)
    (folder / KNOWN_ANSWERS_FILE).write_bytes(to_bytes(kept))
    (folder / WEIGHTS_FILE).write_bytes(weights_bytes(avatar))
    (folder / LICENCE_FILE).write_text(avatar.licence, "utf-8")
    manifest = _manifest(avatar, checkpoints, folder, signatures, reports)
    (folder / MANIFEST_FILE).write_bytes(manifest.to_bytes())
    return manifest, reports


def compare_stages(
    avatar: ReferenceAvatar,
    only: Sequence[str],
    scratch: Path,
    threads: int,
    command: str,
    started: Started,
    finished: Finished,
) -> tuple[StageReport, ...]:
    """Export and compare some stages and keep nothing.

    Raises:
        BadOption: ``only`` names a stage this avatar does not have.
        ToleranceMissed: a stage differs too much from PyTorch.
    """
    wanted = _wanted(stage_signatures(avatar), only)
    nothing = Kept(StageCache(None), {})
    reports, _ = _export(avatar, wanted, scratch, threads, started, finished, nothing)
    check_tolerances(reports, command)
    return reports


def _wanted(signatures: dict[str, Signature], only: Iterable[str]) -> dict[str, Signature]:
    for name in only:
        if name not in signatures:
            raise BadOption("--stage", expected=f"one of {', '.join(signatures)}", found=name)
    return {n: s for n, s in signatures.items() if n in only}


def _export(
    avatar: ReferenceAvatar,
    wanted: dict[str, Signature],
    folder: Path,
    threads: int,
    started: Started,
    finished: Finished,
    before: Kept,
) -> tuple[tuple[StageReport, ...], dict[str, Array]]:
    """Write ``<stage>.onnx`` into ``folder``; give the reports and the answers to keep."""
    reports: list[StageReport] = []
    kept: dict[str, Array] = {}
    for stage, signature in wanted.items():
        started(f"exporting {stage}", len(reports), len(wanted))
        path = folder / f"{stage}.onnx"
        found = before.find(stage, path)
        if found is None:
            found = _export_stage(avatar, stage, signature, path, threads)
            before.keep(stage, path, *found)
        report, answered = found
        kept |= answered
        reports.append(report)
        finished(report)
    return tuple(reports), kept


def _export_stage(
    avatar: ReferenceAvatar, stage: str, signature: Signature, path: Path, threads: int
) -> tuple[StageReport, dict[str, Array]]:
    begun = time.perf_counter()
    module = LOADERS[stage](avatar).eval()
    path.write_bytes(onnx_bytes(stage, module, signature))
    symbol, limit = varying_symbol(signature), tolerance(stage, "fp32")
    lengths = LENGTHS[symbol]
    with (
        TorchRunner(module, signature) as reference,
        OnnxRuntimeRunner(path, threads) as candidate,
    ):
        differences = compare(stage, signature, candidate, reference, lengths)
        answered = answers(stage, signature, reference, lengths)
    report = StageReport(
        stage,
        "fp32",
        symbol,
        limit.relative_l2,
        limit.reason,
        differences,
        path.stat().st_size,
        time.perf_counter() - begun,
    )
    return report, answered


def check_tolerances(reports: Sequence[StageReport], command: str) -> None:
    """Refuse what was measured unless every stage is within its tolerance.

    Raises:
        ToleranceMissed: with the command that measures those stages again.
    """
    missed = [r for r in reports if not r.passed]
    if missed:
        again = " ".join(f"--stage {r.stage}" for r in missed)
        raise ToleranceMissed(
            f"stage {', '.join(r.stage for r in missed)}",
            expected=f"a relative L2 of at most {missed[0].tolerance:.0e}",
            found=", ".join(f"{r.relative_l2:.1e}" for r in missed),
            remedy=f"nothing was written; see it again with: {command} {again}",
        )


def _manifest(
    avatar: ReferenceAvatar,
    checkpoints: Path,
    folder: Path,
    signatures: dict[str, Signature],
    reports: Sequence[StageReport],
) -> Manifest:
    stages = {
        r.stage: StageSpec(
            f"{STAGES_FOLDER}/{r.stage}.onnx",
            signatures[r.stage].inputs,
            signatures[r.stage].outputs,
            r.precision,
            r.error,
        )
        for r in reports
    }
    beyond = (SURFACE_GRIDS,) if avatar.head.spec.surface else ()
    beyond += (SUPER_RESOLUTION,) if avatar.super_resolution else ()
    beyond += (HEARING,) if avatar.card.hearing != OWN_HEARING else ()
    return Manifest(
        requires=("field", "motion", "torso", *beyond),
        name=avatar.card.name,
        files=list_files(folder),
        stages=stages,
        field=avatar.head.spec,
        torso=avatar.torso.spec,
        motion=avatar.card.motion,
        idle=avatar.card.idle,
        camera=avatar.card.camera,
        feature_width=feature_width(avatar),
        latent_width=latent_width(avatar),
        checkpoint=checkpoint_hash(checkpoints),
        tools=tool_versions(),
        licence=_in_words(avatar.licence),
        hearing=avatar.card.hearing,
        super_resolution=avatar.super_resolution is not None,
    )


def _in_words(markdown: str) -> str:
    """The first paragraph of the licence notes that is no heading, on one line."""
    paragraphs = [" ".join(p.split()) for p in markdown.split("\n\n")]
    return next((p for p in paragraphs if p and not p.startswith("#")), "not stated")
