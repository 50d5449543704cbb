"""What a stage takes and gives: named tensors with symbolic shapes."""

from __future__ import annotations

from dataclasses import dataclass

Dimension = int | str
"""A fixed length, or a symbol such as ``"frames"`` or ``"8*latents"`` for one that varies."""


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a stage.

    Attributes:
        name: the tensor's name in the ONNX graph and in a runner's mapping.
        dtype: numpy's name of the element type, such as ``"float32"``.
        shape: fixed lengths and symbols.
    """

    name: str
    dtype: str
    shape: tuple[Dimension, ...]


@dataclass(frozen=True)
class StageError:
    """How far an exported stage is from the reference, measured when it was built.

    Attributes:
        relative_l2: largest over outputs and test lengths.
        tolerance: what it had to stay under.
        lengths: the lengths of the varying dimension that were run.
    """

    relative_l2: float
    tolerance: float
    lengths: tuple[int, ...]


@dataclass(frozen=True)
class StageSpec:
    """One exported network.

    Attributes:
        file: path of the ONNX file inside the engine directory.
        inputs, outputs: its tensors in graph order.
        precision: ``"fp32"``, ``"fp16"``, …: the type its arithmetic is done in.
        error: measured difference from the PyTorch reference.
    """

    file: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    precision: str
    error: StageError
