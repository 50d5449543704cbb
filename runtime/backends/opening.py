"""An engine directory's stages → runners, on the best backend that opens them all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ...contract.engine_directory import file_path
from ...contract.errors import BadEngineDirectory, Unavailable
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
) -> tuple[dict[str, BindingRunner], Choice]:
    """Make the runners of a directory whose files have been checked.

    A backend that seemed to work and then does not open is given up for the next.

    Args:
        stages: which to open.
        threads: processor threads a network may use.
        backend: one of `choice.BACKENDS` or `providers.PROVIDERS`.
        strict: refuse every fallback.

    Raises:
        BadEngineDirectory: a file is not a network, though its hash is right.
        BadOption: there is no such backend.
        Unavailable: ``strict``, and it is a fallback.
    """
    stages = tuple(stages)
    failures: tuple[Candidate, ...] = ()
    driver = None
    while True:
        made = choose(folder, manifest, backend, strict=strict, failures=failures, driver=driver)
        driver = made.driver
        try:
            return _open(folder, manifest, stages, threads, made)
        except (BadEngineDirectory, Unavailable) as error:
            if made.used == CPU:
                raise
            failures = (*failures, failed(made.used, error, wanted=True))


def _open(
    folder: Path, manifest: Manifest, stages: tuple[str, ...], threads: int, choice: Choice
) -> tuple[dict[str, BindingRunner], Choice]:
    runners: dict[str, BindingRunner] = {}
    provider = choice.used if choice.used in PROVIDERS else CPU
    try:
        for stage in stages:
            if stage in choice.engines:
                engine = choice.engines[stage]
                runners[stage] = open_engine(folder, manifest, engine, choice.driver)
            else:
                path = file_path(folder, manifest.stages[stage].file)
                # Always strict here: a provider that ONNX Runtime drops must not go unnoticed.
                runners[stage] = OnnxRuntimeRunner(path, threads, provider, strict=True)
    except BaseException:
        for runner in runners.values():
            runner.close()
        raise
    return runners, choice
