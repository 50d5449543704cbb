"""Which renderer paints an avatar's pictures, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ...contract.errors import BadOption, Unavailable
from ...contract.field import TorsoSpec
from ...contract.manifest import Manifest
from ...kernels.gpu.kinds import KINDS
from ...kernels.gpu.wavefront import WITH_ENGINES
from .gpu_path import NO_GPU, GpuPath
from .reach import HEAD_STAGES, Reach, fused_reach, gpu_reach, shapes_of
from .rounds import PER_RAY

AUTO, FUSED, WAVEFRONT, GPU = "auto", "fused", "wavefront", "gpu"
GPU_KINDS = {f"{GPU}-{kind}": kind for kind in (*KINDS, WITH_ENGINES)}
"""Names that ask for one kind of GPU kernels, whose others are not tried. The directory's engines
in the wavefront kernels are only used where they are asked for."""

RENDERERS = (AUTO, FUSED, WAVEFRONT, GPU, *GPU_KINDS)


@dataclass(frozen=True)
class RendererChoice:
    """What paints.

    Attributes:
        used: `FUSED`, `WAVEFRONT` or `GPU`.
        why: in words.
        fallback: why it is not the GPU there is; empty where nothing better was wanted.
        remedy: what would bring the better one.
        beside: why the kernels of CPU or GPU paint the head alone, and networks the rest; empty
            where they paint the whole picture.
        kernels: the one kind of GPU kernels that was asked for; empty where any will do.
    """

    used: str
    why: str
    fallback: str = ""
    remedy: str = ""
    beside: str = ""
    kernels: str = ""

    def torso_of(self, manifest: Manifest) -> TorsoSpec | None:
        """The torso that its kernels paint with the head."""
        return None if self.beside else manifest.torso


def checked_renderer(name: str) -> str:
    """``name``, if it is one (`BadOption`)."""
    if name not in RENDERERS:
        raise BadOption("renderer", expected=f"one of {', '.join(RENDERERS)}", found=repr(name))
    return name


def choose_renderer(
    asked: str,
    manifest: Manifest,
    weights: Mapping[str, NDArray[Any]],
    *,
    on_cpu: bool,
    recast: Iterable[str] = (),
    marching: str = PER_RAY,
    gpu: GpuPath = NO_GPU,
) -> RendererChoice:
    """Decide for an engine directory.

    Args:
        asked: one of `RENDERERS`.
        on_cpu: its networks run on ONNX Runtime's CPU provider.
        recast: stages that were asked for in another precision than float32, which no kernels run
            as they lie in the directory.
        marching: one of `rounds.MARCHINGS`.
        gpu: what `gpu_path.find_gpu_path` found.

    Raises:
        BadOption: there is no such renderer.
        Unavailable: the fused one or the GPU was asked for and does not take these fields, or there
            is no GPU to use.
    """
    kernels = GPU_KINDS.get(checked_renderer(asked), "")
    asked = GPU if kernels else asked
    if asked == WAVEFRONT:
        return RendererChoice(WAVEFRONT, "asked for")
    shapes = shapes_of(weights)
    reaches = {FUSED: fused_reach(manifest, shapes), GPU: gpu_reach(manifest, shapes)}
    if marching != PER_RAY:
        reaches = dict.fromkeys(reaches, Reach(f"the marching {marching!r}, which is in rounds"))
    if asked != AUTO:
        return _asked_for(asked, reaches[asked], gpu, kernels)
    fused, of_gpu = (_unless_recast(reaches[name], recast) for name in (FUSED, GPU))
    if gpu.works and not of_gpu.obstacle:
        return RendererChoice(GPU, gpu.found, beside=of_gpu.beside)
    used, why, beside = FUSED, "the fastest on a CPU", fused.beside
    if why_not := fused.obstacle or ("" if on_cpu else "the networks do not run on the CPU"):
        used, why, beside = WAVEFRONT, why_not, ""
    lost = (gpu.found, gpu.remedy) if gpu.wanted and not of_gpu.obstacle else ("", "")
    return RendererChoice(used, why, *lost, beside)


def _asked_for(asked: str, reach: Reach, gpu: GpuPath, kernels: str) -> RendererChoice:
    if reach.obstacle:
        raise Unavailable(
            f"{asked} renderer",
            expected="an avatar and a marching it takes",
            found=reach.obstacle,
            remedy=f"use the renderer {WAVEFRONT} or {AUTO}",
        )
    if asked == GPU and not gpu.works:
        raise Unavailable(
            "gpu renderer", expected="a GPU to use", found=gpu.found, remedy=gpu.remedy
        )
    return RendererChoice(asked, "asked for", beside=reach.beside, kernels=kernels)


def _unless_recast(reach: Reach, recast: Iterable[str]) -> Reach:
    """What is left to kernels where networks are to run as they lie in the directory."""
    cast = sorted(reach.stages & set(recast))
    if not cast:
        return reach
    said = f"{', '.join(cast)} was asked for in another precision"
    return Reach("", said) if HEAD_STAGES.isdisjoint(cast) else Reach(said)
