"""Pictures by a GPU's kernels: opened, tried against the CPU's, and used like the fused ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...contract.camera import Intrinsics
from ...contract.data import Condition, Float32
from ...contract.errors import EmoGeneError, Failure
from ...contract.landmarks import LANDMARKS
from ...contract.manifest import Manifest
from ...contract.stages import bias_name
from ...contract.weights import POSES, REST
from ...kernels.arrays import UInt8
from ...kernels.fused import FrameInputs, FusedField, FusedImage
from ...kernels.gpu.arrays import DeviceArray
from ...kernels.gpu.device_field import DeviceField
from ...kernels.gpu.kinds import KINDS
from ...kernels.gpu.opening import open_gpu
from ...kernels.gpu.programs import Shipped
from ...kernels.gpu.protocol import Gpu
from ...kernels.gpu.specification import all_networks
from ...kernels.threads import ThreadPool
from .fused import FusedRenderer

TRIED_SIZE = 64
"""Side of the picture that is rendered by GPU and CPU when an avatar is opened, pixels."""

LEAST_PSNR = 50.0
"""Between the two, dB. They differ by rounding alone; a wrong kernel is far below."""


class GpuField:
    """An avatar's fields on a GPU that was opened for them; a `fused.FrameField`.

    Attributes:
        name: what statistics call it.
        lost: why a faster kind of kernels is not used; empty if none is.
    """

    def __init__(self, gpu: Gpu, field: DeviceField, lost: str = "") -> None:
        self._gpu, self.field, self.lost = gpu, field, lost
        self.name = field.name

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
        """A frame; see `kernels.fused.FusedField.render`."""
        return self.field.render(
            inputs,
            background,
            transmittance=transmittance,
            torso_transmittance=torso_transmittance,
            coarse=coarse,
            keep_head=keep_head,
            pool=pool,
        )

    def close(self) -> None:
        """Free everything and let go of the GPU; twice is fine."""
        self.field.close()
        self._gpu.close()


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
        return self._field.field.enqueue(
            self._inputs(condition, pose),
            self._behind,
            transmittance=self.quality.transmittance,
            torso_transmittance=self.quality.torso_transmittance,
            stream=stream,
        )


def open_field(
    manifest: Manifest,
    weights: Mapping[str, NDArray[Any]],
    shipped: Shipped,
    api: str,
    kinds: Mapping[str, Callable[..., DeviceField]] | None = None,
) -> GpuField:
    """An avatar's fields on the first GPU, after a picture by it equalled one by the CPU.

    Of the kinds of kernels, the first that can be used and paints the right picture.

    Args:
        shipped: the directory's cubins.
        api: one of `kernels.gpu.opening.APIS`.
        kinds: of kernels to try; None are all of `KINDS`.

    Raises:
        Unavailable: no code for this GPU, no room on it.
        Failure: the driver refuses something, or the pictures differ.
    """
    kinds = KINDS if kinds is None else kinds
    gpu, lost = open_gpu(api), list[str]()
    try:
        for last, (kind, make) in enumerate(kinds.items(), start=1):
            try:
                return GpuField(gpu, _made(gpu, make, manifest, weights, shipped), "; ".join(lost))
            except EmoGeneError as error:
                if last == len(kinds):
                    raise
                lost.append(f"{kind} kernels: {error}")
        raise AssertionError("there is a kind of kernels")
    except BaseException:
        gpu.close()
        raise


def _made(
    gpu: Gpu,
    make: Callable[..., DeviceField],
    manifest: Manifest,
    weights: Mapping[str, NDArray[Any]],
    shipped: Shipped,
) -> DeviceField:
    """Fields whose picture was tried."""
    field = make(gpu, manifest.field, weights, manifest.torso, shipped=shipped)
    try:
        _try(field, manifest, weights)
    except BaseException:
        field.close()
        raise
    return field


def _try(field: DeviceField, manifest: Manifest, weights: Mapping[str, NDArray[Any]]) -> None:
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
