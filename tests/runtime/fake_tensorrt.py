"""A model of TensorRT and TensorRT-RTX on the machine of ``fake_cuda``.

It is strict where the real ones are undefined or fatal, so that what passes here has a chance
there:

* TensorRT touched without a working driver takes the process down: an `AssertionError` here.
* Networks may only touch memory that is allocated, and only as much of it.
* Every input needs a shape inside the profile, and every tensor an address that is not 0, before
  ``execute_async_v3``; what is refused returns False and says why to the logger.
* ``deserialize_cuda_engine`` returns None for a plan that is damaged, of another version or made
  for another GPU.

A plan holds the ONNX file it was made of, which ONNX Runtime computes: results can be compared.
"""

from __future__ import annotations

import ctypes
import enum
import functools
import hashlib
import importlib.machinery
import json
import math
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from emogene.contract.engines import EngineSpec
from emogene.contract.tensors import StageSpec

from .fake_cuda import Machine

MAGIC = b"PLAN"


def make_plan(engine: EngineSpec, stage: StageSpec, onnx: bytes) -> bytes:
    """The bytes of an engine file."""
    header = {
        "target": engine.target,
        "version": engine.tool.split()[-1],
        "architectures": engine.architectures,
        "symbol": engine.profile.symbol,
        "range": (engine.profile.minimum, engine.profile.maximum),
        "inputs": [(s.name, s.dtype, s.shape) for s in stage.inputs],
        "outputs": [(s.name, s.dtype, s.shape) for s in stage.outputs],
    }
    body = json.dumps(header).encode() + b"\n" + onnx
    return MAGIC + hashlib.sha256(body).digest() + body


def install(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    rtx: str = "",
    proper: str = "",
) -> None:
    """Put a machine in place of this one, with these versions of the two libraries on it."""
    machine.install(monkeypatch, tmp_path)
    for name, version in (
        ("tensorrt", proper),
        ("tensorrt_rtx", rtx),
        ("tensorrt_rtx_bindings", ""),
    ):
        module = tensorrt_module(machine, name, version) if version else None
        monkeypatch.setitem(sys.modules, name, module)  # type: ignore[arg-type]


class DataType(enum.Enum):
    """TensorRT's names of numpy's types."""

    FLOAT = "float32"
    HALF = "float16"
    INT32 = "int32"
    INT64 = "int64"


class TensorIOMode(enum.Enum):
    """Direction of a tensor."""

    INPUT = 1
    OUTPUT = 2


class ILogger:
    """To be subclassed; ``log`` gets severity and message."""

    INTERNAL_ERROR, ERROR, WARNING = range(3)

    def log(self, severity: int, message: str) -> None:
        raise NotImplementedError


def tensorrt_module(machine: Machine, name: str, version: str) -> types.ModuleType:
    """``tensorrt`` or ``tensorrt_rtx``."""
    module = types.ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None)
    members = {
        "__version__": version,
        "ILogger": ILogger,
        "DataType": DataType,
        "TensorIOMode": TensorIOMode,
        "Runtime": functools.partial(Runtime, machine, name.replace("_", "-"), version),
    }
    if name == "tensorrt_rtx":
        members["CudaGraphStrategy"] = enum.Enum(
            "CudaGraphStrategy", ("DISABLED", "WHOLE_GRAPH_CAPTURE")
        )
    for key, value in members.items():
        setattr(module, key, value)
    return module


class Runtime:
    """Deserialises plans."""

    def __init__(self, machine: Machine, target: str, version: str, logger: ILogger) -> None:
        assert machine.ready, "TensorRT was touched without a driver: it would have crashed"
        assert type(logger) is not ILogger and isinstance(logger, ILogger)
        self.machine, self.target, self.version, self.logger = machine, target, version, logger

    def deserialize_cuda_engine(self, data: bytes) -> Engine | None:
        self.machine.log.append("deserialize_cuda_engine")
        digest, body = data[4:36], data[36:]
        if data[:4] != MAGIC or hashlib.sha256(body).digest() != digest:
            self.logger.log(ILogger.ERROR, "magicTag\n  does not match")
            return None
        first, _, onnx = body.partition(b"\n")
        header = json.loads(first)
        if (header["target"], header["version"]) != (self.target, self.version):
            self.logger.log(ILogger.ERROR, "the plan is of another version")
            return None
        if self.machine.architecture not in header["architectures"]:
            self.logger.log(ILogger.ERROR, "the plan is for another device")
            return None
        return Engine(self, header, onnx)


class Engine:
    """``ICudaEngine``."""

    def __init__(self, runtime: Runtime, header: dict[str, Any], onnx: bytes) -> None:
        self.runtime, self.header, self.onnx = runtime, header, onnx
        self.tensors = {n: (TensorIOMode.INPUT, d, s) for n, d, s in header["inputs"]}
        self.tensors |= {n: (TensorIOMode.OUTPUT, d, s) for n, d, s in header["outputs"]}
        self.num_io_tensors = len(self.tensors)
        if runtime.target == "tensorrt-rtx":
            self.create_runtime_config = lambda: RuntimeConfig(runtime.machine)

    def get_tensor_name(self, index: int) -> str:
        return list(self.tensors)[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return self.tensors[name][0]

    def get_tensor_dtype(self, name: str) -> DataType:
        return DataType(self.tensors[name][1])

    def create_execution_context(self, runtime_config: RuntimeConfig | None = None) -> Context:
        self.runtime.machine.log.append("create_execution_context")
        return Context(self, runtime_config)


class RuntimeConfig:
    """``IRuntimeConfig`` of TensorRT-RTX."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.cuda_graph_strategy: Any = None
        self.cache: RuntimeCache | None = None

    def create_runtime_cache(self) -> RuntimeCache:
        return RuntimeCache(self.machine)

    def set_runtime_cache(self, cache: RuntimeCache) -> bool:
        self.cache = cache
        return True


class RuntimeCache:
    """``IRuntimeCache``: holds which shapes were compiled for, and refuses another GPU's."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.compiled = machine, set[str]()

    def deserialize(self, data: bytes) -> bool:
        architecture, _, rest = bytes(data).decode(errors="replace").partition("\n")
        if architecture != self.machine.architecture:
            return False
        self.compiled = set(filter(None, rest.split("\n")))
        return True

    def serialize(self) -> memoryview:
        return memoryview("\n".join([self.machine.architecture, *sorted(self.compiled)]).encode())


class Context:
    """``IExecutionContext``."""

    def __init__(self, engine: Engine, config: RuntimeConfig | None) -> None:
        self.engine, self.config = engine, config
        self.machine = engine.runtime.machine
        self.machine.contexts.add(self)
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.addresses: dict[str, int] = {}
        self.session = onnxruntime.InferenceSession(engine.onnx, providers=["CPUExecutionProvider"])

    def _refuse(self, message: str) -> bool:
        self.engine.runtime.logger.log(ILogger.ERROR, message)
        return False

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        mode, _, declared = self.engine.tensors.get(name, (None, "", ()))
        if mode is not TensorIOMode.INPUT:
            return self._refuse(f"{name} is not an input")
        if len(shape) != len(declared):
            return self._refuse(f"{name} has {len(declared)} dimensions")
        least, most = self.engine.header["range"]
        for have, want in zip(shape, declared, strict=True):
            factor = int(want.split("*")[0]) if "*" in str(want) else 1
            low, high = (least, most) if isinstance(want, str) else (want, want)
            if not factor * low <= have <= factor * high:
                return self._refuse(f"{name}: {have} is outside the profile")
        self.shapes[name] = tuple(shape)
        return True

    def infer_shapes(self) -> list[str]:
        return [n for n, _, _ in self.engine.header["inputs"] if n not in self.shapes]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        if name in self.shapes:
            return self.shapes[name]
        assert not self.infer_shapes(), "shapes of outputs were asked before those of inputs"
        return self._compute(self._zeros())[name].shape

    def set_tensor_address(self, name: str, address: int) -> bool:
        if name not in self.engine.tensors:
            return self._refuse(f"{name} is unknown")
        if address == 0:
            return self._refuse(f"{name} has a null address")
        self.addresses[name] = int(address)
        return True

    def is_stream_capturable(self, stream: int) -> bool:
        return True

    def execute_async_v3(self, stream: int) -> bool:
        if missing := self.infer_shapes():
            return self._refuse(f"no shapes for {missing}")
        for name, (_, dtype, _) in self.engine.tensors.items():
            size = math.prod(self.get_tensor_shape(name)) * np.dtype(dtype).itemsize
            if self.machine.room(self.addresses.get(name, 0)) < size:
                return self._refuse(f"{name} has no memory of {size} bytes")
        if stream not in self.machine.streams:
            return self._refuse(f"stream {stream} is unknown")
        if self.config and self.config.cache:
            self.config.cache.compiled.add(str(sorted(self.shapes.items())))
        self.machine.log.append("execute_async_v3")
        shapes, addresses = dict(self.shapes), dict(self.addresses)
        self.machine.enqueue(stream, lambda: self._work(shapes, addresses))
        return True

    def _work(self, shapes: dict[str, tuple[int, ...]], addresses: dict[str, int]) -> None:
        inputs = {
            name: _at(addresses[name], dtype, shapes[name])
            for name, dtype, _ in self.engine.header["inputs"]
        }
        for name, made in self._compute(inputs).items():
            ctypes.memmove(addresses[name], made.ctypes.data, made.nbytes)

    def _zeros(self) -> dict[str, Any]:
        return {n: np.zeros(self.shapes[n], d) for n, d, _ in self.engine.header["inputs"]}

    def _compute(self, inputs: dict[str, Any]) -> dict[str, Any]:
        names = [name for name, _, _ in self.engine.header["outputs"]]
        made = self.session.run(names, inputs)
        return {n: np.ascontiguousarray(v) for n, v in zip(names, made, strict=True)}


def _at(address: int, dtype: str, shape: tuple[int, ...]) -> Any:
    size = math.prod(shape) * np.dtype(dtype).itemsize
    return np.frombuffer(ctypes.string_at(address, size), dtype).reshape(shape)
