"""Prove again that an engine directory is whole and computes what PyTorch computed.

Needs neither PyTorch nor the checkpoints: the directory keeps the reference's answers.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from ..contract.engine_directory import check_files, read_manifest
from ..contract.errors import BadEngineDirectory, ToleranceMissed, Unavailable
from ..contract.manifest import MANIFEST_FILE, REBUILD, Manifest
from ..runtime.backends.protocol import Array
from ..runtime.loading import load_engine_directory
from .candidates import Candidate, candidates
from .examples import LENGTHS, varying_symbol
from .known_answers import compare_with_answers, load
from .report import NotExecuted, Report, StageReport, measured
from .report_files import replace_file, write_reports
from .tolerances import tolerance
from .tools import machine

RECORDED = "The tolerance the directory was built with, stricter than this version's."


def verify_engine_directory(
    folder: Path,
    threads: int = 1,
    finished: Callable[[Report], None] = lambda report: None,
) -> tuple[Report, ...]:
    """Check manifest, hashes, tensors and signatures; run all that runs here against the answers.

    What cannot be executed on this machine is reported as `NotExecuted`; it does not pass.

    Args:
        threads: threads ONNX Runtime may use.
        finished: called with what was measured of each network.

    Raises:
        BadEngineDirectory: the directory is damaged or inconsistent.
        ToleranceMissed: a network no longer gives the reference's answers.
    """
    load_engine_directory(folder, threads).close()
    manifest = read_manifest(folder)
    kept = load(folder, manifest)
    reports: list[Report] = []
    for candidate in candidates(folder, manifest):
        report = verify_candidate(candidate, kept, threads)
        reports.append(report)
        finished(report)
    if missed := [r for r in measured(reports) if not r.passed]:
        raise ToleranceMissed(
            f"{folder}: stage {', '.join(f'{r.stage} {r.precision}' for r in missed)}",
            expected=f"PyTorch's answers within {missed[0].tolerance:.0e}",
            found=", ".join(f"{r.relative_l2:.1e}" for r in missed),
            remedy=REBUILD,
        )
    return tuple(reports)


def verify_candidate(candidate: Candidate, kept: Mapping[str, Array], threads: int) -> Report:
    """Run one network on every length and compare it with the answers of PyTorch.

    Raises:
        BadEngineDirectory: nothing says at which lengths, or how exact it has to be.
    """
    begun = time.perf_counter()
    try:
        runner = candidate.open(threads)
    except Unavailable as error:
        return NotExecuted(
            candidate.stage,
            candidate.precision,
            candidate.target,
            candidate.size,
            time.perf_counter() - begun,
            str(error),
            candidate.architectures,
            candidate.kept,
        )
    symbol = varying_symbol(candidate.signature)
    limit, reason, lengths = _limit(candidate, symbol)
    with closing(runner):
        differences = compare_with_answers(
            candidate.stage, candidate.signature, runner, kept, lengths
        )
    return StageReport(
        candidate.stage,
        candidate.precision,
        symbol,
        limit,
        reason,
        differences,
        candidate.size,
        time.perf_counter() - begun,
        candidate.target,
        candidate.architectures,
        candidate.kept,
    )


def _limit(candidate: Candidate, symbol: str) -> tuple[float, str, tuple[int, ...]]:
    """Tolerance, its reason, and the lengths to run: those an engine's profile accepts.

    A directory may record a stricter tolerance than the table's, never a looser one: else it would
    decide itself whether it passes.
    """
    try:
        limit = tolerance(candidate.stage, candidate.precision)
    except KeyError:
        raise BadEngineDirectory(
            candidate.file,
            expected="a precision with a tolerance",
            found=f"{candidate.precision} of stage {candidate.stage}",
            remedy=REBUILD,
        ) from None
    most, reason, lengths = limit.relative_l2, limit.reason, LENGTHS[symbol]
    if candidate.error is not None:
        lengths = candidate.error.lengths
        if not candidate.error.tolerance >= most:
            most, reason = candidate.error.tolerance, RECORDED
    elif candidate.engine is not None:
        profile = candidate.engine.profile
        lengths = tuple(n for n in lengths if profile.minimum <= n <= profile.maximum)
    if not lengths:
        raise BadEngineDirectory(
            candidate.file, expected="a length to compare at", found="none", remedy=REBUILD
        )
    return most, reason, lengths


def complete_report(folder: Path, reports: Sequence[Report]) -> Manifest:
    """Write what was measured on this machine into the manifest and the reports of a directory.

    Each file is replaced by one rename; if the second fails, the first is true all the same.

    Returns:
        the manifest as it stands now.
    """
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    errors = {(r.stage, r.target, r.precision, r.architectures): r.error for r in measured(reports)}
    engines = tuple(
        dataclasses.replace(
            e, error=errors.get((e.stage, e.target, e.precision, e.architectures), e.error)
        )
        for e in manifest.engines
    )
    manifest = dataclasses.replace(manifest, engines=engines)
    replace_file(folder / MANIFEST_FILE, manifest.to_bytes())
    write_reports(folder, manifest, reports, {"verified_on": dict(machine())})
    return manifest
