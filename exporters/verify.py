"""Prove again that an engine directory is whole and computes what PyTorch computed.

Needs neither PyTorch nor the checkpoints: the directory keeps the reference's answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from safetensors import SafetensorError, safe_open

from ..contract.engine_directory import check_files, file_path, read_manifest
from ..contract.errors import BadEngineDirectory, ToleranceMissed
from ..contract.manifest import REBUILD, WEIGHTS_FILE, Manifest
from ..contract.stages import Signature, signatures
from ..contract.weights import weight_problems, weight_specs
from ..runtime.backends.onnxruntime import OnnxRuntimeRunner
from ..runtime.backends.protocol import Runner
from .examples import varying_symbol
from .inspection import stage_order
from .known_answers import compare_with_answers, load
from .report import StageReport

RECORDED = "the tolerance the directory was built with"


def verify_engine_directory(
    folder: Path,
    threads: int = 1,
    finished: Callable[[StageReport], None] = lambda report: None,
) -> tuple[StageReport, ...]:
    """Check manifest, hashes, tensors and signatures; run every stage against the known answers.

    Args:
        threads: threads ONNX Runtime may use.
        finished: called with what was measured of each stage.

    Raises:
        BadEngineDirectory: the directory is damaged or inconsistent.
        ToleranceMissed: a stage no longer gives the reference's answers.
    """
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    _check_weights(folder, manifest)
    kept = load(folder)
    expected = _expected_signatures(manifest)
    reports = []
    for name in stage_order(manifest.stages):
        stage = manifest.stages[name]
        begun = time.perf_counter()
        signature = Signature(stage.inputs, stage.outputs)
        where = str(folder / stage.file)
        _check_signature(where, signature, expected.get(name, signature), "contract/stages.py")
        path = file_path(folder, stage.file)
        with OnnxRuntimeRunner(path, threads) as runner:
            _check_signature(where, _signature_of(runner), signature, "the manifest")
            differences = compare_with_answers(name, signature, runner, kept, stage.error.lengths)
        report = StageReport(
            name,
            stage.precision,
            varying_symbol(signature),
            stage.error.tolerance,
            RECORDED,
            differences,
            path.stat().st_size,
            time.perf_counter() - begun,
        )
        reports.append(report)
        finished(report)
    _check_tolerances(folder, reports)
    return tuple(reports)


def _expected_signatures(manifest: Manifest) -> dict[str, Signature]:
    return signatures(
        manifest.field,
        manifest.torso,
        manifest.motion,
        manifest.feature_width,
        manifest.latent_width,
    )


def _signature_of(runner: Runner) -> Signature:
    return Signature(runner.inputs, runner.outputs)


def _check_signature(where: str, found: Signature, expected: Signature, source: str) -> None:
    if found != expected:
        raise BadEngineDirectory(
            where,
            expected=f"{_shown(expected)} as in {source}",
            found=_shown(found),
            remedy=REBUILD,
        )


def _shown(signature: Signature) -> str:
    sides = (
        ", ".join(f"{t.name} {t.dtype} ({', '.join(map(str, t.shape))})" for t in side)
        for side in (signature.inputs, signature.outputs)
    )
    return " → ".join(sides)


def _check_weights(folder: Path, manifest: Manifest) -> None:
    """Names, types and shapes of the tensors; their values are covered by the hash."""
    path = file_path(folder, WEIGHTS_FILE)
    try:
        with safe_open(path, framework="np") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise BadEngineDirectory(
            str(path), expected="a safetensors file", found=str(error), remedy=REBUILD
        ) from None
    found = {name: (str(t.dtype), t.shape) for name, t in tensors.items()}
    specs = weight_specs(manifest.field, manifest.torso, manifest.motion, manifest.camera)
    if problems := weight_problems(specs, found):
        raise BadEngineDirectory(
            str(path),
            expected="the tensors of contract/weights.py",
            found="; ".join(problems),
            remedy=REBUILD,
        )


def _check_tolerances(folder: Path, reports: Sequence[StageReport]) -> None:
    missed = [r for r in reports if not r.passed]
    if missed:
        raise ToleranceMissed(
            f"{folder}: stage {', '.join(r.stage for r in missed)}",
            expected=f"the reference's answers within {missed[0].tolerance:.0e}",
            found=", ".join(f"{r.relative_l2:.1e}" for r in missed),
            remedy=REBUILD,
        )
