"""An engine directory's stages → runners, on the best backend that opens them all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ...contract.engine_directory import file_path
from ...contract.errors import BadEngineDirectory, BadOption, Unavailable
from ...contract.manifest import Manifest
from .choice import AUTO, Candidate, Choice, choose, failed
from .onnxruntime import OnnxRuntimeRunner
from .protocol import BindingRunner
from .providers import CPU, PROVIDERS
from .tensorrt import open_engine


def open_stages(
    folder: Path,
    manifest: Manifest,
    stages: Iterable[str],
    threads: int,
    backend: str = AUTO,
    *,
    strict: bool = False,
    precisions: Mapping[str, str] | None = None,
) -> tuple[dict[str, BindingRunner], Choice]:
    """Make the runners of a directory whose files have been checked.

    A backend that seemed to work and then does not open is given up for the next.

    Args:
        stages: which to open.
        threads: processor threads a network may use.
        backend: one of `choice.BACKENDS` or `providers.PROVIDERS`.
        strict: refuse every fallback.
        precisions: stages to run on ONNX Runtime in another precision than float32.

    Raises:
        BadEngineDirectory: a file is not a network, though its hash is right.
        BadOption: there is no such backend, or a stage is not there in such a precision.
        Unavailable: ``strict``, and it is a fallback.
    """
    stages = tuple(stages)
    asked = {stage: onnx_file(manifest, stage, p) for stage, p in (precisions or {}).items()}
    failures: tuple[Candidate, ...] = ()
    driver = None
    while True:
        made = choose(folder, manifest, backend, strict=strict, failures=failures, driver=driver)
        driver = made.driver
        try:
            return _open(folder, manifest, stages, threads, made, asked)
        except (BadEngineDirectory, Unavailable) as error:
            if made.used == CPU:
                raise
            failures = (*failures, failed(made.used, error, wanted=True))


def _open(
    folder: Path,
    manifest: Manifest,
    stages: tuple[str, ...],
    threads: int,
    choice: Choice,
    asked: Mapping[str, str],
) -> tuple[dict[str, BindingRunner], Choice]:
    runners: dict[str, BindingRunner] = {}
    provider = choice.used if choice.used in PROVIDERS else CPU
    try:
        for stage in stages:
            if stage in choice.engines and stage not in asked:
                engine = choice.engines[stage]
                runners[stage] = open_engine(folder, manifest, engine, choice.driver)
            else:
                path = file_path(folder, asked.get(stage, manifest.stages[stage].file))
                # Always strict here: a provider that ONNX Runtime drops must not go unnoticed.
                runners[stage] = OnnxRuntimeRunner(path, threads, provider, strict=True)
    except BaseException:
        for runner in runners.values():
            runner.close()
        raise
    return runners, choice


def onnx_file(manifest: Manifest, stage: str, precision: str) -> str:
    """The stage's ONNX file in this precision, inside the directory.

    Raises:
        BadOption: no such stage, or it is not there in this precision.
    """
    if stage not in manifest.stages:
        raise BadOption(
            f"precision of {stage}",
            expected=f"one of the stages {', '.join(manifest.stages)}",
            found=repr(stage),
        )
    files = {manifest.stages[stage].precision: manifest.stages[stage].file}
    files |= {v.precision: v.file for v in manifest.variants if v.stage == stage}
    if precision not in files:
        raise BadOption(
            f"precision of {stage}",
            expected=f"one this directory holds: {', '.join(files)}",
            found=repr(precision),
            remedy="build it with emogene-export build-engines --precision or --int8-hubert",
        )
    return files[precision]
