"""What every backend offers for one exported network."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray

from ...contract.tensors import TensorSpec

Array = NDArray[Any]
R = TypeVar("R", bound="Runner")


class Runner(Protocol):
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

    def close(self) -> None:
        """Free what it holds; twice is fine."""
        ...

    def __enter__(self: R) -> R: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
