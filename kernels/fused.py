"""A whole frame in one call: head, torso and background of any field within `LIMITS`.

The library packs the networks and grids once; a frame then needs the biases, the landmarks and the
pose. Which samples a ray visits is the same as in `traversal.march`, bit for bit; the networks are
evaluated in float32; by the instruction set ``avx512bf16`` in bfloat16 with float32 sums; by
``amx`` with numbers split into two of bfloat16, or rounded to one where a frame is `coarse`.
"""

from __future__ import annotations

import ctypes
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..contract.camera import Intrinsics
from ..contract.consistency import camera_problems, field_problems, torso_problems
from ..contract.errors import BadOption, Failure, SessionMisuse
from ..contract.field import FieldSpec, GridSpec, MlpSpec, TorsoSpec
from ..contract.stages import bias_name
from . import instructions, native
from .arrays import F32, U8, Float32, Int32, UInt8, address
from .fused_structures import FrameStructure, field_structure, torso_structure
from .threads import ThreadPool

_P, _I32 = native.POINTER, native.I32
_create = native.Kernel("emogene_fused_create", _P, _P, _I32, result=_P)
_destroy = native.Kernel("emogene_fused_destroy", _P)
_render = native.Kernel("emogene_fused_render", _P, _P, result=_I32)
_samples = native.Kernel("emogene_fused_samples", _P, _P, _I32, _P, _P, result=_I32)

MAX_WIDTH, MAX_LAYERS, MAX_GRIDS, MAX_LEVELS = 256, 8, 4, 32
"""Limits of the C library (``emogene_fused.h``), and of the kernels of GPUs."""

MAX_SIZE = 16_384
"""Side of a picture, pixels."""


@dataclass(frozen=True, eq=False)
class FrameInputs:
    """What changes from frame to frame.

    Attributes:
        pose: (3, 4) float32 camera-from-head.
        camera: at the size to render.
        biases: first-layer bias ``<network>_bias`` (hidden,) or (1, hidden) of every network.
        landmarks: (68, 3) float32 that drive the displacement; None where the field has none.
    """

    pose: Float32
    camera: Intrinsics
    biases: Mapping[str, Float32]
    landmarks: Float32 | None = None


@dataclass(frozen=True, eq=False)
class FusedImage:
    """A rendered frame.

    Attributes:
        head: (size, size, 4) float32 colour premultiplied by opacity, and opacity; None unless
            asked for.
        image: (size, size, 3) uint8 RGB; None where no background was given.
        samples: field samples taken.
        rays: rays that took at least one.
    """

    head: Float32 | None
    image: UInt8 | None
    samples: int
    rays: int


class FusedField:
    """The fields of one avatar, prepared for one instruction set; threads may share it.

    Args:
        field: the head.
        weights: the tensors of `contract.field`: grid tables (float32 or float16),
            ``<network>.<i>.weight`` and ``.bias``, ``occupancy``, ``displacement.*``, and the
            torso's.
        torso: None renders the head alone.
        instruction_set: see `instructions.chosen`.

    Raises:
        BadOption: the field is beyond the limits, or a tensor is missing, misshapen or not finite.
        Unavailable: this processor does not have the instruction set.
    """

    def __init__(
        self,
        field: FieldSpec,
        weights: Mapping[str, NDArray[Any]],
        torso: TorsoSpec | None = None,
        *,
        instruction_set: str | None = None,
    ) -> None:
        self.instruction_set = instructions.chosen(instruction_set)
        if problems := unsupported(field, torso):
            raise BadOption("fused renderer", expected="a field it takes", found=problems[0])
        self._field, self._torso = field, torso
        head = field_structure(field, weights)
        chest = torso_structure(torso, weights) if torso else None
        self._handle: int | None = _create(
            ctypes.addressof(head.structure),
            ctypes.addressof(chest.structure) if chest else None,
            instructions.number(self.instruction_set),
        )
        self._busy = threading.Condition()
        self._users = 0
        if not self._handle:
            raise Failure("fused renderer", expected="memory for the field", found="none")

    @property
    def name(self) -> str:
        """What statistics call it."""
        return f"fused ({self.instruction_set})"

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
        """Render a frame.

        Args:
            background: (size, size, 3) uint8 RGB behind head and torso; None renders the head only.
            transmittance: a ray ends once less than this share of light comes through.
            torso_transmittance: no torso where less than this share comes through the head.
            coarse: products of bfloat16 suffice; changes ``amx`` alone.
            keep_head: return the head's own colour and opacity, too.

        Raises:
            BadOption: an array has another dtype or shape, or holds a number that is not finite.
            SessionMisuse: it is closed.
        """
        size = inputs.camera.size
        at_background = None
        if background is not None:
            at_background = address("background", background, U8, (size, size, 3))
        keep_head = keep_head or background is None
        head = np.empty((size, size, 4), np.float32) if keep_head else None
        image = None if background is None else np.empty((size, size, 3), np.uint8)
        frame, held = self._frame(inputs)
        frame.threshold, frame.torso_threshold = transmittance, torso_transmittance
        frame.coarse = coarse
        frame.background = at_background
        frame.head = None if head is None else head.ctypes.data
        frame.image = None if image is None else image.ctypes.data
        self._run(_render, ctypes.addressof(frame), pool=pool)
        del held  # what the frame pointed at
        return FusedImage(head, image, frame.samples, frame.rays)

    def samples(
        self, pose: Float32, camera: Intrinsics, *, pool: ThreadPool | None = None
    ) -> tuple[Int32, Float32]:
        """The samples that every pixel's ray visits if none ends early; for tests.

        Returns:
            (size, size) numbers of samples and (size, size, max_samples) their distances, the rest
            of which are 0.
        """
        size, most = camera.size, self._field.march.max_samples
        counts = np.zeros((size, size), np.int32)
        distances = np.zeros((size, size, most), np.float32)
        frame = FrameStructure()
        frame.pose = address("pose", finite("pose", pose), F32, (3, 4))
        frame.camera = camera_structure(camera)
        self._run(
            _samples,
            ctypes.addressof(frame),
            most,
            counts.ctypes.data,
            distances.ctypes.data,
            pool=pool,
        )
        return counts, distances

    def close(self) -> None:
        """Free the packed fields once no frame is being rendered; twice is fine."""
        with self._busy:
            self._busy.wait_for(lambda: self._users == 0)
            handle, self._handle = self._handle, None
        if handle:
            _destroy(handle)

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self.close()

    def _run(self, kernel: native.Kernel, *arguments: Any, pool: ThreadPool | None) -> None:
        with self._busy:
            if not self._handle:
                raise SessionMisuse("FusedField", expected="an open one", found="a closed one")
            handle = self._handle
            self._users += 1
        try:
            if not kernel.on(pool, handle, *arguments):
                raise Failure("fused renderer", expected="memory for a frame", found="none")
        finally:
            with self._busy:
                self._users -= 1
                self._busy.notify_all()

    def _frame(self, inputs: FrameInputs) -> tuple[FrameStructure, list[NDArray[Any]]]:
        """The frame for C, and the arrays it points at, which must outlive it."""
        frame, held = FrameStructure(), []
        pose = finite("pose", inputs.pose)
        frame.pose = address("pose", pose, F32, (3, 4))
        frame.camera = camera_structure(inputs.camera)
        if self._field.displacement is not None:
            if inputs.landmarks is None:
                raise BadOption("landmarks", expected="(68, 3) float32", found="None")
            landmarks = finite("landmarks", inputs.landmarks)
            frame.landmarks = address("landmarks", landmarks, F32, (None, 3))
            held.append(landmarks)
        for role, network in _networks(self._field, self._torso):
            bias = self._bias(inputs.biases, network)
            setattr(frame, f"{role}_bias", bias.ctypes.data)
            held.append(bias)
        return frame, [*held, pose]

    @staticmethod
    def _bias(biases: Mapping[str, Float32], network: MlpSpec) -> Float32:
        name = bias_name(network.name)
        if name not in biases:
            raise BadOption(name, expected=f"({network.hidden[0]},) float32", found="nothing")
        bias = np.ascontiguousarray(biases[name]).reshape(-1)
        address(name, bias, F32, (network.hidden[0],))
        return finite(name, bias)


def unsupported(field: FieldSpec, torso: TorsoSpec | None = None) -> list[str]:
    """Why the fused renderer does not take these fields; empty if it does."""
    return beyond_limits(field, torso) + (_published_torso(torso) if torso else [])


def beyond_limits(field: FieldSpec, torso: TorsoSpec | None = None) -> list[str]:
    """What does not fit together in these fields, or is larger than kernels are made for."""
    said = field_problems(field) + (torso_problems(torso) if torso else [])
    if said:
        return said
    networks = [network for _, network in _networks(field, torso)]
    grids = [*field.grids, *field.surface, *([torso.grid] if torso else [])]
    said += [f"network {n.name!r} is wider than {MAX_WIDTH}" for n in networks if _too_wide(n)]
    said += [
        f"network {n.name!r} has more than {MAX_LAYERS} layers"
        for n in networks
        if len(n.widths) - 1 > MAX_LAYERS
    ]
    said += [f"grid {g.name!r} has over {MAX_LEVELS} levels" for g in grids if _too_deep(g)]
    if max(len(field.grids), len(field.surface)) > MAX_GRIDS:
        said.append(f"it reads more than {MAX_GRIDS} grids a sample or a ray")
    return said


def _published_torso(torso: TorsoSpec) -> list[str]:
    """What of the published torso's differences the CPU's kernels do not know."""
    differences = {
        "pixels span it from centre to centre": torso.span != "edges",
        "its positions are shrunk": torso.shrink != 1.0,
        "its frequencies have another base": torso.frequency != math.pi,
        "its offset is not bounded by tanh": torso.offset != "tanh",
        "the head reaches it as a code": torso.head_code > 0,
    }
    return [f"the torso is a published one: {what}" for what, so in differences.items() if so]


def finite(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """The array, if all its numbers are finite.

    Raises:
        BadOption: one is not.
    """
    if not np.isfinite(array).all():
        found = np.asarray(array)[~np.isfinite(array)].flat[0]
        raise BadOption(name, expected="finite numbers", found=str(found))
    return array


def camera_structure(camera: Intrinsics) -> native.Camera:
    sound = not camera_problems(camera) and camera.size <= MAX_SIZE
    if not (sound and np.isfinite((camera.focal, camera.cx, camera.cy)).all()):
        raise BadOption(
            "camera",
            expected=f"1 to {MAX_SIZE} pixels a side and finite numbers, the focal length above 0",
            found=str(camera),
        )
    return native.Camera(camera.size, camera.focal, camera.cx, camera.cy)


def _networks(field: FieldSpec, torso: TorsoSpec | None) -> list[tuple[str, MlpSpec]]:
    """Every network by its role in C's frame."""
    roles = [("density", field.density), ("colour", field.colour)]
    if field.ambient is not None:
        roles.append(("ambient", field.ambient))
    if torso is not None:
        roles += [("torso_deform", torso.deform), ("torso_colour", torso.colour)]
    return roles


def _too_wide(network: MlpSpec) -> bool:
    return max(network.widths) > MAX_WIDTH


def _too_deep(grid: GridSpec) -> bool:
    return len(grid.levels) > MAX_LEVELS
