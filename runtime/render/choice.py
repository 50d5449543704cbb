"""Which renderer paints an avatar's pictures, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ...contract import stages
from ...contract.errors import BadOption, Unavailable
from ...contract.field import FieldSpec, TorsoSpec
from ...contract.manifest import Manifest
from ...kernels.fused import unsupported
from ...kernels.fused_structures import network_tensors
from ...kernels.gpu.kinds import KINDS
from ...kernels.gpu.specification import unsupported as unsupported_on_gpus
from ...kernels.gpu.wavefront import WITH_ENGINES
from .gpu_path import NO_GPU, GpuPath
from .rounds import PER_RAY

AUTO, FUSED, WAVEFRONT, GPU = "auto", "fused", "wavefront", "gpu"
GPU_KINDS = {f"{GPU}-{kind}": kind for kind in (*KINDS, WITH_ENGINES)}
"""Names that ask for one kind of GPU kernels, whose others are not tried. The directory's engines
in the wavefront kernels are only used where they are asked for."""

RENDERERS = (AUTO, FUSED, WAVEFRONT, GPU, *GPU_KINDS)

FIELD_STAGES = frozenset(
    {
        stages.AMBIENT,
        stages.DENSITY,
        stages.COLOUR,
        stages.TORSO_DEFORM,
        stages.TORSO_COLOUR,
    }
)
"""The networks that the fused renderer evaluates itself."""


HEAD_STAGES = frozenset({stages.AMBIENT, stages.DENSITY, stages.COLOUR})
"""Those of them that are of the head."""


@dataclass(frozen=True)
class RendererChoice:
    """What paints.

    Attributes:
        used: `FUSED`, `WAVEFRONT` or `GPU`.
        why: in words.
        fallback: why it is not the GPU there is; empty where nothing better was wanted.
        remedy: what would bring the better one.
        beside: why the fused renderer paints the head alone, and networks the rest; empty where it
            paints the whole picture.
        kernels: the one kind of GPU kernels that was asked for; empty where any will do.
    """

    used: str
    why: str
    fallback: str = ""
    remedy: str = ""
    beside: str = ""
    kernels: str = ""


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
        recast: stages that were asked for in another precision than float32, which only the
            wavefront renderer runs as they lie in the directory.
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
    obstacle = _obstacle(weights, manifest.field)
    if marching != PER_RAY:
        obstacle = "it marches each ray by itself"
    beside = obstacle or _beside(manifest, weights)
    whole = beside or next(iter(unsupported_on_gpus(manifest.field, manifest.torso)), "")
    found = {FUSED: obstacle, GPU: whole}.get(asked, "")
    if found:
        raise Unavailable(
            f"{asked} renderer",
            expected="an avatar it takes",
            found=found,
            remedy=f"use the renderer {WAVEFRONT} or {AUTO}",
        )
    if asked == GPU and not gpu.works:
        raise Unavailable(
            "gpu renderer", expected="a GPU to use", found=gpu.found, remedy=gpu.remedy
        )
    if asked != AUTO:
        return RendererChoice(asked, "asked for", beside=beside, kernels=kernels)
    if cast := sorted((HEAD_STAGES if beside else FIELD_STAGES) & set(recast)):
        return RendererChoice(WAVEFRONT, f"{', '.join(cast)} was asked for in another precision")
    if obstacle:
        return RendererChoice(WAVEFRONT, obstacle)
    if gpu.works and not whole:
        return RendererChoice(GPU, gpu.found)
    used, why = FUSED, "the fastest on a CPU"
    if not on_cpu:
        used, why = WAVEFRONT, "the networks do not run on the CPU"
    lost = (gpu.found, gpu.remedy) if gpu.wanted and not whole else ("", "")
    return RendererChoice(used, why, *lost, beside if used == FUSED else "")


def _beside(manifest: Manifest, weights: Mapping[str, NDArray[Any]]) -> str:
    """Why the fused renderer cannot paint more than the head; empty if it can."""
    if manifest.super_resolution:
        return "pictures are enlarged by a network"
    return _obstacle(weights, manifest.field, manifest.torso)


def _obstacle(
    weights: Mapping[str, NDArray[Any]], field: FieldSpec, torso: TorsoSpec | None = None
) -> str:
    """Why the fused renderer does not take these fields; empty if it does."""
    if problems := unsupported(field, torso):
        return problems[0]
    for network in (*field.networks, *((torso.deform, torso.colour) if torso else ())):
        if missing := sorted(set(network_tensors(network)) - set(weights)):
            return f"the directory's weights lack {missing[0]}"
    return ""
