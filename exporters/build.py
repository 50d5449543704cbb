"""A PyTorch avatar → a verified engine directory, or nothing at all."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..contract.engine_directory import list_files, read_manifest, replace_folder
from ..contract.errors import BadEngineDirectory, BadOption, BadOutput, ToleranceMissed
from ..contract.manifest import MANIFEST_FILE, REPORTS_FOLDER, WEIGHTS_FILE, Manifest
from ..contract.stages import Signature
from ..contract.tensors import StageSpec
from ..reference.avatar import LICENCE_FILE, ReferenceAvatar
from ..runtime.backends.onnxruntime import OnnxRuntimeRunner
from ..runtime.backends.protocol import Array
from .compare import compare
from .examples import LENGTHS, varying_symbol
from .known_answers import KNOWN_ANSWERS_FILE, answers, to_bytes
from .onnx_file import onnx_bytes
from .report import REPORT_JSON, REPORT_MARKDOWN, StageReport, report_json, report_markdown
from .runners import TorchRunner
from .stages import LOADERS, feature_width, latent_width, stage_signatures
from .tolerances import tolerance
from .tools import checkpoint_hash, machine, tool_versions
from .verify import verify_engine_directory
from .weights import weights_bytes

STAGES_FOLDER = "stages"

COMMAND = "emogene-export build-engines CHECKPOINTS -o DIRECTORY"

Started = Callable[[str, int, int], None]
"""Told the stage that begins, how many are done, and how many there are."""

Finished = Callable[[StageReport], None]
"""Told what was measured of a stage."""


@dataclass(frozen=True)
class BuildOptions:
    """What to build.

    Attributes:
        only: stages to export and compare; nothing is written then. Empty means the directory.
        force: replace a directory that holds another avatar.
        threads: threads ONNX Runtime may use for comparing.
        command: how to call this build again, for messages. The report keeps no paths of the
            machine it was made on.
    """

    only: tuple[str, ...] = ()
    force: bool = False
    threads: int = 1
    command: str = COMMAND


def build_engine_directory(
    checkpoints: Path,
    target: Path,
    options: BuildOptions = BuildOptions(),
    started: Started = lambda stage, done, count: None,
    finished: Finished = lambda report: None,
) -> tuple[StageReport, ...]:
    """Export every stage, compare it with PyTorch, and put the directory in place if all agree.

    Args:
        checkpoints: a folder that `ReferenceAvatar.load` reads.
        target: the engine directory; one that stands there is replaced only on success.
        started, finished: called before and after each stage.

    Raises:
        BadCheckpoint: the checkpoints cannot be read.
        BadOption: ``only`` names a stage this avatar does not have.
        BadOutput: the target holds other files, or another avatar and ``force`` is not set.
        ToleranceMissed: a stage differs too much; the target is as it was.
        Failure: a stage cannot be exported; the target is as it was.
    """
    avatar = ReferenceAvatar.load(checkpoints)
    wanted = _wanted(stage_signatures(avatar), options.only)
    if options.only:
        with tempfile.TemporaryDirectory() as scratch:
            reports, _ = _export_stages(avatar, wanted, Path(scratch), options, started, finished)
        _check_tolerances(reports, options.command)
        return reports
    if not options.force:
        _check_owner(target, avatar.card.name)
    with replace_folder(target) as fresh:
        (fresh / STAGES_FOLDER).mkdir()
        reports, kept = _export_stages(
            avatar, wanted, fresh / STAGES_FOLDER, options, started, finished
        )
        _check_tolerances(reports, options.command)
        (fresh / KNOWN_ANSWERS_FILE).write_bytes(to_bytes(kept))
        (fresh / WEIGHTS_FILE).write_bytes(weights_bytes(avatar))
        (fresh / LICENCE_FILE).write_text(avatar.licence, "utf-8")
        manifest = _manifest(avatar, checkpoints, fresh, wanted, reports)
        (fresh / MANIFEST_FILE).write_bytes(manifest.to_bytes())
        _write_reports(fresh / REPORTS_FOLDER, manifest, reports)
        # What was written is read back as every user will read it.
        verify_engine_directory(fresh, options.threads)
    return reports


def _wanted(signatures: dict[str, Signature], only: Iterable[str]) -> dict[str, Signature]:
    for name in only:
        if name not in signatures:
            raise BadOption("--stage", expected=f"one of {', '.join(signatures)}", found=name)
    return {n: s for n, s in signatures.items() if not only or n in only}


def _export_stages(
    avatar: ReferenceAvatar,
    wanted: dict[str, Signature],
    folder: Path,
    options: BuildOptions,
    started: Started,
    finished: Finished,
) -> tuple[tuple[StageReport, ...], dict[str, Array]]:
    """Write ``<stage>.onnx`` into ``folder``; give the reports and the answers to keep."""
    reports: list[StageReport] = []
    kept: dict[str, Array] = {}
    for stage, signature in wanted.items():
        started(stage, len(reports), len(wanted))
        begun = time.perf_counter()
        module = LOADERS[stage](avatar).eval()
        path = folder / f"{stage}.onnx"
        path.write_bytes(onnx_bytes(stage, module, signature))
        symbol, limit = varying_symbol(signature), tolerance(stage, "fp32")
        lengths = LENGTHS[symbol]
        with (
            TorchRunner(module, signature) as reference,
            OnnxRuntimeRunner(path, options.threads) as candidate,
        ):
            differences = compare(stage, signature, candidate, reference, lengths)
            kept |= answers(stage, signature, reference, lengths)
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
        reports.append(report)
        finished(report)
    return tuple(reports), kept


def _check_tolerances(reports: Sequence[StageReport], command: str) -> None:
    missed = [r for r in reports if not r.passed]
    if missed:
        again = " ".join(f"--stage {r.stage}" for r in missed)
        raise ToleranceMissed(
            f"stage {', '.join(r.stage for r in missed)}",
            expected=f"a relative L2 of at most {missed[0].tolerance:.0e}",
            found=", ".join(f"{r.relative_l2:.1e}" for r in missed),
            remedy=f"nothing was written; see it again with: {command} {again}",
        )


def _check_owner(target: Path, name: str) -> None:
    """Refuse to replace another avatar; a damaged or older directory may be rebuilt."""
    try:
        there = read_manifest(target).name
    except BadEngineDirectory:
        return
    if there != name:
        raise BadOutput(
            str(target),
            expected=f"a new folder, or a directory of the avatar {name!r}",
            found=f"the avatar {there!r}",
            remedy="choose another folder, or replace it with --force",
        )


def _in_words(markdown: str) -> str:
    """The first paragraph of the licence notes that is no heading, on one line."""
    paragraphs = [" ".join(p.split()) for p in markdown.split("\n\n")]
    return next((p for p in paragraphs if p and not p.startswith("#")), "not stated")


def _manifest(
    avatar: ReferenceAvatar,
    checkpoints: Path,
    fresh: Path,
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
    return Manifest(
        name=avatar.card.name,
        files=list_files(fresh),
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
    )


def _write_reports(folder: Path, manifest: Manifest, reports: Sequence[StageReport]) -> None:
    context = {
        "avatar": manifest.name,
        "checkpoint": manifest.checkpoint,
        "tools": dict(manifest.tools),
        "machine": dict(machine()),
        "command": COMMAND,
    }
    folder.mkdir()
    (folder / REPORT_JSON).write_bytes(report_json(reports, context))
    (folder / REPORT_MARKDOWN).write_text(report_markdown(reports, context), "utf-8")
