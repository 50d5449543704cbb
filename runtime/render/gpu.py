"""Pictures by a GPU's kernels: opened, tried against the CPU's, and used like the fused ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...contract.camera import Intrinsics
from ...contract.data import Condition, Float32
from ...contract.errors import Failure
from ...contract.landmarks import LANDMARKS
from ...contract.manifest import Manifest
from ...contract.stages import bias_name
from ...contract.weights import POSES, REST
from ...kernels.fused import FrameInputs, FusedField
from ...kernels.gpu.arrays import DeviceArray
from ...kernels.gpu.opening import open_gpu
from ...kernels.gpu.plain import PlainField
from ...kernels.gpu.programs import Shipped
from ...kernels.gpu.protocol import Gpu
from ...kernels.gpu.specification import all_networks
from .fused import FusedRenderer

TRIED_SIZE = 64
"""Side of the picture that is rendered by GPU and CPU when an avatar is opened, pixels."""

LEAST_PSNR = 50.0
"""Between the two, dB. They differ by rounding alone; a wrong kernel is far below."""


class GpuField(PlainField):
    """An avatar's fields on a GPU of their own opening; closing it lets go of the GPU."""

    def close(self) -> None:
        """Free everything; twice is fine."""
        super().close()
        self.gpu.close()


class GpuRenderer(FusedRenderer):
    """A `renderer.Renderer` on a GPU, whose pictures may also stay there."""

    _field: GpuField

    def lying(self, condition: Condition, pose: Float32, stream: int | None = None) -> DeviceArray:
        """One picture, enqueued: (size, size, 3) uint8 in the GPU's memory.

        It speaks ``__cuda_array_interface__`` and DLPack, and is overwritten by the next picture of
        this size.

        Args:
            stream: CUDA stream of the caller's, by its handle; None is the field's own.
        """
        return self._field.enqueue(
            self._inputs(condition, pose),
            self._behind,
            transmittance=self.quality.transmittance,
            torso_transmittance=self.quality.torso_transmittance,
            stream=stream,
        )


def open_field(
    manifest: Manifest, weights: Mapping[str, NDArray[Any]], shipped: Shipped, api: str
) -> GpuField:
    """An avatar's fields on the first GPU, after a picture by it equalled one by the CPU.

    Args:
        shipped: the directory's cubins.
        api: one of `kernels.gpu.opening.APIS`.

    Raises:
        Unavailable: no code for this GPU, no room on it.
        Failure: the driver refuses something, or the pictures differ.
    """
    gpu: Gpu = open_gpu(api)
    try:
        made = GpuField(gpu, manifest.field, weights, manifest.torso, shipped=shipped)
    except BaseException:
        gpu.close()
        raise
    try:
        _try(made, manifest, weights)
    except BaseException:
        made.close()
        raise
    return made


def _try(field: GpuField, manifest: Manifest, weights: Mapping[str, NDArray[Any]]) -> None:
    """Refuse (`Failure`) a GPU whose picture differs from the CPU's."""
    rng = np.random.default_rng(0)
    camera: Intrinsics = manifest.camera.scaled(TRIED_SIZE)
    biases = {
        bias_name(n.name): rng.normal(0, 0.3, n.hidden[0]).astype(np.float32)
        for n in all_networks(manifest.field, manifest.torso)
    }
    landmarks = None
    if manifest.field.displacement is not None:
        moved = rng.normal(0, 0.02, (LANDMARKS, 3)).astype(np.float32)
        landmarks = np.asarray(weights[REST], np.float32) + moved
    pose = np.ascontiguousarray(weights[POSES][0], np.float32)
    inputs = FrameInputs(pose, camera, biases, landmarks)
    behind = rng.integers(0, 256, (TRIED_SIZE, TRIED_SIZE, 3)).astype(np.uint8)
    reference = FusedField(manifest.field, weights, manifest.torso, instruction_set="baseline")
    try:
        right = reference.render(inputs, behind).image
    finally:
        reference.close()
    found = field.render(inputs, behind).image
    assert right is not None and found is not None
    error = float(np.mean(np.square(right.astype(np.float64) - found)))
    psnr = 10 * np.log10(255**2 / error) if error else np.inf
    if not psnr >= LEAST_PSNR:
        raise Failure(
            f"rendering on {field.gpu.facts.name}",
            expected=f"the picture that the CPU paints, to {LEAST_PSNR:.0f} dB",
            found=f"another one: {psnr:.1f} dB",
            remedy="report it with the GPU and the driver's version",
        )
