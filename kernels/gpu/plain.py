"""A whole frame on a GPU by the plain kernels: a thread a pixel, everything in float32.

It takes every field the CPU's fused renderer takes, gives the same pictures to rounding, and is
what faster kernels are compared with on the GPU.
"""

from __future__ import annotations

import ctypes
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...contract.errors import BadOption, SessionMisuse
from ...contract.field import FieldSpec, TorsoSpec
from ...contract.landmarks import LANDMARKS
from ...contract.stages import bias_name
from ...contract.weights import FALLOFF, OCCUPANCY, REST, TORSO_MASK
from ..arrays import Float32, UInt8
from ..fused import FrameInputs, FusedImage, camera_structure, finite
from ..fused_structures import field_structure, torso_structure
from ..occupancy import Occupancy
from ..threads import ThreadPool
from .arrays import DeviceArray, allocate
from .cubin_cache import CubinCache
from .programs import Program, Shipped, obtain
from .protocol import Gpu
from .sources import read_unit
from .specification import all_networks, layout, specification, unsupported

PLAIN = "plain"

KEPT = 4
"""Pictures of different sizes whose memory is kept."""

_P = ctypes.c_void_p
_TILE, _NODES_A_BLOCK = 8, 128


class _Model(ctypes.Structure):
    """``PlainModel``."""

    _fields_ = tuple(
        (name, _P)
        for name in ("tables", "parameters", "bits", "distance", "mask", "rest", "falloff", "nodes")
    )


class _Picture(ctypes.Structure):
    """``PlainPicture``."""

    _fields_ = (("background", _P), ("image", _P), ("head", _P), ("counts", _P))


def plain_program(field: FieldSpec, torso: TorsoSpec | None) -> Program:
    """The kernels, specialised on the fields."""
    return Program(PLAIN, read_unit("plain.cu", specification(field, torso)))


def frame_type(field: FieldSpec, torso: TorsoSpec | None) -> np.dtype[Any]:
    """``PlainFrame``."""
    biases = layout(field, torso).bias_size
    return np.dtype(
        [
            ("pose", "f4", (3, 4)),
            ("camera", "f4", (3,)),
            ("size", "i4"),
            ("threshold", "f4"),
            ("torso_threshold", "f4"),
            ("landmarks", "f4", (LANDMARKS, 3)),
            ("biases", "f4", (biases,)),
        ]
    )


class PlainField:
    """The fields of one avatar in a GPU's memory; threads may share it, frames follow each other.

    Args:
        gpu: stays open longer than this.
        field, weights, torso: as `emogene.kernels.fused.FusedField` takes them.
        shipped: cubins of the engine directory.
        cache: of what NVRTC compiled; None is the user's.

    Raises:
        BadOption: the field is beyond the limits, or a tensor is missing, misshapen or not finite.
        Unavailable: there is no code for this GPU, or it has no room.
    """

    def __init__(
        self,
        gpu: Gpu,
        field: FieldSpec,
        weights: Mapping[str, NDArray[Any]],
        torso: TorsoSpec | None = None,
        *,
        shipped: Shipped | None = None,
        cache: CubinCache | None = None,
    ) -> None:
        if problems := unsupported(field, torso):
            raise BadOption("GPU renderer", expected="a field it takes", found=problems[0])
        self.gpu, self._field, self._torso = gpu, field, torso
        program = self._program()
        code = obtain(program, gpu.facts.architecture, shipped, cache or CubinCache())
        self._kind, self.origin = program.name, code.origin
        self._frame_type = frame_type(field, torso)
        self._module = gpu.load(code.image)
        self._find_kernels()
        self._stream = gpu.create_stream()
        self._lock = threading.Lock()
        self._pictures: OrderedDict[tuple[int, bool, bool], FramePlan] = OrderedDict()
        self._held = _upload_model(gpu, self._stream, field, weights, torso)
        self._model = _Model(*(array.address for array in self._held))
        self._held += self._upload_more(weights)
        self._closed = False

    @property
    def name(self) -> str:
        """What statistics call it."""
        return f"gpu ({self._kind}, {self.gpu.facts.architecture})"

    def render(
        self,
        inputs: FrameInputs,
        background: UInt8 | None = None,
        *,
        transmittance: float = 0.0,
        torso_transmittance: float = 0.0,
        coarse: bool = False,
        keep_head: bool = False,
        pool: ThreadPool | None = None,
    ) -> FusedImage:
        """As `emogene.kernels.fused.FusedField.render`; ``coarse`` and ``pool`` are not used."""
        with self._lock:
            plan = self._plan(inputs.camera.size, background is not None, keep_head)
            plan.prepare(self._stream, background)
            self._start(plan, inputs, transmittance, torso_transmittance, self._stream)
            image, head, counts = plan.fetch(self._stream)
        return FusedImage(head, image, *map(int, counts))

    def enqueue(
        self,
        inputs: FrameInputs,
        background: UInt8,
        *,
        transmittance: float = 0.0,
        torso_transmittance: float = 0.0,
        stream: int | None = None,
    ) -> DeviceArray:
        """Enqueue a frame, and give the picture where it lies in the GPU's memory.

        Args:
            stream: the caller's; None is the field's own.

        Returns:
            (size, size, 3) uint8, overwritten by the next frame of this size.
        """
        where = self._stream if stream is None else stream
        with self._lock:
            plan = self._plan(inputs.camera.size, True, False)
            plan.prepare(where, background)
            self._start(plan, inputs, transmittance, torso_transmittance, where)
            assert plan.image is not None
            plan.image.stream = where
            return plan.image

    def replayer(
        self,
        inputs: FrameInputs,
        background: UInt8,
        transmittance: float,
        torso_transmittance: float = 0.0,
    ) -> FramePlan:
        """A frame whose inputs lie on the GPU: its ``launch`` is what a frame costs there."""
        with self._lock:
            plan = self._plan(inputs.camera.size, True, False)
            plan.prepare(self._stream, background)
            self._start(plan, inputs, transmittance, torso_transmittance, self._stream)
            self.gpu.synchronise(self._stream)
            return plan

    def close(self) -> None:
        """Free everything but the GPU; twice is fine."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self.gpu.synchronise(self._stream)
            for plan in self._pictures.values():
                plan.close()
            for array in self._held:
                array.close()
            self.gpu.unload(self._module)
            self.gpu.destroy_stream(self._stream)

    def _program(self) -> Program:
        """What is compiled."""
        return plain_program(self._field, self._torso)

    def _find_kernels(self) -> None:
        """Get ready what `_launches` launches."""
        self._bake = self.gpu.function(self._module, "bake_nodes")
        self._paint = self.gpu.function(self._module, "paint_pixels")

    def _upload_more(self, weights: Mapping[str, NDArray[Any]]) -> list[DeviceArray]:
        """Memory that stays from frame to frame, beside the model."""
        return []

    def _scratch(self, size: int) -> int:
        """Bytes that a picture of this size needs beside its own."""
        return 0

    def _plan(self, size: int, with_image: bool, keep_head: bool) -> FramePlan:
        if self._closed:
            raise SessionMisuse("GPU renderer", expected="an open one", found="a closed one")
        key = (size, with_image, keep_head or not with_image)
        if key not in self._pictures:
            while len(self._pictures) >= KEPT:
                self.gpu.synchronise(self._stream)
                self._pictures.popitem(last=False)[1].close()
            self._pictures[key] = FramePlan(
                self.gpu, self._stream, self._frame_type, key, self._scratch(size), self._launches
            )
        self._pictures.move_to_end(key)
        return self._pictures[key]

    def _start(
        self,
        plan: FramePlan,
        inputs: FrameInputs,
        transmittance: float,
        torso_transmittance: float,
        stream: int,
    ) -> None:
        plan.upload(self._filled(inputs, transmittance, torso_transmittance), stream)
        plan.launch(stream)

    def _filled(
        self, inputs: FrameInputs, transmittance: float, torso_transmittance: float
    ) -> NDArray[Any]:
        frame = np.zeros((), self._frame_type)
        camera = camera_structure(inputs.camera)
        frame["pose"] = _checked("pose", inputs.pose, (3, 4))
        frame["camera"] = (camera.focal, camera.cx, camera.cy)
        frame["size"] = camera.size
        frame["threshold"], frame["torso_threshold"] = transmittance, torso_transmittance
        if self._field.displacement is not None:
            if inputs.landmarks is None:
                raise BadOption("landmarks", expected="(68, 3) float32", found="None")
            frame["landmarks"] = _checked("landmarks", inputs.landmarks, (LANDMARKS, 3))
        places = layout(self._field, self._torso).biases
        for network in all_networks(self._field, self._torso):
            name, width = bias_name(network.name), network.hidden[0]
            if name not in inputs.biases:
                raise BadOption(name, expected=f"({width},) float32", found="nothing")
            bias = _checked(name, np.asarray(inputs.biases[name]).reshape(-1), (width,))
            frame["biases"][places[network.name] : places[network.name] + width] = bias
        return frame

    def _launches(self, plan: FramePlan, stream: int) -> None:
        """Enqueue what makes a frame of its inputs."""
        gpu, frame = self.gpu, _P(plan.frame.address)
        gpu.fill(plan.counts.address, 0, plan.counts.nbytes, stream)
        if self._field.displacement is not None:
            nodes = int(np.prod(self._field.displacement.resolution))
            blocks = -(-nodes // _NODES_A_BLOCK)
            gpu.launch(
                self._bake, (blocks, 1, 1), (_NODES_A_BLOCK, 1, 1), (self._model, frame), 0, stream
            )
        tiles = -(-plan.size // _TILE)
        arguments = (self._model, frame, plan.structure)
        gpu.launch(self._paint, (tiles, tiles, 1), (_TILE, _TILE, 1), arguments, 0, stream)


class FramePlan:
    """Memory of one size of picture, and its launches, recorded once where that is possible.

    Args:
        key: size, whether there is an image, whether the head is kept.
        scratch: bytes of memory that only the kernels use, zeros at first.
        launches: enqueues the kernels.
    """

    def __init__(
        self,
        gpu: Gpu,
        stream: int,
        frame: np.dtype[Any],
        key: tuple[int, bool, bool],
        scratch: int,
        launches: Any,
    ) -> None:
        self.size, with_image, with_head = key
        size = self.size
        self._gpu, self._launches, self._graph = gpu, launches, 0
        self._staged = np.zeros((), frame)
        self.frame = allocate(gpu, (frame.itemsize,), np.uint8, stream)
        # Samples, and rays that took one.
        self.counts = allocate(gpu, (2,), np.uint64, stream)
        self.scratch = allocate(gpu, (scratch,), np.uint8, stream) if scratch else None
        if self.scratch is not None:
            gpu.fill(self.scratch.address, 0, scratch, stream)
        self.image = allocate(gpu, (size, size, 3), np.uint8, stream) if with_image else None
        self.background = allocate(gpu, (size, size, 3), np.uint8, stream) if with_image else None
        self.head = allocate(gpu, (size, size, 4), np.float32, stream) if with_head else None
        self.structure = _Picture(
            *(a.address if a else None for a in (self.background, self.image, self.head)),
            self.counts.address,
        )
        self._shown: UInt8 | None = None
        self._last = stream
        self._done, self._uploaded = gpu.create_event(), gpu.create_event()
        gpu.record(self._uploaded, stream)

    def prepare(self, stream: int, background: UInt8 | None) -> None:
        """Wait for what was enqueued for it elsewhere; bring a background that is not there yet."""
        if stream != self._last:
            self._gpu.wait(stream, self._done)
            self._last = stream
        if self.background is not None and background is not None and self._differs(background):
            self._shown = background.copy()
            self.background.upload(self._shown, stream)

    def upload(self, frame: NDArray[Any], stream: int) -> None:
        """Enqueue the copy of the frame's inputs."""
        # The copy before may not have read its source yet.
        self._gpu.settle(self._uploaded)
        self._staged = frame
        self._gpu.upload(self.frame.address, self._staged, stream)
        self._gpu.record(self._uploaded, stream)

    def launch(self, stream: int) -> None:
        """Enqueue the kernels."""
        gpu = self._gpu
        if gpu.graphs and not self._graph:
            own = gpu.create_stream()
            try:
                gpu.begin_capture(own)
                try:
                    self._launches(self, own)
                finally:
                    self._graph = gpu.end_capture(own)
            finally:
                gpu.destroy_stream(own)
        if self._graph:
            gpu.replay(self._graph, stream)
        else:
            self._launches(self, stream)
        gpu.record(self._done, stream)

    def fetch(self, stream: int) -> tuple[UInt8 | None, Float32 | None, NDArray[np.uint64]]:
        """Image, head and counts on the host, once the stream has come so far."""
        made = [
            None if array is None else np.empty(array.shape, array.dtype)
            for array in (self.image, self.head, self.counts)
        ]
        for array, lying in zip(made, (self.image, self.head, self.counts), strict=True):
            if array is not None and lying is not None:
                self._gpu.download(array, lying.address, stream)
        self._gpu.synchronise(stream)
        image, head, counts = made
        assert counts is not None
        return image, head, counts

    def close(self) -> None:
        """Free its memory."""
        if self._graph:
            self._gpu.destroy_graph(self._graph)
            self._graph = 0
        for event in (self._done, self._uploaded):
            self._gpu.destroy_event(event)
        for array in (
            self.frame,
            self.counts,
            self.scratch,
            self.image,
            self.background,
            self.head,
        ):
            if array is not None:
                array.close()

    def _differs(self, background: UInt8) -> bool:
        return self._shown is None or not np.array_equal(self._shown, background)


def _upload_model(
    gpu: Gpu,
    stream: int,
    field: FieldSpec,
    weights: Mapping[str, NDArray[Any]],
    torso: TorsoSpec | None,
) -> list[DeviceArray]:
    """The arrays of ``PlainModel``, in its order. Tensors are checked as the C++ library does."""
    field_structure(field, weights)
    if torso is not None:
        torso_structure(torso, weights)
    places = layout(field, torso)
    side = field.march.occupancy_resolution
    occupancy = Occupancy.from_bits(
        np.ascontiguousarray(weights[OCCUPANCY]), side, field.bounds_min, field.bounds_max
    )
    moves = field.displacement is not None
    nodes = (3 * int(np.prod(field.displacement.resolution)),) if field.displacement else (1,)
    arrays: list[NDArray[Any]] = [
        _joined(weights, places.tables, places.table_size),
        _joined(weights, places.parameters, places.parameter_size),
        occupancy.bits,
        occupancy.distance,
        weights[TORSO_MASK] if torso else np.zeros(1, np.uint8),
        np.asarray(weights[REST], np.float32) if moves else np.zeros(1, np.float32),
        np.asarray(weights[FALLOFF], np.float32) if moves else np.zeros(1, np.float32),
        np.zeros(nodes, np.float32),
    ]
    arrays = [np.ascontiguousarray(array) for array in arrays]
    made = [allocate(gpu, a.shape, a.dtype, stream, a) for a in arrays]
    gpu.synchronise(stream)  # the arrays may go
    return made


def _joined(
    weights: Mapping[str, NDArray[Any]], places: Mapping[str, int], size: int
) -> NDArray[np.float32]:
    """Tensors one after the other."""
    joined = np.zeros(size, np.float32)
    for name, at in places.items():
        tensor = np.asarray(weights[name], np.float32).reshape(-1)
        joined[at : at + tensor.size] = tensor
    return joined


def _checked(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    if array.shape != shape or array.dtype != np.float32:
        raise BadOption(
            name, expected=f"float32 {shape}", found=f"{array.dtype.name} {array.shape}"
        )
    return finite(name, array)
