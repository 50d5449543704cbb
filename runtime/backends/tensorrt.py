"""TensorRT 10 and 11, and TensorRT-RTX: one backend; they differ in `flavours.FLAVOURS`.

An engine gets here after its hash, flavour, version and architecture were compared with the
manifest. Its tensors are compared with the manifest too, once it is deserialised.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ...contract.closing import Closing
from ...contract.engine_directory import file_path
from ...contract.engines import EngineSpec
from ...contract.errors import BadEngineDirectory, Failure
from ...contract.manifest import Manifest
from ...contract.tensors import TensorSpec
from ...kernels.gpu.opening import open_gpu
from .compatibility import engine_obstacle, library_obstacle, rebuild_command
from .driver import Driver, find_driver
from .flavours import FLAVOURS, Flavour, load
from .jit_cache import JitCacheFile
from .protocol import Array, Buffer, Shape, check_shapes
from .tensorrt_execution import Execution, TensorRtBound

_TYPES = {
    "FLOAT": "float32",
    "HALF": "float16",
    "INT8": "int8",
    "INT32": "int32",
    "INT64": "int64",
    "UINT8": "uint8",
    "BOOL": "bool",
}
_ROWS = ("points", "pixels", "frames")
"""Symbols whose rows are computed independently: too long an input is run in pieces."""


def open_engine(
    folder: Path, manifest: Manifest, engine: EngineSpec, driver: Driver | None = None
) -> TensorRtRunner:
    """Deserialise one engine of a directory whose files have been checked.

    Args:
        driver: what `driver.find_driver` gave; None asks it.

    Raises:
        Unavailable: it was built for another flavour, version or GPU, or this machine lacks the
            library, the driver or a GPU; the message names the command that mends it.
        BadEngineDirectory: TensorRT refuses it, or its tensors are not those of the manifest.
    """
    if engine.target not in FLAVOURS:
        raise BadEngineDirectory(
            engine.file,
            expected=f"an engine for {' or '.join(FLAVOURS)}",
            found=f"one for {engine.target}",
            remedy=rebuild_command(folder, "tensorrt-rtx"),
        )
    flavour, driver = FLAVOURS[engine.target], driver or find_driver()
    obstacle = library_obstacle(flavour, driver)
    if obstacle is None:
        version = str(load(flavour).__version__)
        obstacle = engine_obstacle(folder, engine, flavour, version, driver)
    if obstacle:
        raise obstacle.error()
    return TensorRtRunner(folder, manifest, engine, flavour, driver)


class TensorRtRunner(Closing):
    """An engine on the first GPU. See `protocol.BindingRunner`.

    Every thread that runs it at the same time has an execution context of its own; all are freed
    by `close`. Made by `open_engine`, which checks first.

    Args:
        folder, manifest, engine: which engine.
        flavour: the library.
        driver: with the GPU, for what the library compiles on it.
        graphs: replay a CUDA graph instead of launching kernel by kernel.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        engine: EngineSpec,
        flavour: Flavour,
        driver: Driver,
        *,
        graphs: bool = False,
    ) -> None:
        stage = manifest.stages[engine.stage]
        self.backend = flavour.target
        self.inputs, self.outputs = stage.inputs, stage.outputs
        self._profile, self._name = engine.profile, engine.file
        self._graphs, self._flavour = graphs, flavour
        self._gpu = open_gpu()
        trt = load(flavour)
        self._log = _logger(trt)
        self._log.take()
        self._runtime: Any = trt.Runtime(self._log)
        path = file_path(folder, engine.file)
        self._engine: Any = self._runtime.deserialize_cuda_engine(path.read_bytes())
        remedy = rebuild_command(folder, engine.target, driver.gpus[0].architecture)
        if self._engine is None:
            raise BadEngineDirectory(
                str(path),
                expected=f"an engine that {flavour.thing} {trt.__version__} can load",
                found=self._log.take() or "it refused without a reason",
                remedy=remedy,
            )
        if problems := self._tensor_problems(trt):
            raise BadEngineDirectory(
                str(path),
                expected="the tensors the manifest describes",
                found="; ".join(problems),
                remedy=remedy,
            )
        self._config: Any = None
        self._jit: Any = None
        self._jit_file = JitCacheFile(
            engine, manifest.files[engine.file].sha256, driver, str(trt.__version__)
        )
        if flavour.jit:
            self._configure(trt)
        self._lock = threading.Lock()
        self._idle: list[Execution] = []
        self._closed = False

    @property
    def longest(self) -> int:
        """Rows, or what else its varying length is, that it was built for at most."""
        return self._profile.maximum

    def run(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Compute all outputs from all inputs, both by name; see `protocol.Runner.run`.

        Rows beyond the engine's longest input are run in pieces; none at all, not at all.
        """
        check_shapes(self._name, self.inputs, {k: v.shape for k, v in values.items()})
        arrays = {spec.name: self._array(spec, values[spec.name]) for spec in self.inputs}
        varying = [s.name for s in self.inputs if s.shape and s.shape[0] == self._profile.symbol]
        most = self._profile.maximum
        rows = arrays[varying[0]].shape[0] if varying else 1
        if self._profile.symbol not in _ROWS or not varying or 1 <= rows <= most:
            return self._run(arrays)
        if rows == 0:
            return {s.name: np.zeros((0, *map(int, s.shape[1:])), s.dtype) for s in self.outputs}
        pieces = [
            self._run({k: v[at : at + most] if k in varying else v for k, v in arrays.items()})
            for at in range(0, rows, most)
        ]
        return {s.name: np.concatenate([piece[s.name] for piece in pieces]) for s in self.outputs}

    def bind(
        self, shapes: Mapping[str, Shape], buffers: Mapping[str, Buffer] | None = None
    ) -> TensorRtBound:
        """Tie the engine to shapes and to arrays or the GPU's memory; see `protocol.BindingRunner`.

        It has an execution context of its own. Arrays are copied to and from the GPU by every run;
        memory of the GPU is used as it lies.
        """
        check_shapes(self._name, self.inputs, shapes)
        execution = self._execution()
        try:
            own_graph = self._graphs and not self._flavour.jit
            return TensorRtBound(execution, shapes, dict(buffers or {}), own_graph)
        except BaseException:
            execution.close()
            raise

    def close(self) -> None:
        """Keep what was compiled, free contexts, engine and memory; twice is fine."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            idle, self._idle = self._idle, []
        if self._jit is not None:
            self._jit_file.write(bytes(self._jit.serialize()))
        for execution in idle:
            execution.close()
        # In this order: each lives on what comes after it.
        self._config = self._jit = None
        self._engine = None
        self._runtime = None

    def _array(self, spec: TensorSpec, value: Array) -> Array:
        if str(value.dtype) != spec.dtype:
            raise Failure(
                f"{self._name} input {spec.name}", expected=spec.dtype, found=str(value.dtype)
            )
        return np.ascontiguousarray(value)

    def _run(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        with self._leased() as execution:
            shapes = execution.reshape({name: array.shape for name, array in arrays.items()})
            made = {s.name: np.empty(shapes[s.name], s.dtype) for s in self.outputs}
            execution.own_memory(made.keys() | arrays.keys())
            execution.upload(arrays, execution.stream)
            execution.enqueue(execution.stream)
            execution.download(made, execution.stream)
            execution.synchronise()
        return made

    @contextmanager
    def _leased(self) -> Iterator[Execution]:
        with self._lock:
            execution = self._idle.pop() if self._idle else None
        execution = execution or self._execution()
        try:
            yield execution
        finally:
            with self._lock:
                if not self._closed:
                    self._idle.append(execution)
            if self._closed:
                execution.close()

    def _execution(self) -> Execution:
        with self._lock:
            if self._closed:
                raise Failure(self._name, expected="an open runner", found="a closed one")
            if self._config is None:
                context = self._engine.create_execution_context()
            else:
                context = self._engine.create_execution_context(runtime_config=self._config)
        if context is None:
            raise Failure(
                self._name,
                expected="an execution context",
                found=self._log.take() or "none",
                remedy="end other programs that use the GPU, or choose --backend onnxruntime",
            )
        specs = (self.inputs, self.outputs)
        return Execution(self._name, context, self._gpu, specs, self._profile, self._log)

    def _configure(self, trt: Any) -> None:
        self._config = self._engine.create_runtime_config()
        self._jit = self._config.create_runtime_cache()
        if kept := self._jit_file.read():
            # A cache of another driver is refused by the library too, and then begun anew.
            self._jit.deserialize(kept)
        self._config.set_runtime_cache(self._jit)
        if self._graphs:
            self._config.cuda_graph_strategy = trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE

    def _tensor_problems(self, trt: Any) -> list[str]:
        engine = self._engine
        found = {
            name: (engine.get_tensor_mode(name).name, _type(engine.get_tensor_dtype(name)))
            for name in (engine.get_tensor_name(i) for i in range(engine.num_io_tensors))
        }
        wanted = {s.name: ("INPUT", s.dtype) for s in self.inputs}
        wanted |= {s.name: ("OUTPUT", s.dtype) for s in self.outputs}
        return [
            f"{name} is {' '.join(found.get(name, ('missing',)))} instead of "
            f"{' '.join(wanted.get(name, ('absent',)))}"
            for name in sorted(wanted.keys() | found.keys())
            if wanted.get(name) != found.get(name)
        ]


def _type(value: Any) -> str:
    return _TYPES.get(value.name, str(value.name))


_loggers: dict[str, Any] = {}
_loggers_lock = threading.Lock()


def _logger(trt: Any) -> Any:
    """The process's one logger of a library, which must outlive all else; keeps the last error."""

    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self._last = ""

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self._last = " ".join(message.split())[:300]

        def take(self) -> str:
            said, self._last = self._last, ""
            return said

    with _loggers_lock:
        if trt.__name__ not in _loggers or _loggers[trt.__name__][0] is not trt:
            _loggers[trt.__name__] = (trt, Log())
        return _loggers[trt.__name__][1]
