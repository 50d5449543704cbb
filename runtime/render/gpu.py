"""Pictures by a GPU's kernels: opened, tried, and used like the fused ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...contract.data import Condition, Float32
from ...contract.errors import EmoGeneError, Failure
from ...contract.field import TorsoSpec
from ...contract.manifest import Manifest
from ...contract.measure import psnr
from ...kernels.arrays import UInt8
from ...kernels.fused import FrameInputs, FusedImage
from ...kernels.gpu.arrays import DeviceArray
from ...kernels.gpu.device_field import DeviceField
from ...kernels.gpu.kinds import KINDS
from ...kernels.gpu.opening import open_gpu
from ...kernels.gpu.programs import Shipped
from ...kernels.gpu.protocol import Gpu
from ...kernels.threads import ThreadPool
from .enlarge import as_bytes, rows_of_planes
from .fused import FusedRenderer
from .trial import Trial, make_trial

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
    torso: TorsoSpec | None,
    weights: Mapping[str, NDArray[Any]],
    shipped: Shipped,
    api: str,
    kinds: Mapping[str, Callable[..., DeviceField]] | None = None,
) -> GpuField:
    """An avatar's fields on the first GPU, after it painted the picture it must.

    Of the kinds of kernels, the first that can be used and paints the right picture.

    Args:
        torso: painted with the head; None is the head alone.
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
        trial = make_trial(manifest, weights, torso)
        for last, (kind, make) in enumerate(kinds.items(), start=1):
            try:
                field = make(gpu, manifest.field, weights, torso, shipped=shipped)
                _try(field, trial, before_bytes=manifest.super_resolution)
                return GpuField(gpu, field, "; ".join(lost))
            except EmoGeneError as error:
                if last == len(kinds):
                    raise
                lost.append(f"{kind} kernels: {error}")
        raise AssertionError("there is a kind of kernels")
    except BaseException:
        gpu.close()
        raise


def _try(field: DeviceField, trial: Trial, *, before_bytes: bool) -> None:
    """Close and refuse (`Failure`) fields whose picture differs from the right one.

    Args:
        before_bytes: the picture is needed before it becomes bytes.
    """
    try:
        if not before_bytes:
            found = field.render(trial.inputs, trial.behind).image
        else:
            under = trial.behind.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
            made = field.render_planes(trial.inputs, np.ascontiguousarray(under))
            found = as_bytes(rows_of_planes(made.planes), cut_off=False)
        assert found is not None
        error = psnr(found, trial.picture)
        if not error >= LEAST_PSNR:
            raise Failure(
                f"rendering on {field.gpu.facts.name}",
                expected=f"the picture that the CPU paints, to {LEAST_PSNR:.0f} dB",
                found=f"another one: {error:.1f} dB",
                remedy="report it with the GPU and the driver's version",
            )
    except BaseException:
        field.close()
        raise
