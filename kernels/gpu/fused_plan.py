"""How the tensor-core kernels are laid out for an architecture: what lies in shared memory.

Each of the two kernels keeps its networks' weights in shared memory as far as they fit beside its
warps' samples; the other layers come by in slices of a few neurons, for all warps of a block at
once. `FusedPlan` is a pure function of the fields and the architecture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...contract.errors import BadOption
from ...contract.field import FieldSpec, MlpSpec, TorsoSpec
from .evaluation import evaluation
from .specification import (
    Layout,
    header,
    layout,
    network_function,
    network_layers,
)

PLAN, FUSED_EVALUATION = "cuda/fused_plan.h", "cuda/fused_evaluation.h"
"""Names of the generated headers."""

SHARED_KIB = {80: 163, 86: 99, 87: 163, 89: 99, 90: 227, 100: 227, 103: 227, 120: 99, 121: 99}
"""Shared memory that a block may ask for, KiB (CUDA programming guide, "Technical
Specifications per Compute Capability")."""

LEAST_SHARED_KIB = 99
"""Of architectures that are not listed."""

TURNS = 4
"""Times that lanes without a ray ask the queue before the others go on."""

WARP = 32
MOST_WARPS = 8
SLICE_BYTES = 16 << 10
"""Streamed weights that come by at a time, where a layer has as many."""

AMBIENT_TERMS = 2
"""Halves that stand for a number in the ambient network. Its coordinates are multiplied by the
finest level's resolution, and so are their errors; one half moves samples by whole cells."""


@dataclass(frozen=True)
class TensorLayer:
    """A layer of a network as the kernels see it.

    Attributes:
        network: its network.
        index: which of its layers.
        inputs, outputs: widths.
        terms: halves that stand for a number, 1 or 2.
        hidden: another layer follows.
    """

    network: MlpSpec
    index: int
    inputs: int
    outputs: int
    terms: int
    hidden: bool

    @property
    def padded(self) -> tuple[int, int]:
        """Inputs and outputs that are multiplied."""
        return _rounded(self.inputs, 16), _rounded(self.outputs, 16 if self.hidden else 8)

    @property
    def tile_words(self) -> int:
        """32-bit words of the weights of 8 outputs."""
        return self.padded[0] * 8 * self.terms // 2

    @property
    def words(self) -> int:
        """Of all its weights."""
        return self.padded[1] // 8 * self.tile_words

    @property
    def row_words(self) -> int:
        """Of a sample's inputs, or its outputs if those take more."""
        after = self.terms * _rounded(self.outputs, 16) // 2 if self.hidden else self.padded[1]
        return max(self.padded[0] * self.terms // 2, after)


@dataclass(frozen=True)
class KernelPlan:
    """One kernel's shared memory: resident weights, a slice of others, the warps' samples.

    Attributes:
        resident: layers whose weights stay, in order.
        streamed: the others.
        slice_words: of the part of a streamed layer that is there at a time.
        row_words: of a sample's row.
        warps: of a block.
    """

    resident: tuple[TensorLayer, ...]
    streamed: tuple[TensorLayer, ...]
    slice_words: int
    row_words: int
    warps: int

    @property
    def layers(self) -> tuple[TensorLayer, ...]:
        """In the order of their weights in global memory."""
        return self.resident + self.streamed

    @property
    def resident_words(self) -> int:
        return sum(layer.words for layer in self.resident)

    @property
    def threads(self) -> int:
        return WARP * self.warps

    @property
    def shared_bytes(self) -> int:
        """A block's."""
        rows = self.threads * self.row_words
        return 4 * (self.resident_words + self.slice_words + rows)


@dataclass(frozen=True)
class FusedPlan:
    """Both kernels'.

    Attributes:
        gather: networks asked for every sample.
        finish: those asked once a ray or pixel.
    """

    gather: KernelPlan
    finish: KernelPlan

    @property
    def layers(self) -> tuple[TensorLayer, ...]:
        """In the order of their weights in global memory."""
        return self.gather.layers + self.finish.layers


def fused_plan(field: FieldSpec, torso: TorsoSpec | None, architecture: str) -> FusedPlan:
    """The plan for an architecture.

    Args:
        architecture: such as ``"sm_86"``.

    Raises:
        BadOption: a single warp's samples and the narrowest slice do not fit.
    """
    capability = int(architecture.removeprefix("sm_").rstrip("af"))
    budget = SHARED_KIB.get(capability, LEAST_SHARED_KIB) << 10
    once = (field.colour,) if field.colour_at == "ray" else ()
    gather = tuple(n for n in field.networks if n not in once)
    finish = (*once, *((torso.deform, torso.colour) if torso else ()))
    of_samples = _tensor_layers(gather, field.ambient)
    of_pixels = _tensor_layers(finish, field.ambient)
    return FusedPlan(_kernel_plan(of_samples, budget), _kernel_plan(of_pixels, budget))


def fused_specification(
    field: FieldSpec, torso: TorsoSpec | None, architecture: str
) -> dict[str, str]:
    """The headers that the fused kernels need beside the plain ones', by name."""
    plan, places = fused_plan(field, torso, architecture), layout(field, torso)
    constants = [f"constexpr int kTurns = {TURNS};"]
    types: list[str] = []
    networks: list[str] = []
    first = 0
    for name, kernel in (("Gather", plan.gather), ("Finish", plan.finish)):
        constants += [
            f"constexpr int k{name}Threads = {kernel.threads};",
            f"constexpr int k{name}First = {first};",
            f"constexpr int k{name}Resident = {kernel.resident_words};",
            f"constexpr int k{name}Blocks = {1 if kernel.streamed else 2};",
            f"constexpr int k{name}Row = {kernel.row_words};",
            f"constexpr int k{name}Slice = {kernel.slice_words};",
            f"constexpr bool k{name}Streamed = {'true' if kernel.streamed else 'false'};",
        ]
        shared = 0
        for layer in kernel.layers:
            stays = layer in kernel.resident
            tiles = 1 if stays else kernel.slice_words // layer.tile_words
            types.append(
                f"struct {_layer_type(layer)} {{ static constexpr int kInputs = {layer.inputs}, "
                f"kOutputs = {layer.outputs}, kTerms = {layer.terms}, kFirst = {first}, "
                f"kShared = {shared if stays else -1}, kSlice = {tiles}, "
                f"kRowWords = {kernel.row_words}; "
                f"static constexpr bool kHidden = {'true' if layer.hidden else 'false'}; }};"
            )
            first += layer.words
            shared += layer.words if stays else 0
        networks += _networks(kernel, places)
    return {
        PLAN: header(constants),
        FUSED_EVALUATION: header([*types, *networks, *evaluation(field, torso, "WarpModel")]),
    }


def pack_layer(weight: NDArray[np.float32], layer: TensorLayer) -> NDArray[np.uint32]:
    """Weights as lanes load them: for 8 outputs, 16 inputs and each term, lane l's two words hold
    the weights of output l // 4 and inputs 2 (l % 4), 2 (l % 4) + 1, and those 8 further.

    Args:
        weight: (outputs, inputs).

    Returns:
        (words,)

    Raises:
        BadOption: a weight is beyond a half's range.
    """
    inputs, outputs = layer.padded
    name = f"{layer.network.name}.{layer.index}.weight"
    most = float(np.abs(weight).max(initial=0))
    if most > float(np.finfo(np.float16).max):
        raise BadOption(name, expected="weights within ±65504, as halves hold", found=f"{most:.3g}")
    padded = np.zeros((outputs, inputs), np.float32)
    padded[: layer.outputs, : layer.inputs] = weight
    terms = split_halves(padded, layer.terms)
    # (term, tile of outputs, output, tile of inputs, word, pair, half of the word)
    cut = terms.reshape(layer.terms, outputs // 8, 8, inputs // 16, 2, 4, 2)
    lanes = cut.transpose(1, 3, 0, 2, 5, 4, 6)  # tile, tile, term, output, pair, word, half
    return np.ascontiguousarray(lanes).view(np.uint32).reshape(-1)


def split_halves(values: NDArray[np.float32], terms: int) -> NDArray[np.float16]:
    """(terms, …): the nearest halves, then the nearest to what they lack."""
    first = values.astype(np.float16)
    if terms == 1:
        return first[None]
    return np.stack([first, (values - first.astype(np.float32)).astype(np.float16)])


def _networks(kernel: KernelPlan, places: Layout) -> list[str]:
    """A function for each of a kernel's networks."""
    lines: list[str] = []
    for network in dict.fromkeys(layer.network for layer in kernel.layers):
        layers = sorted((x for x in kernel.layers if x.network == network), key=lambda x: x.index)
        row = kernel.row_words
        lines += [
            f"EMOGENE_HD void {network_function(network)}(const WarpModel& model, "
            "const PlainFrame& frame, const float* in, float* out) {",
            f"    enter_row<{network.inputs}, {layers[0].terms}, {row}>(model, in);",
        ]
        for layer in layers:
            bias = "nullptr"
            if layer.index == 0:
                bias = f"frame.biases + {places.biases[network.name]}"
            elif network.bias:
                at = places.parameters[f"{network.name}.{layer.index}.bias"]
                bias = f"model.parameters + {at}"
            lines.append(f"    tensor_layer<{_layer_type(layer)}>(model, {bias});")
        lines += [f"    leave_row<{network.outputs}, {row}>(model, out);", "}"]
    return lines


def _tensor_layers(
    networks: tuple[MlpSpec, ...], ambient: MlpSpec | None
) -> tuple[TensorLayer, ...]:
    return tuple(
        TensorLayer(
            network,
            index,
            *widths,
            terms=AMBIENT_TERMS if network == ambient else 1,
            hidden=index < len(network.hidden),
        )
        for network in networks
        for index, widths in enumerate(network_layers(network))
    )


def _kernel_plan(layers: tuple[TensorLayer, ...], budget: int) -> KernelPlan:
    """As many warps as fit, then as many layers as fit, the largest first."""
    most = max((layer.row_words for layer in layers), default=0)
    # 4 more than a multiple of 8, so that the lanes of a fragment meet 32 different banks.
    row_words = most + (4 - most) % 8
    everything = sum(layer.words for layer in layers)
    widest = max((layer.tile_words for layer in layers), default=0)
    for warps in range(MOST_WARPS, 0, -1):
        room = budget // 4 - WARP * warps * row_words
        if everything <= room:
            return KernelPlan(layers, (), 0, row_words, warps)
        piece = max(widest, SLICE_BYTES // 4)
        if room < piece:
            continue
        resident: list[TensorLayer] = []
        left = room - piece
        for layer in sorted(layers, key=lambda x: -x.words):
            if layer.words <= left:
                resident.append(layer)
                left -= layer.words
        streamed = tuple(layer for layer in layers if layer not in resident)
        return KernelPlan(
            tuple(x for x in layers if x in resident), streamed, piece, row_words, warps
        )
    raise BadOption(
        "tensor-core kernels",
        expected=f"networks whose samples fit {budget >> 10} KiB",
        found=f"{WARP * row_words * 4} bytes for a warp and {widest * 4} for 8 neurons",
    )


def _layer_type(layer: TensorLayer) -> str:
    return f"Layer_{layer.network.name}_{layer.index}"


def _rounded(n: int, to: int) -> int:
    return n + -n % to
