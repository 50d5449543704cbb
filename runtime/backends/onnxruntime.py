"""ONNX Runtime: on the CPU it runs everywhere and needs nothing but the base install."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...contract.closing import Closing
from ...contract.errors import BadEngineDirectory, Failure, Unavailable
from ...contract.manifest import REBUILD
from ...contract.tensors import TensorSpec
from .protocol import Array, Buffer, DeviceBuffer, Shape, check_buffer, check_shapes
from .providers import CPU, PROVIDERS, Provider, installed_providers, plugin_devices

_NUMPY_TYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(uint8)": "uint8",
}

_ERRORS_ONLY = 3
_CHECK = "check the engine directory with: emogene-export verify DIRECTORY"


class OnnxRuntimeRunner(Closing):
    """An ONNX file on ONNX Runtime. See `protocol.BindingRunner`.

    Args:
        path: the ONNX file; its hash has been checked by the caller.
        threads: processor threads a run may use, the caller's included.
        backend: the provider wanted, a key of `providers.PROVIDERS`.
        strict: refuse to run on another provider than that.

    Attributes:
        backend: the provider ONNX Runtime really took.

    Raises:
        BadEngineDirectory: the file is not a network that ONNX Runtime can load.
        Unavailable: ``strict``, and it runs on another provider.
    """

    def __init__(
        self, path: Path, threads: int, backend: str = CPU, *, strict: bool = False
    ) -> None:
        self._name = path.name
        session = _open_session(path, threads, PROVIDERS[backend])
        self.backend = _real_backend(session)
        if strict and self.backend != backend:
            raise Unavailable(
                path.name,
                expected=f"a network on {backend}",
                found=f"ONNX Runtime put it on {self.backend}",
                remedy=f"{PROVIDERS[backend].install}, or leave out --strict",
            )
        self._session: Any = session
        self.inputs = tuple(_spec(node) for node in session.get_inputs())
        self.outputs = tuple(_spec(node) for node in session.get_outputs())
        self._output_names = [spec.name for spec in self.outputs]

    def run(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Compute all outputs from all inputs, both by name; see `protocol.Runner.run`.

        The same network as `bind` runs, without its buffers: lengths that change with every call
        would only have them made anew.
        """
        session = self._opened()
        try:
            results = session.run(self._output_names, dict(values))
        except Exception as error:
            raise self._failed(error, values) from None
        return dict(zip(self._output_names, map(np.asarray, results), strict=True))

    def bind(
        self, shapes: Mapping[str, Shape], buffers: Mapping[str, Buffer] | None = None
    ) -> OnnxRuntimeBound:
        """Tie the network to shapes and arrays; see `protocol.BindingRunner.bind`.

        Outputs without a buffer are as long as the network makes them: it is run once on zeros.
        """
        self._opened()
        check_shapes(self._name, self.inputs, shapes)
        given = dict(buffers or {})
        known = {spec.name for spec in (*self.inputs, *self.outputs)}
        if unknown := sorted(set(given) - known):
            raise Failure(
                self._name, expected=f"buffers of {', '.join(known)}", found=", ".join(unknown)
            )
        arrays: dict[str, Array] = {}
        for name, buffer in given.items():
            if isinstance(buffer, DeviceBuffer):
                raise Failure(
                    f"{self._name} buffer {name}",
                    expected="an array",
                    found="memory of the GPU",
                    remedy="bind that to a TensorRT engine",
                )
            arrays[name] = buffer
        for spec in self.inputs:
            arrays.setdefault(spec.name, np.zeros(shapes[spec.name], spec.dtype))
            check_buffer(self._name, spec, shapes[spec.name], arrays[spec.name])
        if any(spec.name not in arrays for spec in self.outputs):
            zeros = {spec.name: np.zeros(shapes[spec.name], spec.dtype) for spec in self.inputs}
            for name, made in self.run(zeros).items():
                arrays.setdefault(name, np.zeros_like(made))
        for spec in self.outputs:
            check_shapes(self._name, (spec,), {spec.name: arrays[spec.name].shape})
            check_buffer(self._name, spec, arrays[spec.name].shape, arrays[spec.name])
        return OnnxRuntimeBound(self, arrays)

    def close(self) -> None:
        """Free the network; twice is fine."""
        self._session = None

    def _opened(self) -> Any:
        session = self._session
        if session is None:
            raise Failure(self._name, expected="an open runner", found="a closed one")
        return session

    def _failed(self, error: Exception, values: Mapping[str, Array]) -> Failure:
        shapes = ", ".join(f"{k} {v.dtype} {v.shape}" for k, v in values.items())
        return Failure(
            self._name,
            expected="a run of the network",
            found=f"{_first_line(error)} with {shapes}",
            remedy=_CHECK,
        )


class OnnxRuntimeBound(Closing):
    """A network and its arrays; made by `OnnxRuntimeRunner.bind`. See `protocol.Bound`."""

    def __init__(self, runner: OnnxRuntimeRunner, arrays: Mapping[str, Array]) -> None:
        self._runner, self._arrays = runner, arrays
        binding = runner._opened().io_binding()
        for specs, bind in (
            (runner.inputs, binding.bind_input),
            (runner.outputs, binding.bind_output),
        ):
            for spec in specs:
                array = arrays[spec.name]
                bind(spec.name, "cpu", 0, array.dtype.type, list(array.shape), array.ctypes.data)
        self._binding: Any = binding

    @property
    def buffers(self) -> Mapping[str, Buffer]:
        """Every input and output by name."""
        return dict(self._arrays)

    @property
    def arrays(self) -> Mapping[str, Array]:
        """The buffers, which are all arrays here."""
        return self._arrays

    def run(self, stream: int | None = None) -> None:
        """Read the inputs' arrays, write the outputs'; see `protocol.Bound.run`."""
        if self._binding is None:
            raise Failure(self._runner._name, expected="an open binding", found="a closed one")
        if stream is not None:
            raise Failure(
                self._runner._name,
                expected="no CUDA stream: ONNX Runtime uses its own",
                found=f"stream {stream}",
                remedy="leave it out",
            )
        try:
            self._runner._opened().run_with_iobinding(self._binding)
        except Failure:
            raise
        except Exception as error:
            raise self._runner._failed(error, self._arrays) from None

    def close(self) -> None:
        """Let go of the arrays; twice is fine."""
        self._binding = None


def _open_session(path: Path, threads: int, provider: Provider) -> Any:
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
    cpu = PROVIDERS[CPU].name
    try:
        if devices := plugin_devices(provider.name):
            options.add_provider_for_devices(devices, {})
            return onnxruntime.InferenceSession(str(path), options)
        # A provider that is not there would only be warned of, on standard error.
        wanted = [provider.name] if provider.name in installed_providers() else []
        providers = list(dict.fromkeys([*wanted, cpu]))
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # its exceptions share no base but Exception
        raise BadEngineDirectory(
            str(path),
            expected="a network that ONNX Runtime can load",
            found=_first_line(error),
            remedy="update onnxruntime, or " + REBUILD,
        ) from None


def _real_backend(session: Any) -> str:
    """Our name of the first provider the session has: the one that takes whatever it can."""
    first = str(session.get_providers()[0])
    known = {provider.name: provider.backend for provider in PROVIDERS.values()}
    return known.get(first, f"onnxruntime-{first}")


def _spec(node: Any) -> TensorSpec:
    shape = tuple(d if isinstance(d, int) else str(d) for d in node.shape)
    return TensorSpec(node.name, _NUMPY_TYPES.get(node.type, node.type), shape)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
