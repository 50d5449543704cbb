"""How the tensor-core kernel is laid out for an architecture: what lies in shared memory.

Samples are taken first, pixels finished then. Either part keeps its networks' weights in shared
memory as far as they fit beside the warps' samples; the other layers come by in slices of a few
neurons, for all warps of a block at once. `FusedPlan` is a pure function of the fields and the
architecture.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...contract.errors import BadOption
from ...contract.field import FieldSpec, MlpSpec, TorsoSpec
from .evaluation import evaluation
from .specification import (
    Layout,
    boolean,
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
MOST_WARPS, MOST_STREAMING_WARPS = 16, 8
"""Of a block: one fills a multiprocessor, whose registers are 128 for each of 512 threads. Networks
wide enough to be streamed need twice as many."""

SLICE_BYTES = 16 << 10
"""Streamed weights that come by at a time, where a layer has as many."""

COORDINATE_TERMS = 2
"""Halves that stand for a number in networks that give coordinates. These are multiplied by the
finest level's resolution, and so are their errors; one half moves samples by whole cells."""

COARSE_CELLS = 512
"""Cells of a torso's finest level up to which one half does for its offsets."""


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
class PartPlan:
    """Shared memory of one part: resident weights, a slice of others, the warps' samples.

    Attributes:
        resident: layers whose weights stay, in order.
        streamed: the others.
        slice_words: of the part of a streamed layer that is there at a time.
        row_words: of a sample's row.
    """

    resident: tuple[TensorLayer, ...]
    streamed: tuple[TensorLayer, ...]
    slice_words: int
    row_words: int

    @property
    def layers(self) -> tuple[TensorLayer, ...]:
        """In the order of their weights in global memory."""
        return self.resident + self.streamed

    @property
    def resident_words(self) -> int:
        return sum(layer.words for layer in self.resident)

    def shared_bytes(self, warps: int) -> int:
        """A block's."""
        return 4 * (self.resident_words + self.slice_words + WARP * warps * self.row_words)


@dataclass(frozen=True)
class FusedPlan:
    """Both parts'.

    Attributes:
        gather: networks asked for every sample.
        finish: those asked once a ray or pixel.
        warps: of a block.
    """

    gather: PartPlan
    finish: PartPlan
    warps: int

    @property
    def layers(self) -> tuple[TensorLayer, ...]:
        """In the order of their weights in global memory."""
        return self.gather.layers + self.finish.layers

    @property
    def threads(self) -> int:
        """Of a block."""
        return WARP * self.warps

    @property
    def shared_bytes(self) -> int:
        """A block's."""
        return max(part.shared_bytes(self.warps) for part in (self.gather, self.finish))


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
    placing = _coordinate_networks(field, torso)
    of_samples, of_pixels = (_tensor_layers(networks, placing) for networks in (gather, finish))
    for warps in range(MOST_WARPS, 0, -1):
        parts = [_part_plan(layers, budget, warps) for layers in (of_samples, of_pixels)]
        gathering, finishing = parts
        if gathering is None or finishing is None:
            continue
        if warps <= MOST_STREAMING_WARPS or not (gathering.streamed or finishing.streamed):
            return FusedPlan(gathering, finishing, warps)
    row_words, widest = _row_words(of_samples + of_pixels), _widest(of_samples + of_pixels)
    raise BadOption(
        "tensor-core kernels",
        expected=f"networks whose samples fit {budget >> 10} KiB",
        found=f"{WARP * row_words * 4} bytes for a warp and {widest * 4} for 8 neurons",
    )


def fused_specification(
    field: FieldSpec, torso: TorsoSpec | None, architecture: str
) -> dict[str, str]:
    """The headers that the fused kernels need beside the plain ones', by name."""
    plan, places = fused_plan(field, torso, architecture), layout(field, torso)
    constants = [
        f"constexpr int kTurns = {TURNS};",
        f"constexpr int kThreads = {plan.threads};",
        f"constexpr bool kMoves = {boolean(field.displacement is not None)};",
    ]
    types: list[str] = []
    networks: list[str] = []
    first = 0
    for name, part in (("Gather", plan.gather), ("Finish", plan.finish)):
        constants += [
            f"constexpr int k{name}First = {first};",
            f"constexpr int k{name}Resident = {part.resident_words};",
            f"constexpr int k{name}Row = {part.row_words};",
            f"constexpr int k{name}Slice = {part.slice_words};",
            f"constexpr bool k{name}Streamed = {boolean(bool(part.streamed))};",
        ]
        shared = 0
        for layer in part.layers:
            stays = layer in part.resident
            tiles = 1 if stays else part.slice_words // layer.tile_words
            types.append(
                f"struct {_layer_type(layer)} {{ static constexpr int kInputs = {layer.inputs}, "
                f"kOutputs = {layer.outputs}, kTerms = {layer.terms}, kFirst = {first}, "
                f"kShared = {shared if stays else -1}, kSlice = {tiles}, "
                f"kRowWords = {part.row_words}; "
                f"static constexpr bool kHidden = {boolean(layer.hidden)}; }};"
            )
            first += layer.words
            shared += layer.words if stays else 0
        networks += _networks(part, places)
    return {
        PLAN: header(constants),
        FUSED_EVALUATION: header([*types, *networks, *evaluation(field, torso, "FusedModel")]),
    }


def _networks(part: PartPlan, places: Layout) -> list[str]:
    """A function for each of a part's networks."""
    lines: list[str] = []
    for network in dict.fromkeys(layer.network for layer in part.layers):
        layers = sorted((x for x in part.layers if x.network == network), key=lambda x: x.index)
        row = part.row_words
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


def _coordinate_networks(field: FieldSpec, torso: TorsoSpec | None) -> tuple[MlpSpec, ...]:
    """Networks whose outputs say where a fine grid is read."""
    fine = torso is not None and max(level.scale for level in torso.grid.levels) > COARSE_CELLS
    return (
        *((field.ambient,) if field.ambient else ()),
        *((torso.deform,) if torso and fine else ()),
    )


def _tensor_layers(
    networks: tuple[MlpSpec, ...], placing: tuple[MlpSpec, ...]
) -> tuple[TensorLayer, ...]:
    return tuple(
        TensorLayer(
            network,
            index,
            *widths,
            terms=COORDINATE_TERMS if network in placing else 1,
            hidden=index < len(network.hidden),
        )
        for network in networks
        for index, widths in enumerate(network_layers(network))
    )


def _part_plan(layers: tuple[TensorLayer, ...], budget: int, warps: int) -> PartPlan | None:
    """As many layers as fit beside so many warps, the largest first; None if not even a slice."""
    row_words = _row_words(layers)
    room = budget // 4 - WARP * warps * row_words
    if sum(layer.words for layer in layers) <= room:
        return PartPlan(layers, (), 0, row_words)
    piece = max(_widest(layers), SLICE_BYTES // 4)
    left = room - piece
    if left < 0:
        return None
    resident: list[TensorLayer] = []
    for layer in sorted(layers, key=lambda x: -x.words):
        if layer.words <= left:
            resident.append(layer)
            left -= layer.words
    streamed = tuple(layer for layer in layers if layer not in resident)
    return PartPlan(tuple(x for x in layers if x in resident), streamed, piece, row_words)


def _row_words(layers: tuple[TensorLayer, ...]) -> int:
    """Of the widest layer's sample, and 4 more than a multiple of 8, so that the lanes of a
    fragment meet 32 different banks."""
    most = max((layer.row_words for layer in layers), default=0)
    return most + (4 - most) % 8


def _widest(layers: tuple[TensorLayer, ...]) -> int:
    """Words of 8 neurons of the widest layer."""
    return max((layer.tile_words for layer in layers), default=0)


def _layer_type(layer: TensorLayer) -> str:
    return f"Layer_{layer.network.name}_{layer.index}"


def _rounded(n: int, to: int) -> int:
    return n + -n % to
