"""Frames in rounds on the model of a GPU, their kernels compiled for the host: the bits of the
plain kernels, pictures of the NumPy reference, and what a capture may not do."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emogene.kernels.gpu import nvrtc, wavefront_launches
from emogene.kernels.gpu.cubin_cache import CubinCache
from emogene.kernels.gpu.device_field import DeviceField
from emogene.kernels.gpu.field_memory import stored_in_halves
from emogene.kernels.gpu.plain import PlainField, plain_program
from emogene.kernels.gpu.protocol import Gpu
from emogene.kernels.gpu.wavefront import WavefrontField
from emogene.kernels.reference.fused import FusedField as ReferenceField

from ...runtime.fake_cuda import Machine
from .. import fused_scenes
from ..fused_scenes import Scene
from .host_kernels import host_kernels, wavefront_kernels

pytestmark = pytest.mark.skipif(bool(nvrtc.missing()), reason="NVRTC is not installed")

KINDS = tuple(fused_scenes.fields())

Opened = Callable[..., DeviceField]


@pytest.fixture
def opened(compiled: Path, machine: Machine, gpu: Gpu) -> Iterator[Opened]:
    """Opens a scene on the model."""
    made: list[DeviceField] = []

    def open_scene(
        scene: Scene, kind: type[DeviceField] = WavefrontField, **options: Any
    ) -> DeviceField:
        fields = (scene.field, scene.torso)
        halves = stored_in_halves(*fields, scene.weights)
        if kind is PlainField:
            unit = plain_program(*fields, half_tables=halves).unit
            machine.kernels.update(host_kernels(unit, ("bake_nodes", "paint_pixels"), compiled))
        else:
            machine.kernels.update(wavefront_kernels(*fields, compiled, half_tables=halves))
        cache = CubinCache(compiled / "cubins")
        made.append(kind(gpu, scene.field, scene.weights, scene.torso, cache=cache, **options))
        return made[-1]

    yield open_scene
    for field in made:
        field.close()
        field.close()


@pytest.mark.parametrize("threshold", [0.0, 1e-2])
@pytest.mark.parametrize("kind", KINDS)
def test_pictures_equal_the_plain_kernels_and_the_reference(
    opened: Opened, kind: str, threshold: float
) -> None:
    scene = fused_scenes.scene(kind)
    asked = {"transmittance": threshold, "torso_transmittance": threshold, "keep_head": True}
    plain = opened(scene, PlainField).render(scene.inputs, scene.background, **asked)
    field = opened(scene)
    assert field.name == "gpu (wavefront, sm_86)"
    found = field.render(scene.inputs, scene.background, **asked)
    assert found.head is not None and plain.head is not None
    assert found.image is not None and plain.image is not None
    # The same arithmetic in the same order for every ray, however its samples fall into rounds.
    assert found.head.tobytes() == plain.head.tobytes()
    assert found.image.tobytes() == plain.image.tobytes()
    assert (found.samples, found.rays) == (plain.samples, plain.rays)
    reference = ReferenceField(scene.field, scene.weights, scene.torso)
    wanted = reference.render(scene.inputs, scene.background, **asked)
    assert wanted.head is not None and wanted.image is not None and wanted.rays > 500
    near = np.isclose(found.head, wanted.head, atol=2e-4, rtol=0).all(axis=2)
    assert near.mean() > 0.999 and abs(found.samples - wanted.samples) <= 4
    assert (np.abs(found.image.astype(int) - wanted.image) <= 1).all(axis=2).mean() > 0.999
    # The recorded launches again, on memory full of NaN: the same bits.
    (plan,) = field._pictures.values()
    assert plan.scratch is not None
    field.gpu.fill(plan.scratch.address, 0xFF, plan.scratch.nbytes, field._stream)
    again = field.render(scene.inputs, scene.background, **asked)
    assert again.head is not None and again.head.tobytes() == found.head.tobytes()
    assert (again.samples, again.rays) == (found.samples, found.rays)


def test_neither_chunks_nor_threads_change_a_bit(
    opened: Opened, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = dataclasses.replace(fused_scenes.CAMERA, size=30, focal=72.0, cx=14.5, cy=15.5)
    scene = fused_scenes.scene("surface", camera=small)
    plain = opened(scene, PlainField).render(scene.inputs, scene.background, keep_head=True)
    assert plain.head is not None and plain.image is not None and plain.rays > 150
    # A chunk that divides nothing, one that holds everything, one block for all.
    for rays, blocks in ((333, 16), (1 << 20, 16), (1 << 20, 0)):
        monkeypatch.setattr(wavefront_launches, "BLOCKS_PER_MULTIPROCESSOR", blocks)
        field = opened(scene, rays=rays)
        found = field.render(scene.inputs, scene.background, keep_head=True)
        assert found.head is not None and found.image is not None
        assert found.head.tobytes() == plain.head.tobytes()
        assert found.image.tobytes() == plain.image.tobytes()
        assert (found.samples, found.rays) == (plain.samples, plain.rays)


@pytest.mark.parametrize("size", [1, 7, 33])
def test_every_size_is_filled(opened: Opened, size: int) -> None:
    camera = dataclasses.replace(
        fused_scenes.CAMERA, size=size, focal=2.4 * size, cx=size / 2, cy=size / 2
    )
    scene = fused_scenes.scene("realtime", camera=camera)
    reference = ReferenceField(scene.field, scene.weights, scene.torso)
    wanted = reference.render(scene.inputs, scene.background).image
    found = opened(scene).render(scene.inputs, scene.background).image
    assert found is not None and wanted is not None
    assert np.abs(found.astype(int) - wanted).max() <= 1


@pytest.mark.parametrize("what", ["nothing is occupied", "nothing is in view", "none may end"])
def test_rays_that_meet_nothing_or_everything(opened: Opened, what: str) -> None:
    small = dataclasses.replace(fused_scenes.CAMERA, size=24, focal=57.6, cx=11.5, cy=12.5)
    full = what == "none may end"
    cells = np.full((fused_scenes.SIDE,) * 3, full)
    scene = fused_scenes.scene("odd", cells=cells, camera=small)
    if what == "nothing is in view":
        pose = scene.inputs.pose.copy()
        pose[:, 3] = (0, 0, -9)
        scene = dataclasses.replace(scene, inputs=dataclasses.replace(scene.inputs, pose=pose))
    if full:  # no density at all: every ray takes as many samples as it may
        field = dataclasses.replace(scene.field, density_shift=-40.0)
        scene = dataclasses.replace(scene, field=field)
    found = opened(scene).render(scene.inputs, scene.background, keep_head=True)
    reference = ReferenceField(scene.field, scene.weights, scene.torso)
    wanted = reference.render(scene.inputs, scene.background, keep_head=True)
    assert found.image is not None and wanted.image is not None
    assert (found.samples, found.rays) == (wanted.samples, wanted.rays)
    assert np.abs(found.image.astype(int) - wanted.image).max() <= 1
    assert found.samples == 0 if not full else found.samples > 30 * found.rays > 0


def test_the_head_alone_and_no_torso(opened: Opened) -> None:
    small = dataclasses.replace(fused_scenes.CAMERA, size=24, focal=57.6, cx=11.5, cy=12.5)
    scene = fused_scenes.scene("realtime", camera=small)
    reference = ReferenceField(scene.field, scene.weights, scene.torso)
    alone, wanted = opened(scene).render(scene.inputs), reference.render(scene.inputs)
    assert alone.image is None and alone.head is not None and wanted.head is not None
    assert np.abs(alone.head - wanted.head).max() < 2e-4
    scene = dataclasses.replace(scene, torso=None)
    reference = ReferenceField(scene.field, scene.weights)
    found = opened(scene).render(scene.inputs, scene.background).image
    right = reference.render(scene.inputs, scene.background).image
    assert found is not None and right is not None
    assert np.abs(found.astype(int) - right).max() <= 1


def test_tables_stored_in_halves_are_read_as_such(opened: Opened) -> None:
    small = dataclasses.replace(fused_scenes.CAMERA, size=24, focal=57.6, cx=11.5, cy=12.5)
    scene = fused_scenes.scene("odd", camera=small)
    halves = {n: w.astype(np.float16) for n, w in scene.weights.items() if n.endswith(".table")}
    rounded = {n: w.astype(np.float32) for n, w in halves.items()}
    exact = opened(dataclasses.replace(scene, weights=scene.weights | rounded), PlainField)
    wanted = exact.render(scene.inputs, scene.background, keep_head=True)
    assert wanted.head is not None and wanted.rays > 100
    stored = dataclasses.replace(scene, weights=scene.weights | halves)
    for kind in (PlainField, WavefrontField):
        field = opened(stored, kind)
        assert 2 * field._held[0].nbytes == exact._held[0].nbytes
        found = field.render(scene.inputs, scene.background, keep_head=True)
        assert found.head is not None and found.head.tobytes() == wanted.head.tobytes()


def test_nothing_is_allocated_while_a_frame_is_recorded(opened: Opened, machine: Machine) -> None:
    small = dataclasses.replace(fused_scenes.CAMERA, size=16, focal=38.4, cx=7.5, cy=8.5)
    scene = fused_scenes.scene("realtime", camera=small)
    field = opened(scene, rays=100)
    field.render(scene.inputs, scene.background)
    log = machine.log
    begun, ended = log.index("cuStreamBeginCapture"), log.index("cuStreamEndCapture")
    recorded = set(log[begun + 1 : ended]) - {"cuCtxPushCurrent", "cuCtxPopCurrent"}
    assert recorded == {"cuMemsetD8Async", "cuLaunchKernel"}
    launches = log[begun:ended].count("cuLaunchKernel")
    # A frame after the first: its inputs go up, the recorded launches run, the picture comes down.
    log.clear()
    field.render(scene.inputs, scene.background)
    assert "cuLaunchKernel" not in log and log.count("cuGraphLaunch") == 1
    assert "cuMemAlloc" not in log and launches > 100


def test_a_frame_stays_on_the_gpu_and_follows_the_callers_stream(opened: Opened) -> None:
    small = dataclasses.replace(fused_scenes.CAMERA, size=16, focal=38.4, cx=7.5, cy=8.5)
    scene = fused_scenes.scene("realtime", camera=small)
    field = opened(scene)
    wanted = field.render(scene.inputs, scene.background).image
    gpu, stream = field.gpu, field.gpu.create_stream()
    lying = field.enqueue(scene.inputs, scene.background, stream=stream)
    found = np.zeros_like(scene.background)
    gpu.download(found, lying.address, stream)
    assert not found.any(), "nothing waited"
    gpu.synchronise(stream)
    assert wanted is not None and np.array_equal(found, wanted)
    gpu.destroy_stream(stream)
