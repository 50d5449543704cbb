"""An avatar's fields on a GPU, whatever kernels paint them."""

from __future__ import annotations

import ctypes
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...contract.errors import BadOption, SessionMisuse
from ...contract.field import FieldSpec, TorsoSpec
from ..arrays import Float32, UInt8
from ..fused import FrameInputs, FusedImage
from ..threads import ThreadPool
from .arrays import DeviceArray
from .cubin_cache import CubinCache
from .field_memory import Model, stored_in_halves, upload_model
from .frame_inputs import frame_type, frame_values
from .frame_plan import HEAD, IMAGE, PLANES, Closable, FramePlan, PlanesNetwork
from .programs import Program, Shipped, obtain
from .protocol import Gpu
from .specification import unsupported

KEPT = 4
"""Pictures of different sizes whose memory is kept."""


@dataclass(frozen=True, eq=False)
class PlanesImage:
    """A frame before it becomes bytes.

    Attributes:
        planes: (3, side, side) float32: red, green, blue.
        samples: field samples taken.
        rays: rays that took at least one.
    """

    planes: Float32
    samples: int
    rays: int


_P = ctypes.c_void_p
_NODES_A_BLOCK = 128


class DeviceField(ABC):
    """The fields of one avatar in a GPU's memory; threads may share it, frames follow each other.

    Args:
        gpu: stays open longer than this.
        field, weights, torso: as `emogene.kernels.fused.FusedField` takes them.
        shipped: cubins of the engine directory.
        cache: of what NVRTC compiled; None is the user's.

    Attributes:
        after: a network that frames of `render_planes` go through where they lie.

    Raises:
        BadOption: the field is beyond the limits, or a tensor is missing, misshapen or not finite.
        Unavailable: there is no code for this GPU, or it has no room.
    """

    _takes_halves = False
    """Whether its kernels read tables of halves, where those lose nothing."""

    _bake: int
    """The kernel ``bake_nodes``, where `_launches` is as it stands here."""

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
        self._half_tables = self._takes_halves and stored_in_halves(field, torso, weights)
        program = self._program()
        code = obtain(program, gpu.facts.architecture, shipped, cache or CubinCache())
        self._kind, self.origin = program.name, code.origin
        self._frame_type = frame_type(field, torso)
        self._module = gpu.load(code.image)
        self._find_kernels()
        self._stream = gpu.create_stream()
        self._lock = threading.Lock()
        self._pictures: OrderedDict[tuple[int, frozenset[str]], FramePlan] = OrderedDict()
        self._held: list[DeviceArray] = []
        self._closed = False
        self.after: PlanesNetwork | None = None
        try:
            self._held += upload_model(
                gpu, self._stream, field, weights, torso, half_tables=self._half_tables
            )
            self._model = Model(*(array.address for array in self._held))
            self._held += self._upload_more(weights)
        except BaseException:
            self.close()
            raise

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
            outputs = [IMAGE] if background is not None else [HEAD]
            plan = self._plan(inputs.camera.size, *outputs, *([HEAD] if keep_head else []))
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
            plan = self._plan(inputs.camera.size, IMAGE)
            plan.prepare(where, background)
            self._start(plan, inputs, transmittance, torso_transmittance, where)
            assert plan.image is not None
            plan.image.stream = where
            return plan.image

    def render_planes(
        self,
        inputs: FrameInputs,
        behind: Float32,
        *,
        transmittance: float = 0.0,
        torso_transmittance: float = 0.0,
    ) -> PlanesImage:
        """A frame before it becomes bytes, gone through the network `after` where there is one.

        Args:
            behind: (3, size, size) float32 in [0, 1], the background.
        """
        with self._lock:
            plan = self._plan(inputs.camera.size, PLANES)
            plan.prepare(self._stream, behind)
            self._start(plan, inputs, transmittance, torso_transmittance, self._stream)
            made = plan.follow(self.after, self._stream)
            _, _, counts = plan.fetch(self._stream)
            return PlanesImage(made(), *map(int, counts))

    def replayer(
        self,
        inputs: FrameInputs,
        background: UInt8,
        transmittance: float,
        torso_transmittance: float = 0.0,
    ) -> FramePlan:
        """A frame whose inputs lie on the GPU: its ``launch`` is what a frame costs there."""
        with self._lock:
            plan = self._plan(inputs.camera.size, IMAGE)
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

    @abstractmethod
    def _program(self) -> Program:
        """What is compiled."""

    @abstractmethod
    def _find_kernels(self) -> None:
        """Get ready what is launched; nothing is looked up while launches are recorded."""

    def _upload_more(self, weights: Mapping[str, NDArray[Any]]) -> list[DeviceArray]:
        """Memory that stays from frame to frame, beside the model."""
        return []

    def _scratch(self, size: int) -> int:
        """Bytes that a picture of this size needs beside its own."""
        return 0

    def _beside(self, plan: FramePlan) -> list[Closable]:
        """Get ready what a picture of this size needs beside its memory, to be closed with it."""
        return []

    @abstractmethod
    def _paint_frame(self, plan: FramePlan, stream: int) -> None:
        """Enqueue what turns baked displacements into a picture."""

    def _plan(self, size: int, *outputs: str) -> FramePlan:
        if self._closed:
            raise SessionMisuse("GPU renderer", expected="an open one", found="a closed one")
        key = (size, frozenset(outputs))
        if key not in self._pictures:
            while len(self._pictures) >= KEPT:
                self.gpu.synchronise(self._stream)
                self._pictures.popitem(last=False)[1].close()
            plan = FramePlan(
                *(self.gpu, self._stream, self._frame_type, *key),
                self._scratch(size),
                self._launches,
            )
            try:
                plan.beside += self._beside(plan)
            except BaseException:
                plan.close()
                raise
            self._pictures[key] = plan
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
        plan.upload(
            frame_values(self._field, self._torso, inputs, transmittance, torso_transmittance),
            stream,
        )
        plan.launch(stream)

    def _launches(self, plan: FramePlan, stream: int) -> None:
        """Enqueue what makes a picture of a frame's inputs."""
        gpu, frame = self.gpu, _P(plan.frame.address)
        gpu.fill(plan.counts.address, 0, plan.counts.nbytes, stream)
        if self._field.displacement is not None:
            nodes = int(np.prod(self._field.displacement.resolution))
            blocks = -(-nodes // _NODES_A_BLOCK)
            gpu.launch(
                self._bake, (blocks, 1, 1), (_NODES_A_BLOCK, 1, 1), (self._model, frame), 0, stream
            )
        self._paint_frame(plan, stream)
