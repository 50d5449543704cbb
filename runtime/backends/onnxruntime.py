"""ONNX Runtime on the CPU: runs everywhere, needs nothing but the base install."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ...contract.errors import BadEngineDirectory, Failure
from ...contract.manifest import REBUILD
from ...contract.tensors import TensorSpec
from .protocol import Array

NAME = "onnxruntime-cpu"

_NUMPY_TYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(uint8)": "uint8",
}

_ERRORS_ONLY = 3


class OnnxRuntimeRunner:
    """An ONNX file on ONNX Runtime's CPU provider. See `protocol.Runner`.

    Args:
        path: the ONNX file; its hash has been checked by the caller.
        threads: threads a run may use, the caller's included.

    Raises:
        BadEngineDirectory: the file is not a network that ONNX Runtime can load.
    """

    backend = NAME

    def __init__(self, path: Path, threads: int) -> None:
        # Imported here so that `import emogene` and `--help` stay quick.
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # A waiting thread must not burn the processor that the kernels need.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # The arena keeps the largest buffers ever used, for every network of every avatar.
        options.enable_cpu_mem_arena = False
        options.log_severity_level = _ERRORS_ONLY
        self._name = path.name
        try:
            session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its exceptions share no base but Exception
            raise BadEngineDirectory(
                str(path),
                expected="a network that ONNX Runtime can load",
                found=_first_line(error),
                remedy="update onnxruntime, or " + REBUILD,
            ) from None
        self._session: Any = session
        self.inputs = tuple(_spec(node) for node in session.get_inputs())
        self.outputs = tuple(_spec(node) for node in session.get_outputs())
        self._output_names = [spec.name for spec in self.outputs]

    def run(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Compute all outputs from all inputs, both by name; see `protocol.Runner.run`."""
        session = self._session
        if session is None:
            raise Failure(self._name, expected="an open runner", found="a closed one")
        try:
            results = session.run(self._output_names, dict(values))
        except Exception as error:
            shapes = ", ".join(f"{k} {v.dtype} {v.shape}" for k, v in values.items())
            raise Failure(
                self._name,
                expected="a run of the network",
                found=f"{_first_line(error)} with {shapes}",
                remedy="check the engine directory with: emogene-export verify DIRECTORY",
            ) from None
        return dict(zip(self._output_names, map(np.asarray, results), strict=True))

    def close(self) -> None:
        """Free the network; twice is fine."""
        self._session = None

    def __enter__(self) -> OnnxRuntimeRunner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _spec(node: Any) -> TensorSpec:
    shape = tuple(d if isinstance(d, int) else str(d) for d in node.shape)
    return TensorSpec(node.name, _NUMPY_TYPES.get(node.type, node.type), shape)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
