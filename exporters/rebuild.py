"""New engines for a directory from its own ONNX files: no checkpoints, no PyTorch."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..contract.engine_directory import check_files, file_path, read_manifest, replace_folder
from ..contract.engines import Target
from ..contract.manifest import MANIFEST_FILE, REPORTS_FOLDER
from .cubin_step import compile_cubins
from .engine_step import EngineOptions, build_engines, buildable_targets, without_engines
from .engines.architectures import kernel_architectures
from .report import Report
from .report_files import write_reports
from .verify import verify_engine_directory

if TYPE_CHECKING:
    from .exporting import Started


def rebuild_engine_directory(
    folder: Path,
    options: EngineOptions,
    threads: int = 1,
    cache: Path | None = None,
    started: Started = lambda what, done, count: None,
    finished: Callable[[Report], None] = lambda report: None,
    noted: Callable[[str], None] = lambda words: None,
) -> tuple[Report, ...]:
    """Build the engines of a directory anew, and replace the directory on success.

    ONNX files, weights and everything else stay byte for byte; engines of targets that are not
    asked for go, because the directory holds what the last build asked for.

    Args:
        cache: folder of the cache; None uses none.

    Raises:
        BadEngineDirectory: the directory is damaged; `build-engines` makes a new one.
        BadOption, Failure, Unavailable: as `engine_step.build_engines`; the directory is as it was.
        ToleranceMissed: something in it no longer gives PyTorch's answers.
    """
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    with replace_folder(folder) as fresh:
        bare = without_engines(manifest)
        for name in bare.files:
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file_path(folder, name), fresh / name)
        built, _ = build_engines(fresh, bare, options, cache, started, lambda _: None, noted)
        built = compile_cubins(fresh, built, options.kernels, cache, started, noted)
        (fresh / MANIFEST_FILE).write_bytes(built.to_bytes())
        if (folder / REPORTS_FOLDER).is_dir():
            shutil.copytree(folder / REPORTS_FOLDER, fresh / REPORTS_FOLDER)
        reports = verify_engine_directory(fresh, threads, finished)
        write_reports(fresh, built, reports, {})
    return reports


def wanted_targets(folder: Path, given: tuple[Target, ...]) -> tuple[Target, ...]:
    """The targets asked for, else those the directory has engines for, else what can be built."""
    if given:
        return given
    there = dict.fromkeys(engine.target for engine in read_manifest(folder).engines)
    return ("onnxruntime", *there) if there else buildable_targets()


def wanted_architectures(folder: Path, given: tuple[str, ...]) -> tuple[str, ...]:
    """The GPUs asked for, else those the directory's TensorRT-RTX engines were built for."""
    if given:
        return given
    engines = [e for e in read_manifest(folder).engines if e.target == "tensorrt-rtx"]
    return engines[0].architectures if engines else EngineOptions().architectures


def wanted_kernels(folder: Path, given: tuple[str, ...]) -> tuple[str, ...]:
    """The GPUs asked for, else those the directory's CUDA kernels were compiled for."""
    there = {cubin.architecture for cubin in read_manifest(folder).cubins}
    return kernel_architectures(given or sorted(there))
