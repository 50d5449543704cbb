"""Published torsos on the model of a GPU, by every kind of kernels: pictures against the NumPy
reference, and that reference against PyTorch."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from emogene.contract.errors import BadOption
from emogene.contract.measure import psnr
from emogene.contract.stages import bias_name
from emogene.kernels.gpu import nvrtc
from emogene.kernels.gpu.cubin_cache import CubinCache
from emogene.kernels.gpu.device_field import DeviceField
from emogene.kernels.gpu.fused import TensorField
from emogene.kernels.gpu.plain import PlainField
from emogene.kernels.gpu.protocol import Gpu
from emogene.kernels.gpu.wavefront import WavefrontField
from emogene.kernels.reference.fused import FusedField as ReferenceField
from emogene.reference.authors_torso import PublishedTorsoDimensions, authors_torso
from emogene.reference.torso_field import TorsoField, TorsoFieldConfig, pixel_positions

from ...runtime.fake_cuda import Machine
from .. import fused_scenes
from ..fused_scenes import PUBLISHED_TORSOS, Scene
from .host_kernels import kernels_of_kind

pytestmark = [
    pytest.mark.skipif(bool(nvrtc.missing()), reason="NVRTC is not installed"),
    pytest.mark.usefixtures("hastily"),
]

SIZE = 40
CAMERA = dataclasses.replace(fused_scenes.CAMERA, size=SIZE, focal=96.0, cx=19.5, cy=20.5)
TORSOS = {
    **PUBLISHED_TORSOS,
    "full size": authors_torso().torso,
    "full size, blind": authors_torso(PublishedTorsoDimensions(head_aware=False)).torso,
}
KINDS = {"plain": (PlainField, 60), "wavefront": (WavefrontField, 60), "fused": (TensorField, 55)}
"""Kernels, and the dB that their pictures must reach; `TensorField` computes in halves."""


def opened(gpu: Gpu, machine: Machine, folder: Path, kind: str, scene: Scene) -> DeviceField:
    machine.kernels.update(kernels_of_kind(kind, scene.field, scene.torso, folder))
    cache = CubinCache(folder / "cubins")
    return KINDS[kind][0](gpu, scene.field, scene.weights, scene.torso, cache=cache)


def translucent(name: str) -> Scene:
    """A head that lets its torso be seen."""
    scene = fused_scenes.scene("realtime", camera=CAMERA, torso=TORSOS[name])
    return dataclasses.replace(scene, field=dataclasses.replace(scene.field, density_shift=0.0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TORSOS)
def test_pictures_equal_the_reference(
    gpu: Gpu, machine: Machine, compiled: Path, name: str, kind: str
) -> None:
    scene = translucent(name)
    reference = ReferenceField(scene.field, scene.weights, scene.torso)
    wanted = reference.render(scene.inputs, scene.background, keep_head=True)
    field = opened(gpu, machine, compiled, kind, scene)
    try:
        found = field.render(scene.inputs, scene.background, keep_head=True)
    finally:
        field.close()
    assert found.image is not None and wanted.image is not None and wanted.head is not None
    assert psnr(found.image, wanted.image) >= KINDS[kind][1]
    # The torso is seen, beside the head and through it.
    alone = ReferenceField(scene.field, scene.weights).render(scene.inputs, scene.background)
    assert alone.image is not None
    differs = (alone.image != wanted.image).any(axis=2)
    opacity = wanted.head[..., 3]
    assert (differs & (opacity == 0)).sum() > 100 and (differs & (opacity > 0.1)).sum() > 20


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_before_it_becomes_bytes(
    gpu: Gpu, machine: Machine, compiled: Path, kind: str
) -> None:
    scene = translucent("head-aware")
    behind = scene.background.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    behind = np.ascontiguousarray(behind)
    field = opened(gpu, machine, compiled, kind, scene)
    try:
        wanted = field.render(scene.inputs, scene.background)
        made = [field.render_planes(scene.inputs, under) for under in (behind, 1 - behind, behind)]
    finally:
        field.close()
    found, other, again = (image.planes for image in made)
    assert found.dtype == np.float32 and found.min() >= 0 and found.max() <= 1
    # Bytes are these numbers, rounded.
    rounded = (found.transpose(1, 2, 0) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    assert wanted.image is not None and np.array_equal(rounded, wanted.image)
    assert (made[0].samples, made[0].rays) == (wanted.samples, wanted.rays)
    assert np.array_equal(again, found) and np.abs(other - found).max() > 0.5


@pytest.mark.parametrize("name", TORSOS)
def test_the_reference_equals_pytorch(name: str) -> None:
    spec = TORSOS[name]
    scene = fused_scenes.scene("realtime", camera=CAMERA, torso=spec)
    made = TorsoField(TorsoFieldConfig(spec)).eval()
    theirs = made.state_dict()
    for tensor, value in scene.weights.items():
        if tensor in theirs:
            theirs[tensor] = torch.from_numpy(value)
    made.load_state_dict({k: v for k, v in theirs.items() if k != "torso_mask"}, strict=False)
    head = np.random.default_rng(2).uniform(0, 1, (SIZE * SIZE, 4)).astype(np.float32)
    reference = ReferenceField(scene.field, scene.weights, spec)
    found = reference.torso_pixels(scene.inputs, head, 0.0)
    shown = found[:, 3] != 0
    biases = {
        bias_name(n.name): torch.from_numpy(scene.inputs.biases[bias_name(n.name)])[None]
        for n in (spec.deform, spec.colour)
    }
    with torch.no_grad():
        wanted = made(pixel_positions(spec, SIZE), torch.from_numpy(head), biases).numpy()
    assert shown.sum() > 300
    # Float32 in another order; the deformation is read in cells of a grid of 2048.
    assert np.abs(found - wanted)[shown].max() < 2e-3
    assert psnr(255 * found[shown], 255 * wanted[shown]) > 75


def test_a_code_of_the_head_without_its_network_is_refused(
    gpu: Gpu, machine: Machine, compiled: Path
) -> None:
    scene = fused_scenes.scene("realtime", camera=CAMERA, torso=TORSOS["head-aware"])
    lacking = {n: w for n, w in scene.weights.items() if n != "head_encoder.2.bias"}
    with pytest.raises(BadOption, match=r"head_encoder\.2\.bias: expected a tensor \(32,\)"):
        opened(gpu, machine, compiled, "plain", dataclasses.replace(scene, weights=lacking))
