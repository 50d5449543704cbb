"""Everything in an engine directory that could run, and what runs it here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..contract.engine_directory import file_path
from ..contract.engines import EngineSpec
from ..contract.errors import BadEngineDirectory, Unavailable
from ..contract.manifest import Manifest
from ..contract.stages import Signature
from ..contract.tensors import StageError
from ..runtime.backends.onnxruntime import OnnxRuntimeRunner
from ..runtime.backends.protocol import Runner
from .inspection import stage_order


@dataclass(frozen=True)
class Candidate:
    """One network in one precision for one target.

    Attributes:
        stage, target, precision, file: what it is; the file is inside the directory.
        size: of the file, bytes.
        error: as the manifest has it; None: never executed.
        signature: of its stage.
        architectures: compute capabilities of an engine.
        kept: nodes of a variant that stayed in fp32.
        open: make a runner of it, given a number of threads; `Unavailable` where nothing here can.
        engine: of an engine, what the manifest says.
    """

    stage: str
    target: str
    precision: str
    file: str
    size: int
    error: StageError | None
    signature: Signature
    open: Callable[[int], Runner]
    architectures: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    engine: EngineSpec | None = None


def candidates(folder: Path, manifest: Manifest) -> Iterator[Candidate]:
    """By stage in the order of a frame: the float32 file, its variants, its engines."""
    for stage in stage_order(manifest.stages):
        spec = manifest.stages[stage]
        signature = Signature(spec.inputs, spec.outputs)
        files: list[tuple[str, str, StageError | None, tuple[str, ...]]] = [
            (spec.precision, spec.file, spec.error, ())
        ]
        files += [
            (v.precision, v.file, v.error, v.kept) for v in manifest.variants if v.stage == stage
        ]
        for precision, file, error, kept in files:
            path = file_path(folder, file)
            yield Candidate(
                stage,
                "onnxruntime",
                precision,
                file,
                manifest.files[file].size,
                error,
                signature,
                _onnx(path, precision),
                kept=kept,
            )
        for engine in (e for e in manifest.engines if e.stage == stage):
            yield Candidate(
                stage,
                engine.target,
                engine.precision,
                engine.file,
                manifest.files[engine.file].size,
                engine.error,
                signature,
                _engine(folder, manifest, engine),
                engine.architectures,
                engine=engine,
            )


def _onnx(path: Path, precision: str) -> Callable[[int], Runner]:
    def opened(threads: int) -> Runner:
        try:
            return OnnxRuntimeRunner(path, threads)
        except BadEngineDirectory as error:
            if precision != "bf16":
                raise
            # Its CPU provider knows the type, but hardly an operator that computes in it.
            raise Unavailable(
                f"{path.name} on ONNX Runtime's processor backend",
                expected="operators that compute in bfloat16",
                found=error.found,
            ) from None

    return opened


def _engine(folder: Path, manifest: Manifest, engine: EngineSpec) -> Callable[[int], Runner]:
    def opened(threads: int) -> Runner:
        from ..runtime.backends.tensorrt import open_engine

        return open_engine(folder, manifest, engine)

    return opened
