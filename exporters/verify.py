"""Prove again that an engine directory is whole and computes what PyTorch computed.

Needs neither PyTorch nor the checkpoints: the directory keeps the reference's answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from ..contract.engine_directory import file_path
from ..contract.errors import ToleranceMissed
from ..contract.manifest import REBUILD
from ..contract.stages import Signature
from ..runtime.loading import load_engine_directory
from .examples import varying_symbol
from .inspection import stage_order
from .known_answers import compare_with_answers, load
from .report import StageReport

RECORDED = "The tolerance the directory was built with."


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
    reports = []
    with closing(load_engine_directory(folder, threads)) as loaded:
        kept = load(folder, loaded.manifest)
        for name in stage_order(loaded.runners):
            begun = time.perf_counter()
            stage = loaded.manifest.stages[name]
            signature = Signature(stage.inputs, stage.outputs)
            differences = compare_with_answers(
                name, signature, loaded.runners[name], kept, stage.error.lengths
            )
            report = StageReport(
                name,
                stage.precision,
                varying_symbol(signature),
                stage.error.tolerance,
                RECORDED,
                differences,
                file_path(folder, stage.file).stat().st_size,
                time.perf_counter() - begun,
            )
            reports.append(report)
            finished(report)
    if missed := [r for r in reports if not r.passed]:
        raise ToleranceMissed(
            f"{folder}: stage {', '.join(r.stage for r in missed)}",
            expected=f"PyTorch's answers within {missed[0].tolerance:.0e}",
            found=", ".join(f"{r.relative_l2:.1e}" for r in missed),
            remedy=REBUILD,
        )
    return tuple(reports)
