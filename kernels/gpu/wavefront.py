"""A whole frame on a GPU in rounds: march → encode → networks → composite, kernel by kernel.

A chunk of rays takes a few samples each, whose rows lie side by side for the networks; rays that
are not finished go on to the next round. How many there are, only the GPU knows: launches are as
large as a chunk allows and read the counts there, so that nothing waits for the host and a frame
can be recorded. Rounds in which no ray is left cost their empty launches.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from numpy.typing import NDArray

from ...contract.field import FieldSpec, TorsoSpec
from .cubin_cache import CubinCache
from .device_field import DeviceField
from .evaluation import specification
from .frame_plan import Closable, FramePlan
from .network_source import activated, activations
from .programs import Program, Shipped
from .protocol import Gpu
from .sources import read_unit
from .specification import header, network_function, networks_by_role
from .specification import layout as all_places
from .wavefront_launches import ChunkLaunches, WaveKernels
from .wavefront_memory import WaveChunk, WaveLayout, ray_numbers, wave_layout
from .wavefront_networks import BoundRows, RowsNetwork, bind_networks

WAVEFRONT, WITH_ENGINES = "wavefront", "wavefront-engines"

RAYS_PER_CHUNK = 1 << 18
"""Rays marched together: those of 512² pixels. It bounds the memory between kernels."""

NETWORKS = "cuda/networks.h"
"""Name of the generated header."""

KERNELS = (
    *("bake_nodes", "start_rays", "scan_tiles", "choose_items", "march_rays", "place_samples"),
    *("encode_samples", "encode_ambient", "look_at_samples", "composite_samples", "mark_hits"),
    *("look_at_rays", "put_heads", "place_torso", "look_at_torso", "put_pixels"),
)
"""Beside one for each network."""


def wavefront_program(
    field: FieldSpec, torso: TorsoSpec | None, *, half_tables: bool = False
) -> Program:
    """The kernels, specialised on the fields."""
    headers = specification(field, torso, half_tables=half_tables)
    headers[NETWORKS] = networks_header(field, torso)
    return Program(WAVEFRONT, read_unit("wavefront.cu", headers))


def networks_header(field: FieldSpec, torso: TorsoSpec | None) -> str:
    """A kernel for each network: (rows, inputs) → (rows, outputs), a row a thread, in float32.

    They give what the engine directory's networks give: outputs through their activation.
    """
    lines: list[str] = []
    through = activations(field, torso)
    for role, network in networks_by_role(field, torso).items():
        lines += [
            f'extern "C" __global__ void run_{role}(PlainModel model, const PlainFrame* frame, '
            "const int32_t* count, const float* in, float* out) {",
            "    const int rows = *count;",
            "    for (int row = this_thread(); row < rows; row += all_threads()) {",
            f"        float x[{network.inputs}], y[{network.outputs}];",
            f"        copy_row<{network.inputs}>(in + row * {network.inputs}, x);",
            f"        {network_function(network)}(model, *frame, x, y);",
            f"    {activated(network, 'y', through[network.name])}",
            f"        copy_row<{network.outputs}>(y, out + row * {network.outputs});",
            "    }",
            "}",
        ]
    return header(lines)


class WavefrontField(DeviceField):
    """The fields of one avatar in a GPU's memory, evaluated in rounds.

    Args:
        rays: of a chunk, at most.
        networks: by role, networks of others that stand in for our own kernel; every run of one
            goes through as many rows as a chunk can have.

    Raises:
        Failure: a network of others does not take as many rows.
    """

    _takes_halves = True

    def __init__(
        self,
        gpu: Gpu,
        field: FieldSpec,
        weights: Mapping[str, NDArray[Any]],
        torso: TorsoSpec | None = None,
        *,
        shipped: Shipped | None = None,
        cache: CubinCache | None = None,
        rays: int = RAYS_PER_CHUNK,
        networks: Mapping[str, RowsNetwork] | None = None,
    ) -> None:
        self._rays, self._networks = rays, dict(networks or {})
        self._bound: WeakKeyDictionary[FramePlan, dict[str, BoundRows]] = WeakKeyDictionary()
        super().__init__(gpu, field, weights, torso, shipped=shipped, cache=cache)

    @property
    def name(self) -> str:
        """What statistics call it."""
        kind = WITH_ENGINES if self._networks else WAVEFRONT
        return f"gpu ({kind}, {self.gpu.facts.architecture})"

    def _program(self) -> Program:
        return wavefront_program(self._field, self._torso, half_tables=self._half_tables)

    def _find_kernels(self) -> None:
        networks = (f"run_{role}" for role in networks_by_role(self._field, self._torso))
        names = (*KERNELS, *networks)
        self._functions = {name: self.gpu.function(self._module, name) for name in names}
        self._bake = self._functions["bake_nodes"]

    def _scratch(self, size: int) -> int:
        return self._layout_of(size).size

    def _layout_of(self, size: int) -> WaveLayout:
        rays = min(ray_numbers(size), max(1, self._rays))
        return wave_layout(self._field, self._torso, rays)

    def _beside(self, plan: FramePlan) -> list[Closable]:
        if not self._networks:
            return []
        assert plan.scratch is not None
        layout, address = self._layout_of(plan.size), plan.scratch.address
        bound = bind_networks(self._networks, self._field, layout, address)
        self._bound[plan] = bound
        for network in bound.values():
            network.run(self._stream)  # the first time it may allocate
        self.gpu.synchronise(self._stream)
        plan.recordable = all(n.capturable(self._stream) for n in bound.values())
        return list(bound.values())

    def _copy_biases(self, plan: FramePlan, layout: WaveLayout, stream: int) -> None:
        """The frame's biases to where networks of others read them."""
        assert plan.scratch is not None
        first = self._frame_type.fields["biases"][1] if self._frame_type.fields else 0
        places = all_places(self._field, self._torso).biases
        for role, network in networks_by_role(self._field, self._torso).items():
            to, origin = plan.scratch.address + layout.biases[role], plan.frame.address + first
            size = 4 * network.hidden[0]
            self.gpu.copy(to, origin + 4 * places[network.name], size, stream)

    def _paint_frame(self, plan: FramePlan, stream: int) -> None:
        layout, numbers = self._layout_of(plan.size), ray_numbers(plan.size)
        bound = self._bound.get(plan, {})
        if bound:
            self._copy_biases(plan, layout, stream)
        kernels = WaveKernels(
            self.gpu, self._functions, self._model, self._field, self._torso, bound
        )
        for first in range(0, numbers, layout.rays):
            chunk = WaveChunk(first, min(layout.rays, numbers - first))
            ChunkLaunches(kernels, plan, layout, chunk, stream).paint()
