"""One execution context of an engine, its stream, and memory of the GPU that only grows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ...contract.closing import Closing
from ...contract.engines import LengthProfile
from ...contract.errors import Failure
from ...contract.tensors import TensorSpec
from ...kernels.gpu.protocol import Gpu
from .protocol import Array, Buffer, DeviceBuffer, Shape, byte_size, check_buffer


class Execution:
    """A context that can be given other shapes between runs; used by one thread at a time.

    Args:
        name: of the engine, for messages.
        context: TensorRT's.
        gpu: its memory and streams.
        tensors: inputs and outputs.
        profile: lengths it takes, for messages.
        log: whose ``take`` gives TensorRT's last error.
    """

    def __init__(
        self,
        name: str,
        context: Any,
        gpu: Gpu,
        tensors: tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]],
        profile: LengthProfile,
        log: Any,
    ) -> None:
        self.name, self.inputs, self.outputs = name, tensors[0], tensors[1]
        self.gpu, self.shapes = gpu, dict[str, Shape]()
        self._context, self._profile, self._log = context, profile, log
        self._specs = {spec.name: spec for spec in (*self.inputs, *self.outputs)}
        self._memory: dict[str, tuple[int, int]] = {}
        self.stream = gpu.create_stream()

    def reshape(self, shapes: Mapping[str, Shape]) -> Mapping[str, Shape]:
        """Set the shapes of all inputs; gives those of inputs and outputs."""
        context = self._opened()
        if shapes.items() <= self.shapes.items():
            return self.shapes
        self.shapes = {}
        for name, shape in shapes.items():
            if not context.set_input_shape(name, tuple(shape)):
                raise self._refused(f"{name} {tuple(shape)}")
        if missing := context.infer_shapes():
            raise self._refused(f"shapes that leave {', '.join(missing)} open")
        made = {s.name: tuple(map(int, context.get_tensor_shape(s.name))) for s in self.outputs}
        self.shapes = {name: tuple(shape) for name, shape in shapes.items()} | made
        return self.shapes

    def own_memory(self, names: Iterable[str]) -> None:
        """Let the context read and write memory of its own for these tensors."""
        for name in names:
            size = max(byte_size(self._specs[name], self.shapes[name]), 1)
            address, room = self._memory.get(name, (0, 0))
            if room < size:
                if address:
                    self.gpu.free(self._memory.pop(name)[0])
                address = self.gpu.allocate(size)
                self._memory[name] = (address, size)
            self.set_address(name, address)

    def set_address(self, name: str, address: int) -> None:
        """Let the context read or write a tensor at an address of the GPU."""
        if not self._opened().set_tensor_address(name, address):
            raise self._refused(f"address {address} for {name}")

    def upload(self, arrays: Mapping[str, Array], stream: int) -> None:
        """Enqueue copies into memory of its own."""
        for name, array in arrays.items():
            self.gpu.upload(self._memory[name][0], array, stream)

    def download(self, arrays: Mapping[str, Array], stream: int) -> None:
        """Enqueue copies out of memory of its own."""
        for name, array in arrays.items():
            self.gpu.download(array, self._memory[name][0], stream)

    def enqueue(self, stream: int) -> None:
        """Enqueue the network."""
        if not self._opened().execute_async_v3(stream):
            raise self._refused("a run that could not be enqueued")

    def capturable(self, stream: int) -> bool:
        """Whether `enqueue` may be recorded; TensorRT 10 does not say, and is."""
        ask = getattr(self._opened(), "is_stream_capturable", None)
        return ask is None or bool(ask(stream))

    def synchronise(self) -> None:
        """Wait for its own stream."""
        self.gpu.synchronise(self.stream)

    def close(self) -> None:
        """Free context, stream and memory; twice is fine."""
        if self._context is None:
            return
        self.synchronise()
        self._context = None
        for address, _ in self._memory.values():
            self.gpu.free(address)
        self._memory.clear()
        self.gpu.destroy_stream(self.stream)

    def check_open(self) -> None:
        """Refuse (`Failure`) what was closed."""
        self._opened()

    def _opened(self) -> Any:
        if self._context is None:
            raise Failure(self.name, expected="an open binding", found="a closed one")
        return self._context

    def _refused(self, found: str) -> Failure:
        profile, said = self._profile, self._log.take()
        return Failure(
            self.name,
            expected=f"{profile.minimum} to {profile.maximum} {profile.symbol}",
            found=f"{found}: {said}" if said else found,
            remedy="check the engine directory with: emogene-export verify DIRECTORY",
        )


class TensorRtBound(Closing):
    """An execution with fixed shapes and buffers; made by `TensorRtRunner.bind`.

    See `protocol.Bound`. With arrays and a stream, the caller keeps the arrays as they are until
    the stream has come so far.

    Args:
        execution: its own.
        shapes: of the inputs.
        buffers: arrays or the GPU's memory; arrays are made for tensors without one.
        graph: record the network as a CUDA graph at its first run and replay it.
    """

    def __init__(
        self,
        execution: Execution,
        shapes: Mapping[str, Shape],
        buffers: dict[str, Buffer],
        graph: bool,
    ) -> None:
        self._execution, self._graph, self._wants_graph = execution, 0, graph
        whole = execution.reshape(shapes)
        specs = (*execution.inputs, *execution.outputs)
        if unknown := sorted(set(buffers) - {spec.name for spec in specs}):
            known = ", ".join(spec.name for spec in specs)
            raise Failure(execution.name, expected=f"buffers of {known}", found=", ".join(unknown))
        for spec in specs:
            buffers.setdefault(spec.name, np.zeros(whole[spec.name], spec.dtype))
            check_buffer(execution.name, spec, whole[spec.name], buffers[spec.name])
        arrays = {k: v for k, v in buffers.items() if not isinstance(v, DeviceBuffer)}
        execution.own_memory(arrays)
        for name, buffer in buffers.items():
            if isinstance(buffer, DeviceBuffer):
                execution.set_address(name, buffer.address)
        self._buffers = buffers
        self._in = {s.name: arrays[s.name] for s in execution.inputs if s.name in arrays}
        self._out = {s.name: arrays[s.name] for s in execution.outputs if s.name in arrays}

    @property
    def buffers(self) -> Mapping[str, Buffer]:
        """Every input and output by name."""
        return self._buffers

    def run(self, stream: int | None = None) -> None:
        """Read the inputs' buffers, write the outputs'; see `protocol.Bound.run`."""
        execution = self._execution
        execution.check_open()
        where = execution.stream if stream is None else stream
        execution.upload(self._in, where)
        # A graph is only replayed on our own stream: the caller may be recording one of his own.
        if self._wants_graph and stream is None:
            self._replay(where)
        else:
            execution.enqueue(where)
        execution.download(self._out, where)
        if stream is None:
            execution.synchronise()

    def capturable(self, stream: int) -> bool:
        """Whether `run` on this stream may be recorded in a graph of the caller's."""
        return self._execution.capturable(stream)

    def close(self) -> None:
        """Free graph, context and memory; twice is fine. The caller's buffers are the caller's."""
        if self._graph:
            self._execution.synchronise()
            self._execution.gpu.destroy_graph(self._graph)
            self._graph = 0
        self._execution.close()

    def _replay(self, stream: int) -> None:
        execution = self._execution
        if self._graph:
            execution.gpu.replay(self._graph, stream)
            return
        # The first run after new shapes may still allocate, which cannot be recorded.
        execution.enqueue(stream)
        execution.synchronise()
        if not execution.capturable(stream):
            self._wants_graph = False
            return
        execution.gpu.begin_capture(stream)
        try:
            execution.enqueue(stream)
        finally:
            self._graph = execution.gpu.end_capture(stream)
