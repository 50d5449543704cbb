"""A PyTorch avatar → a verified engine directory, or nothing at all.

Five steps, each kept in a cache by all that decides its bytes: ONNX files compared with PyTorch
(`exporting`), further precisions (`precision_step`), engines (`engine_step`), CUDA kernels
(`cubin_step`), and the reports.
PyTorch is imported only when the first step has something to do.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..contract.codec import canonical, from_plain, to_plain
from ..contract.engine_directory import check_files, read_manifest, replace_folder
from ..contract.engines import Target
from ..contract.errors import BadEngineDirectory
from ..contract.manifest import MANIFEST_FILE, Manifest
from .cubin_step import compile_cubins
from .engine_step import EngineOptions, build_engines
from .owner import check_owner
from .precision_step import PrecisionOptions, make_variants
from .report import Report, StageReport
from .report_files import COMMAND, write_reports
from .stage_cache import StageCache, source_hash
from .tools import checkpoint_hash, machine, tool_versions
from .verify import verify_engine_directory

if TYPE_CHECKING:
    from .exporting import Started

_EXPORT_REPORTS = "export_reports.json"
"""In a cache entry: what was measured when it was exported."""

Finished = Callable[[Report], None]
"""Told what was measured of a network."""

Noted = Callable[[str], None]
"""Told in words what the cache had and what it had not."""


@dataclass(frozen=True)
class BuildOptions:
    """What to build.

    Attributes:
        only: stages to export and compare; nothing is written then. Empty means the directory.
        force: replace a directory that holds another avatar.
        threads: threads ONNX Runtime may use for comparing.
        precision: which further precisions to make of which stage.
        engines: which engines to build, and for what.
        cache: folder of the cache; None uses none.
        command: how to call this build again, for messages. The report keeps no paths of the
            machine it was made on.
    """

    only: tuple[str, ...] = ()
    force: bool = False
    threads: int = 1
    precision: PrecisionOptions = field(default_factory=PrecisionOptions)
    engines: EngineOptions = field(default_factory=EngineOptions)
    cache: Path | None = None
    command: str = COMMAND

    @property
    def targets(self) -> tuple[Target, ...]:
        """ONNX files are always written; these are what else is built."""
        return self.engines.targets


def build_engine_directory(
    checkpoints: Path,
    target: Path,
    options: BuildOptions = BuildOptions(),
    started: Started = lambda what, done, count: None,
    finished: Finished = lambda report: None,
    noted: Noted = lambda words: None,
) -> tuple[Report, ...]:
    """Export every stage, compare it with PyTorch, and put the directory in place if all agree.

    Args:
        checkpoints: a folder that `ReferenceAvatar.load` reads.
        target: the engine directory; one that stands there is replaced only on success.
        started, finished: called before and after each network.
        noted: called with what the cache had.

    Raises:
        BadCheckpoint: the checkpoints cannot be read.
        BadOption: an option names a stage this avatar does not have, or what cannot be built.
        BadOutput: the target holds other files, or another avatar and ``force`` is not set.
        ToleranceMissed: a stage differs too much; the target is as it was.
        Failure: a stage cannot be exported or an engine built; the target is as it was.
        Unavailable: a target cannot be built for on this machine; the target is as it was.
    """
    if options.only:
        return _compare_only(checkpoints, options, started, finished)
    cache = StageCache(options.cache / "exports" if options.cache else None)
    with replace_folder(target) as fresh:
        manifest, reports = _exported(
            checkpoints, target, fresh, options, cache, started, finished, noted
        )
        manifest, variants, seen = make_variants(
            fresh,
            manifest,
            options.precision,
            options.threads,
            options.command,
            cache,
            started,
            finished,
            noted,
        )
        manifest, engines = build_engines(
            fresh, manifest, options.engines, options.cache, started, finished, noted
        )
        manifest = compile_cubins(
            fresh, manifest, options.engines.kernels, options.cache, started, noted
        )
        all_reports = (*reports, *variants, *engines)
        (fresh / MANIFEST_FILE).write_bytes(manifest.to_bytes())
        _read_back(fresh, manifest, options.threads, cache)
        write_reports(fresh, manifest, all_reports, {"machine": dict(machine()), **seen})
    return all_reports


def _compare_only(
    checkpoints: Path, options: BuildOptions, started: Started, finished: Finished
) -> tuple[Report, ...]:
    from ..reference.avatar import ReferenceAvatar
    from .exporting import compare_stages

    avatar = ReferenceAvatar.load(checkpoints)
    with tempfile.TemporaryDirectory() as scratch:
        return compare_stages(
            avatar,
            options.only,
            Path(scratch),
            options.threads,
            options.command,
            started,
            finished,
        )


def _exported(
    checkpoints: Path,
    target: Path,
    fresh: Path,
    options: BuildOptions,
    cache: StageCache,
    started: Started,
    finished: Finished,
    noted: Noted,
) -> tuple[Manifest, tuple[StageReport, ...]]:
    """Fill ``fresh`` with the float32 directory, from the cache or from PyTorch."""
    subject, parts = _subject(checkpoints, target, options), _export_parts(checkpoints)
    found = cache.find("export", subject, parts)
    if found.folder is not None:
        manifest = read_manifest(found.folder)
        _check_directory(target, manifest.name, options.force)
        for name in (*manifest.files, MANIFEST_FILE):
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found.folder / name, fresh / name)
        plain = json.loads((found.folder / _EXPORT_REPORTS).read_bytes())
        reports = from_plain(tuple[StageReport, ...], plain)
        for report in reports:
            finished(report)
        noted(f"cache: {len(reports)} exported stages found")
        return manifest, reports
    if cache.root is not None:
        noted(f"cache: exported stages not found, {found.why}")
    from ..reference.avatar import ReferenceAvatar
    from .exporting import Kept, export_avatar

    avatar = ReferenceAvatar.load(checkpoints)
    _check_directory(target, avatar.card.name, options.force)
    stages = Kept(cache, parts)
    manifest, reports = export_avatar(
        avatar, checkpoints, fresh, options.threads, options.command, started, finished, stages
    )

    def fill(folder: Path) -> None:
        shutil.copytree(fresh, folder, dirs_exist_ok=True)
        (folder / _EXPORT_REPORTS).write_bytes(canonical(to_plain(reports)))

    cache.keep("export", subject, parts, fill)
    stages.drop(manifest.stages)
    return manifest, reports


def _subject(checkpoints: Path, target: Path, options: BuildOptions) -> str:
    """What an export is of, in words: the checkpoints, or where those of an import, which the cache
    names by a hash, are built to."""
    folder = checkpoints.resolve()
    if options.cache is not None and folder.is_relative_to(options.cache.resolve()):
        return str(target.resolve())
    return str(folder)


def _export_parts(checkpoints: Path) -> dict[str, str]:
    """All that decides what an export is: the checkpoint, the tools, our code, the processor."""
    return {
        "checkpoint": checkpoint_hash(checkpoints),
        "exporter's source": source_hash("exporters", "reference", "contract"),
        "architecture": platform.machine(),
        **tool_versions(),
    }


def _check_directory(target: Path, name: str, force: bool) -> None:
    """Refuse to replace another avatar; a damaged or older directory may be rebuilt."""
    try:
        there = read_manifest(target).name
    except BadEngineDirectory:
        return
    check_owner(target, there, name, kind="a directory", force=force)


def _read_back(fresh: Path, manifest: Manifest, threads: int, cache: StageCache) -> None:
    """What was written is read as every user will read it; once for the same bytes."""
    parts = {
        "files": str(json.loads(manifest.to_bytes())["digest"]),
        "exporter's source": source_hash("exporters", "runtime", "contract"),
        "cores": str(os.cpu_count()),
        **tool_versions(),
    }
    if cache.find("verified", manifest.name, parts).folder is not None:
        check_files(fresh, manifest)
        return
    verify_engine_directory(fresh, threads)
    cache.keep("verified", manifest.name, parts, lambda folder: None)
