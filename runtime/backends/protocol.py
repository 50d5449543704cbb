"""What every backend offers for one exported network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...contract.closing import Closeable
from ...contract.errors import Failure
from ...contract.tensors import TensorSpec

Array = NDArray[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class DeviceBuffer:
    """Memory of the GPU that the caller owns: its address, and how many bytes it has."""

    address: int
    size: int


Buffer = Array | DeviceBuffer
"""Where a bound network reads or writes: a C-contiguous array, or memory of the GPU."""


class Bound(Closeable, Protocol):
    """A network tied to shapes and buffers. One run at a time.

    Attributes:
        buffers: every input and output by name: those handed in, and those made for the rest.
    """

    @property
    def buffers(self) -> Mapping[str, Buffer]: ...

    def run(self, stream: int | None = None) -> None:
        """Read the inputs' buffers, write the outputs'. Allocates nothing.

        Args:
            stream: CUDA stream to enqueue on, without waiting; None runs and waits.

        Raises:
            Failure: the network could not be run, or a stream was given where there are none.
        """
        ...

    def close(self) -> None:
        """Free what it holds; twice is fine. The caller's buffers are the caller's."""


class Runner(Closeable, Protocol):
    """One network, ready to run. Runs of one runner may overlap in several threads.

    Attributes:
        backend: what really runs it, such as ``"onnxruntime-cpu"``.
        inputs, outputs: its tensors in graph order.
    """

    @property
    def backend(self) -> str: ...

    @property
    def inputs(self) -> tuple[TensorSpec, ...]: ...

    @property
    def outputs(self) -> tuple[TensorSpec, ...]: ...

    def run(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Compute all outputs from all inputs, both by name.

        The same inputs give the same bits.

        Raises:
            Failure: the network could not be run on these inputs.
        """
        ...


class BindingRunner(Runner, Protocol):
    """A runner that can be tied to buffers; what backends are. The PyTorch reference only runs."""

    def bind(
        self, shapes: Mapping[str, Shape], buffers: Mapping[str, Buffer] | None = None
    ) -> Bound:
        """Tie the network to the shapes of its inputs, and to buffers.

        Args:
            shapes: of every input.
            buffers: for inputs and outputs by name; for those left out arrays are made.

        Raises:
            Failure: a name, shape, type or layout does not fit the network.
        """
        ...


def check_shapes(where: str, inputs: tuple[TensorSpec, ...], shapes: Mapping[str, Shape]) -> None:
    """Refuse (`Failure`) shapes with other names, another rank or other fixed lengths."""
    known = {spec.name: spec.shape for spec in inputs}
    if set(known) != set(shapes):
        raise Failure(
            where, expected=f"inputs {', '.join(known)}", found=", ".join(shapes) or "none"
        )
    for name, shape in shapes.items():
        fits = len(shape) == len(known[name]) and all(
            isinstance(want, str) or have == want
            for have, want in zip(shape, known[name], strict=True)
        )
        if not fits:
            spelled = f"({', '.join(map(str, known[name]))})"
            raise Failure(f"{where} input {name}", expected=spelled, found=str(shape))


def check_buffer(where: str, spec: TensorSpec, shape: Shape, buffer: Buffer) -> None:
    """Refuse (`Failure`) a buffer that a network cannot read or write as it lies."""
    thing, size = f"{where} buffer {spec.name}", byte_size(spec, shape)
    if isinstance(buffer, DeviceBuffer):
        if buffer.address == 0 or buffer.size < size:
            found = f"{buffer.size} bytes at address {buffer.address}"
            raise Failure(thing, expected=f"{size} bytes of the GPU's memory", found=found)
    elif (
        str(buffer.dtype) != spec.dtype
        or buffer.shape != shape
        or not buffer.flags.c_contiguous
        or not buffer.flags.writeable
    ):
        raise Failure(
            thing,
            expected=f"a writeable C-contiguous {spec.dtype} array {shape}",
            found=f"{buffer.dtype} {buffer.shape}, strides {buffer.strides}",
        )


def byte_size(spec: TensorSpec, shape: Shape) -> int:
    """Bytes of a tensor of this shape."""
    return int(np.prod(shape, dtype=np.int64)) * np.dtype(spec.dtype).itemsize
