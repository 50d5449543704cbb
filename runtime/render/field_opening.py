"""The renderer that is asked for, or the best that works here, with what it needs prepared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from ...contract.errors import EmoGeneError, Unavailable
from ...contract.stages import SUPER_RESOLUTION
from ...kernels.fused import FusedField
from ...kernels.gpu.device_field import DeviceField
from ...kernels.gpu.kinds import KINDS
from ...kernels.gpu.programs import Shipped
from ...kernels.gpu.wavefront import WITH_ENGINES, WavefrontField
from ...kernels.gpu.wavefront_memory import LEAST_EACH
from ..backends.providers import CPU
from ..loading import Loaded
from .choice import AUTO, FUSED, GPU, GPU_KINDS, RendererChoice, choose_renderer
from .fused import FrameField
from .gpu import open_field
from .gpu_engines import engine_networks
from .gpu_enlarged import planes_network
from .gpu_path import NO_GPU, GpuPath, find_gpu_path


def prepare_field(
    asked: str, loaded: Loaded, marching: str, *, strict: bool = False
) -> tuple[RendererChoice, FrameField | None]:
    """Choose, and prepare the fields for it; None for the wavefront renderer.

    A GPU that seemed to work and does not is given up for the next best, unless it was asked for.

    Args:
        strict: refuse to go without a GPU that is there.

    Raises:
        BadOption, Unavailable: as `choice.choose_renderer`.
        Unavailable: ``strict``, and the GPU that is there cannot be used.
        Failure: the GPU was asked for and does not render as it should.
    """
    shipped = Shipped(loaded.path, loaded.manifest.cubins)
    path = _gpu_path(asked, loaded, shipped)
    chosen = _choose(asked, loaded, marching, path)
    manifest, weights = loaded.manifest, loaded.weights
    if chosen.used == GPU:
        try:
            kinds = _kinds(chosen, loaded)
            field = open_field(
                manifest, chosen.torso_of(manifest), weights, shipped, path.api, kinds
            )
            if strict and field.lost:
                field.close()
                raise Unavailable(
                    "rendering on the GPU",
                    expected="its fastest kernels, as --strict wants no others",
                    found=field.lost,
                    remedy=f"leave out --strict to render with {field.name}",
                )
            if manifest.super_resolution and not chosen.beside:
                field.field.after = planes_network(loaded.runners[SUPER_RESOLUTION])
            return replace(chosen, fallback=field.lost), field
        except EmoGeneError as error:
            if asked != AUTO:
                raise
            found = str(error).removesuffix(f" — {error.remedy}")
            lost = GpuPath(False, found, error.remedy, wanted=True)
        chosen = _choose(asked, loaded, marching, lost)
    if strict and chosen.fallback:
        raise Unavailable(
            "rendering on the GPU",
            expected="it to work, as --strict wants no other",
            found=chosen.fallback,
            remedy=chosen.remedy or f"leave out --strict to render with {chosen.used}",
        )
    if chosen.used == FUSED:
        return chosen, FusedField(manifest.field, weights, chosen.torso_of(manifest))
    return chosen, None


def _kinds(
    chosen: RendererChoice, loaded: Loaded
) -> Mapping[str, Callable[..., DeviceField]] | None:
    """The one kind of GPU kernels that was asked for; None for any."""
    kernels = chosen.kernels
    if not kernels:
        return None
    if kernels != WITH_ENGINES:
        return {kernels: KINDS[kernels]}
    field, torso = loaded.manifest.field, chosen.torso_of(loaded.manifest)
    networks, most = engine_networks(field, torso, loaded.runners)
    return {kernels: partial(WavefrontField, networks=networks, rays=most // LEAST_EACH)}


def _gpu_path(asked: str, loaded: Loaded, shipped: Shipped) -> GpuPath:
    # Whoever asks for the CPU's networks wants the CPU's pictures, too.
    if asked not in (AUTO, GPU, *GPU_KINDS) or (asked == AUTO and loaded.choice.asked == CPU):
        return NO_GPU
    cubins = frozenset(cubin.architecture for cubin in shipped.cubins)
    return find_gpu_path(loaded.choice.driver, cubins)


def _choose(asked: str, loaded: Loaded, marching: str, path: GpuPath) -> RendererChoice:
    return choose_renderer(
        asked,
        loaded.manifest,
        loaded.weights,
        on_cpu=loaded.choice.used == CPU,
        recast=loaded.recast,
        marching=marching,
        gpu=path,
    )
