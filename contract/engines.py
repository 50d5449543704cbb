"""What was built from a stage's ONNX file: precision variants, and engines for one target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .tensors import StageError

Target = Literal["onnxruntime", "tensorrt", "tensorrt-rtx"]
TARGETS: tuple[Target, ...] = ("onnxruntime", "tensorrt", "tensorrt-rtx")

Precision = Literal["fp32", "fp16", "bf16", "int8"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "bf16", "int8")


@dataclass(frozen=True)
class LengthProfile:
    """Lengths of a stage's varying symbol that an engine accepts and is tuned for.

    Attributes:
        symbol: the symbol in the stage's shapes, such as ``"latents"``; ``8*latents`` follows.
        minimum, optimum, maximum: lengths; minimum ≤ optimum ≤ maximum.
    """

    symbol: str
    minimum: int
    optimum: int
    maximum: int


@dataclass(frozen=True)
class VariantSpec:
    """A stage's ONNX file in another precision than fp32.

    Attributes:
        stage: which network.
        precision: the type most of its arithmetic is done in; inputs and outputs keep theirs.
        file: path inside the engine directory.
        error: against the PyTorch reference; None if nothing here could run it truthfully.
        kept: nodes that stayed in fp32, each as ``node: reason``.
    """

    stage: str
    precision: Precision
    file: str
    error: StageError | None
    kept: tuple[str, ...] = ()


@dataclass(frozen=True)
class EngineSpec:
    """A TensorRT or TensorRT-RTX engine.

    Attributes:
        stage: which network.
        target: what runs it.
        file: path inside the engine directory.
        source: the ONNX file it was built from, inside the directory.
        precision: of that file.
        profile: lengths it accepts.
        architectures: compute capabilities it was built for, such as ``"sm_86"``.
        tool: name and exact version of what built it; only that version is sure to load it.
        scratch_bytes: device memory a run needs beside inputs and outputs, as the builder said.
        key: SHA-256 of everything that decides its bytes.
        error: against the PyTorch reference; None: not executed yet.
    """

    stage: str
    target: Target
    file: str
    source: str
    precision: Precision
    profile: LengthProfile
    architectures: tuple[str, ...]
    tool: str
    scratch_bytes: int
    key: str
    error: StageError | None = None
