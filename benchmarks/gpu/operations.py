"""Every operation of the kernels by itself, for fresh random inputs, against NumPy's reference."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emogene.contract.field import MlpSpec
from emogene.contract.weights import table_name
from emogene.kernels.compositing import CompositeState
from emogene.kernels.fused import FrameInputs
from emogene.kernels.gpu import nvrtc
from emogene.kernels.gpu.arrays import DeviceArray, allocate
from emogene.kernels.gpu.cubin_cache import CubinCache
from emogene.kernels.gpu.field_memory import Model, joined_tables, upload_model
from emogene.kernels.gpu.frame_inputs import frame_values
from emogene.kernels.gpu.fused_packing import pack_fragments, pack_tables
from emogene.kernels.gpu.fused_plan import WARP, fused_plan
from emogene.kernels.gpu.protocol import Argument, Gpu
from emogene.kernels.gpu.specification import all_grids, all_networks, layout
from emogene.kernels.reference import compositing, grids, harmonics, image
from emogene.kernels.reference.fused import FusedField as ReferenceField

from .asks import ask_unit
from .scenes import SceneFrame

ROWS = 1000
"""Inputs of an operation; no multiple of a block."""

FLOAT, HALF, SPLIT, CHAINED = 1e-5, 2e-3, 3e-5, 1e-4
"""Error allowed, rms over the reference's rms: of one float32 operation; of halves; of two halves a
number, whose products tensor cores add up without rounding to nearest; and of float32 operations of
which one decides where the next one reads."""

_BLOCKS, _THREADS = 16, 64

Array = NDArray[Any]


def check_operations(
    gpu: Gpu, frame: SceneFrame, seed: int, cache: CubinCache
) -> Iterator[dict[str, Any]]:
    """What was asked, whether it is right, and how far off it is.

    Raises:
        EmoGeneError: the kernels do not compile, or the driver refuses.
    """
    asker = Asker(gpu, frame, cache)
    try:
        for name, found, wanted, allowed in asker.answers(np.random.default_rng(seed)):
            error = relative_error(found, wanted)
            told = f"off by {error:.1e} of {allowed:.0e}"
            title = f"{name}, {frame.scene.name}"
            yield {"name": title, "passed": bool(error <= allowed), "found": told}
    finally:
        asker.close()


def relative_error(found: Array, wanted: Array) -> float:
    """Root of the mean square, over the reference's; not a number where poison was left."""
    size = float(np.sqrt(np.mean(np.square(wanted, dtype=np.float64))))
    error = np.sqrt(np.mean(np.square(found.astype(np.float64) - wanted)))
    return float(error) / max(size, 1e-30)


class Asker:
    """The kernels of `asks` for a frame's fields."""

    def __init__(self, gpu: Gpu, frame: SceneFrame, cache: CubinCache) -> None:
        scene, self._gpu = frame.scene, gpu
        self._frame, self._inputs, self._stream = frame, frame.inputs(), gpu.create_stream()
        self._field, self._torso, self._weights = scene.field, scene.torso.spec, scene.weights
        self._reference = ReferenceField(self._field, self._weights, self._torso)
        architecture = gpu.facts.architecture
        unit = ask_unit(self._field, self._torso, architecture)
        self._module = gpu.load(cache.obtain(unit, nvrtc.target(architecture)).image)
        self._plan = fused_plan(self._field, self._torso, architecture)
        self._held = upload_model(gpu, self._stream, self._field, self._weights, self._torso)
        self._model = Model(*(array.address for array in self._held))
        values = frame_values(self._field, self._torso, self._inputs, 0.0, 0.0)
        self._at = self._put(values.reshape(1).view(np.uint8))
        self._fragments = self._put(pack_fragments(self._plan, self._weights))
        places = layout(self._field, self._torso)
        joined = joined_tables(self._weights, places)
        self._halves = self._put(pack_tables(joined, places.tables))

    def close(self) -> None:
        """Free everything."""
        self._gpu.synchronise(self._stream)
        for array in self._held:
            array.close()
        self._gpu.unload(self._module)
        self._gpu.destroy_stream(self._stream)

    def answers(self, rng: np.random.Generator) -> Iterator[tuple[str, Array, Array, float]]:
        """Every operation's name, the kernel's answers, the reference's, and the error allowed."""
        yield from self._march()
        yield from self._grids(rng)
        yield from self._networks(rng)
        yield from self._harmonics(rng)
        yield from self._composite(rng)
        yield from self._torso_and_bytes(rng)

    def _march(self) -> Iterator[tuple[str, Array, Array, float]]:
        camera, most = self._inputs.camera, self._field.march.max_samples
        counts, distances = self._reference.samples(self._inputs.pose, camera)
        n = camera.size**2
        number, reached = self._fresh((n,), np.int32), self._fresh((n, most), np.float32)
        self._ask("ask_march", self._model, self._at, n, number, reached)
        found = self._got(number)
        yield "numbers of samples", found, counts.reshape(-1), 0.0
        taken = np.arange(most) < counts.reshape(-1, 1)
        yield "distances", self._got(reached)[taken], distances.reshape(n, most)[taken], FLOAT

    def _grids(self, rng: np.random.Generator) -> Iterator[tuple[str, Array, Array, float]]:
        for grid in all_grids(self._field, self._torso):
            # Some lie outside, where there is nothing.
            at = rng.uniform(-0.05, 1.05, (ROWS, grid.dimensions)).astype(np.float32)
            wanted = grids.encode(grid, self._weights[table_name(grid)], at)
            for kind, tables, allowed in (
                ("grid", self._held[0], FLOAT),
                ("halves", self._halves, HALF),
            ):
                out = self._fresh(wanted.shape, np.float32)
                self._ask(f"ask_{kind}_{grid.name}", tables, ROWS, self._put(at), out)
                yield f"{kind} {grid.name}", self._got(out), wanted, allowed

    def _networks(self, rng: np.random.Generator) -> Iterator[tuple[str, Array, Array, float]]:
        for network in all_networks(self._field, self._torso):
            rows = rng.normal(0, 1, (ROWS, network.inputs)).astype(np.float32)
            wanted = self._reference.network(self._inputs, network, rows)
            given, out = self._put(rows), self._fresh(wanted.shape, np.float32)
            self._ask(f"ask_network_{network.name}", self._model, self._at, ROWS, given, out)
            yield f"network {network.name}", self._got(out), wanted, FLOAT
            terms = next(x.terms for x in self._plan.layers if x.network == network)
            out = self._fresh((WARP, network.outputs), np.float32)
            self._ask_warp(network, given, out)
            allowed = HALF if terms == 1 else SPLIT
            yield f"tensor cores {network.name}", self._got(out), wanted[:WARP], allowed

    def _harmonics(self, rng: np.random.Generator) -> Iterator[tuple[str, Array, Array, float]]:
        degree = self._field.directions
        at = rng.normal(size=(ROWS, 3))
        at = (at / np.linalg.norm(at, axis=1, keepdims=True)).astype(np.float32)
        out = self._fresh((ROWS, degree**2), np.float32)
        self._ask("ask_harmonics", degree, ROWS, self._put(at), out)
        yield "harmonics", self._got(out), harmonics.spherical_harmonics(at, degree), FLOAT

    def _composite(self, rng: np.random.Generator) -> Iterator[tuple[str, Array, Array, float]]:
        offsets = np.zeros(ROWS + 1, np.int32)
        np.cumsum(rng.integers(0, 9, ROWS), out=offsets[1:])
        step = self._field.march.step
        sigmas = rng.exponential(0.5 / step, offsets[-1]).astype(np.float32)
        values = rng.uniform(0, 1, (offsets[-1], 3)).astype(np.float32)
        state = CompositeState.start(ROWS, 3)
        compositing.composite(sigmas, values, offsets, step, state)
        left, out = self._fresh((ROWS,), np.float32), self._fresh((ROWS, 3), np.float32)
        given = map(self._put, (offsets, sigmas, values))
        self._ask("ask_composite", *given, ROWS, left, out)
        yield "transmittances", self._got(left), state.transmittance, FLOAT
        yield "composited", self._got(out), state.channels, FLOAT

    def _torso_and_bytes(
        self, rng: np.random.Generator
    ) -> Iterator[tuple[str, Array, Array, float]]:
        n = self._frame.size**2
        head = rng.uniform(0, 1, (n, 4)).astype(np.float32)
        head[:, :3] *= head[:, 3:]
        inputs: FrameInputs = self._inputs
        torso = self._reference.torso_pixels(inputs, head, 0.0)
        over, out = self._put(head), self._fresh((n, 4), np.float32)
        self._ask("ask_torso", self._model, self._at, n, over, out)
        yield "torso", self._got(out), torso, CHAINED
        under = self._frame.background.reshape(-1, 3)
        wanted = image.blend(np.ascontiguousarray(head[:, :3]), head[:, 3], torso, under)
        made = self._fresh((n, 3), np.uint8)
        self._ask("ask_blend", n, over, self._put(torso), self._put(under), made)
        # Here and there rounding falls to the other side.
        yield "bytes", self._got(made), wanted, CHAINED

    def _put(self, array: Array) -> DeviceArray:
        data = np.ascontiguousarray(array)
        made = allocate(self._gpu, data.shape, data.dtype, self._stream, data)
        self._gpu.synchronise(self._stream)  # the array may go
        self._held.append(made)
        return made

    def _fresh(self, shape: tuple[int, ...], kind: Any) -> DeviceArray:
        """Memory as the GPU gives it: poisoned."""
        self._held.append(allocate(self._gpu, shape, kind, self._stream))
        return self._held[-1]

    def _got(self, array: DeviceArray) -> Array:
        made = np.empty(array.shape, array.dtype)
        self._gpu.download(made, array.address, self._stream)
        self._gpu.synchronise(self._stream)
        return made

    def _ask(self, kernel: str, *arguments: Any) -> None:
        function, given = self._gpu.function(self._module, kernel), tuple(map(_given, arguments))
        grid, block = (_BLOCKS, 1, 1), (_THREADS, 1, 1)
        self._gpu.launch(function, grid, block, given, 0, self._stream)

    def _ask_warp(self, network: MlpSpec, rows: DeviceArray, out: DeviceArray) -> None:
        function = self._gpu.function(self._module, f"ask_tensor_{network.name}")
        gathering = any(layer.network == network for layer in self._plan.gather.layers)
        shared = self._plan.shared_bytes
        self._gpu.allow_shared_memory(function, shared)
        memory = (ctypes.c_void_p * 4)(self._fragments.address, None, None, self._held[0].address)
        given = (self._model, *map(_given, (self._at, memory, int(gathering), rows, out)))
        self._gpu.launch(function, (1, 1, 1), (WARP, 1, 1), given, shared, self._stream)


def _given(argument: Any) -> Argument:
    if isinstance(argument, DeviceArray):
        return ctypes.c_void_p(argument.address)
    given: Argument = ctypes.c_int32(argument) if isinstance(argument, int) else argument
    return given
