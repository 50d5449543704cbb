"""Pictures that a GPU's kernels paint and a network of the directory makes larger."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...contract.camera import Intrinsics
from ...contract.data import Condition, Float32
from ...contract.stages import ENLARGEMENT
from ...kernels.gpu.arrays import DeviceArray
from ..backends.protocol import DeviceBuffer, Runner
from ..backends.tensorrt import TensorRtRunner
from ..backends.tensorrt_execution import TensorRtBound
from .background import resampled, resized
from .enlarge import as_bytes, enlarge, rows_of_planes
from .fused import whole_frame
from .gpu import GpuField
from .quality import Quality
from .renderer import Picture


class EnginePlanes:
    """An engine as a `kernels.gpu.frame_plan.PlanesNetwork`: it reads pictures where they lie."""

    def __init__(self, runner: TensorRtRunner) -> None:
        self._runner = runner

    def bind(self, planes: DeviceArray) -> BoundEngine:
        """Tie it to a picture in the GPU's memory."""
        (read,) = self._runner.inputs
        buffers = {read.name: DeviceBuffer(planes.address, planes.nbytes)}
        return BoundEngine(self._runner.bind({read.name: (1, *planes.shape)}, buffers))


class BoundEngine:
    """What `EnginePlanes.bind` gives; its output comes to the host."""

    def __init__(self, bound: TensorRtBound) -> None:
        self._bound = bound

    def run(self, stream: int) -> None:
        """Enqueue the engine, and the copy of what it gives."""
        self._bound.run(stream)

    def made(self) -> Float32:
        """(3, side, side), once the stream has come so far."""
        enlarged = self._bound.buffers["enlarged"]
        assert isinstance(enlarged, np.ndarray)
        made: Float32 = enlarged[0].copy()
        return made

    def close(self) -> None:
        """Free its context; twice is fine."""
        self._bound.close()


def planes_network(runner: Runner) -> EnginePlanes | None:
    """The network, if it can read pictures in the GPU's memory; None sends them by the host."""
    return EnginePlanes(runner) if isinstance(runner, TensorRtRunner) else None


class GpuEnlargedRenderer:
    """A `renderer.Renderer` whose pictures are painted at half their size on a GPU.

    Args:
        field: head and torso, prepared; what enlarges them may be bound to it.
        of_head, of_torso: the networks that give their biases.
        network: the stage `SUPER_RESOLUTION`; run here where it is not bound to the field.
        background: (S, S, 3) uint8 RGB, of any size.
        camera: at the size of the picture.
        quality: where rays end.
    """

    def __init__(
        self,
        field: GpuField,
        of_head: Runner,
        of_torso: Runner,
        network: Runner,
        background: NDArray[np.uint8],
        camera: Intrinsics,
        quality: Quality,
    ) -> None:
        self._field, self._of_head, self._of_torso = field, of_head, of_torso
        self._network = network
        side = camera.size // ENLARGEMENT
        self._field_camera = camera.scaled(side)
        unrounded = resampled(background, side).transpose(2, 0, 1) / 255
        self._behind = np.ascontiguousarray(unrounded, np.float32)
        self.background = resized(background, side)
        self.camera = camera
        self.quality = quality

    @property
    def name(self) -> str:
        """What statistics call it."""
        return f"{self._field.name}, enlarged by {self._network.backend}"

    def render(self, condition: Condition, pose: Float32) -> Picture:
        """One picture of one frame's condition (F = 1) and pose (3, 4)."""
        inputs = whole_frame(condition, pose, self._field_camera, self._of_head, self._of_torso)
        made = self._field.field.render_planes(
            inputs,
            self._behind,
            transmittance=self.quality.transmittance,
            torso_transmittance=self.quality.torso_transmittance,
        )
        rows = rows_of_planes(made.planes)
        if self._field.field.after is None:
            rows = enlarge(self._network, rows)
        return Picture(as_bytes(rows, cut_off=False), made.samples / max(1, made.rays))
