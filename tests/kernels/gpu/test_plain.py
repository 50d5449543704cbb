"""The plain GPU renderer on the model of a GPU, its kernels compiled for the host: pictures of
every kind of field against the NumPy reference."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from emogene.contract.errors import BadOption, SessionMisuse
from emogene.kernels.gpu import nvrtc
from emogene.kernels.gpu.cubin_cache import CubinCache
from emogene.kernels.gpu.opening import open_gpu
from emogene.kernels.gpu.plain import PlainField, plain_program
from emogene.kernels.gpu.protocol import Gpu
from emogene.kernels.reference.fused import FusedField as ReferenceField

from ...runtime.fake_cuda import Machine
from .. import fused_scenes
from ..fused_scenes import Scene
from .host_kernels import host_kernels

pytestmark = pytest.mark.skipif(bool(nvrtc.missing()), reason="NVRTC is not installed")

KERNELS = ("bake_nodes", "paint_pixels")
KINDS = tuple(fused_scenes.fields())

Opened = Callable[[Scene], PlainField]


@pytest.fixture
def opened(compiled: Path, machine: Machine, gpu: Gpu) -> Iterator[Opened]:
    """Opens a scene on the model."""
    made: list[PlainField] = []

    def open_scene(scene: Scene) -> PlainField:
        unit = plain_program(scene.field, scene.torso).unit
        machine.kernels.update(host_kernels(unit, KERNELS, compiled))
        cache = CubinCache(compiled / "cubins")
        made.append(PlainField(gpu, scene.field, scene.weights, scene.torso, cache=cache))
        return made[-1]

    yield open_scene
    for field in made:
        field.close()
        field.close()


@pytest.mark.parametrize("threshold", [0.0, 1e-2])
@pytest.mark.parametrize("kind", KINDS)
def test_pictures_equal_the_reference(opened: Opened, kind: str, threshold: float) -> None:
    scene = fused_scenes.scene(kind)
    wanted = ReferenceField(scene.field, scene.weights, scene.torso).render(
        scene.inputs,
        scene.background,
        transmittance=threshold,
        torso_transmittance=threshold,
        keep_head=True,
    )
    field = opened(scene)
    found = field.render(
        scene.inputs,
        scene.background,
        transmittance=threshold,
        torso_transmittance=threshold,
        keep_head=True,
    )
    assert found.head is not None and wanted.head is not None
    assert found.image is not None and wanted.image is not None
    # Sums in another order: a float's rounding a layer. Where a ray ends may turn on the last bit.
    near = np.isclose(found.head, wanted.head, atol=2e-4, rtol=0).all(axis=2)
    assert near.mean() > 0.999 and abs(found.samples - wanted.samples) <= 4
    assert found.rays == wanted.rays > 500
    assert (np.abs(found.image.astype(int) - wanted.image) <= 1).all(axis=2).mean() > 0.999
    # The same frame again, from the recorded launches: the same bits.
    again = field.render(
        scene.inputs,
        scene.background,
        transmittance=threshold,
        torso_transmittance=threshold,
        keep_head=True,
    )
    assert again.head is not None and again.head.tobytes() == found.head.tobytes()
    assert (again.samples, again.rays) == (found.samples, found.rays)


def test_inputs_change_from_frame_to_frame(opened: Opened) -> None:
    scene = fused_scenes.scene("surface")
    field, reference = opened(scene), ReferenceField(scene.field, scene.weights, scene.torso)
    rng = np.random.default_rng(3)
    for _ in range(3):
        biases = {n: b + rng.normal(0, 0.2, b.shape) for n, b in scene.inputs.biases.items()}
        inputs = dataclasses.replace(
            scene.inputs,
            biases={n: b.astype(np.float32) for n, b in biases.items()},
            landmarks=scene.inputs.landmarks + rng.normal(0, 0.02, (68, 3)).astype(np.float32),
        )
        behind = rng.integers(0, 256, scene.background.shape).astype(np.uint8)
        found, wanted = field.render(inputs, behind).image, reference.render(inputs, behind).image
        assert found is not None and wanted is not None
        assert np.abs(found.astype(int) - wanted).max() <= 1


def test_the_head_alone_and_no_torso(opened: Opened) -> None:
    scene = dataclasses.replace(fused_scenes.scene("realtime"), torso=None)
    field = opened(scene)
    reference = ReferenceField(scene.field, scene.weights)
    found, wanted = field.render(scene.inputs), reference.render(scene.inputs)
    assert found.image is None and found.head is not None and wanted.head is not None
    assert np.abs(found.head - wanted.head).max() < 2e-4
    shown, right = (f.render(scene.inputs, scene.background).image for f in (field, reference))
    assert shown is not None and right is not None
    assert np.abs(shown.astype(int) - right).max() <= 1


@pytest.mark.parametrize("size", [1, 7, 8, 33])
def test_every_size_is_filled(opened: Opened, size: int) -> None:
    camera = dataclasses.replace(
        fused_scenes.CAMERA, size=size, focal=2.4 * size, cx=size / 2, cy=size / 2
    )
    scene = fused_scenes.scene("realtime", camera=camera)
    field, reference = opened(scene), ReferenceField(scene.field, scene.weights, scene.torso)
    found, wanted = (f.render(scene.inputs, scene.background).image for f in (field, reference))
    assert found is not None and wanted is not None
    assert np.abs(found.astype(int) - wanted).max() <= 1


def test_a_frame_stays_on_the_gpu_and_follows_the_callers_stream(opened: Opened) -> None:
    scene = fused_scenes.scene("realtime")
    field = opened(scene)
    wanted = field.render(scene.inputs, scene.background).image
    gpu, stream = field.gpu, field.gpu.create_stream()
    lying = field.enqueue(scene.inputs, scene.background, stream=stream)
    said = lying.__cuda_array_interface__
    assert said["stream"] == stream and said["shape"] == scene.background.shape
    found = np.zeros_like(scene.background)
    gpu.download(found, lying.address, stream)
    assert not found.any(), "nothing waited"
    gpu.synchronise(stream)
    assert wanted is not None and np.array_equal(found, wanted)
    # Back on its own stream, which waits for the caller's.
    other = np.zeros_like(scene.background)
    field.enqueue(scene.inputs, other, stream=stream)
    again = field.render(scene.inputs, scene.background).image
    assert again is not None and np.array_equal(again, wanted)
    gpu.synchronise(stream)
    gpu.destroy_stream(stream)


def test_memory_of_a_few_sizes_is_kept(opened: Opened) -> None:
    scene = fused_scenes.scene("odd")
    field = opened(scene)
    before: dict[int, np.ndarray] = {}
    for size in (8, 9, 10, 11, 12, 13, 8):
        camera = dataclasses.replace(fused_scenes.CAMERA, size=size)
        inputs = dataclasses.replace(scene.inputs, camera=camera)
        made = field.render(inputs, scene.background[:size, :size].copy()).image
        assert made is not None and made.shape == (size, size, 3)
        assert np.array_equal(before.setdefault(size, made), made)
    assert len(field._pictures) == 4


@pytest.mark.parametrize("gpu", ["pycuda"], indirect=True)
def test_by_pycuda_without_graphs(opened: Opened) -> None:
    scene = fused_scenes.scene("realtime")
    field = opened(scene)
    assert field.name == "gpu (plain, sm_86)"
    wanted = ReferenceField(scene.field, scene.weights, scene.torso).render(
        scene.inputs, scene.background
    )
    for _ in range(2):
        found = field.render(scene.inputs, scene.background).image
        assert found is not None and wanted.image is not None
        assert np.abs(found.astype(int) - wanted.image).max() <= 1


def test_what_it_refuses(opened: Opened) -> None:
    scene = fused_scenes.scene("realtime")
    field = opened(scene)
    short = {n: b[:3] if n == "density_bias" else b for n, b in scene.inputs.biases.items()}
    for change, said in (
        ({"pose": np.zeros((4, 4), np.float32)}, r"pose: expected float32 \(3, 4\)"),
        ({"pose": np.full((3, 4), np.nan, np.float32)}, "pose: expected finite numbers"),
        ({"landmarks": None}, "landmarks: expected"),
        ({"biases": short}, r"density_bias: expected float32 \(32,\), found float32 \(3,\)"),
        ({"biases": {}}, "found nothing"),
    ):
        with pytest.raises(BadOption, match=said):
            field.render(dataclasses.replace(scene.inputs, **change), scene.background)
    with pytest.raises(BadOption, match="array: expected a C-contiguous uint8 array"):
        field.render(scene.inputs, scene.background[:5])
    field.close()
    with pytest.raises(SessionMisuse, match="a closed one"):
        field.render(scene.inputs, scene.background)
    wide = dataclasses.replace(scene.field.density, hidden=(257,))
    unfit = dataclasses.replace(scene.field, density=wide)
    with pytest.raises(BadOption, match="'density' is wider than 256"):
        opened(dataclasses.replace(scene, field=unfit))


def test_a_gpu_newer_than_nvrtc(
    compiled: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The driver is given PTX."""
    scene, newest = fused_scenes.scene("realtime"), nvrtc.architectures()[-1]
    machine = Machine(architecture="sm_199")
    machine.install(monkeypatch, tmp_path)
    unit = plain_program(scene.field, scene.torso).unit
    machine.kernels.update(host_kernels(unit, KERNELS, compiled))
    with open_gpu("cuda-python") as gpu:
        field = PlainField(gpu, scene.field, scene.weights, scene.torso)
        found = field.render(scene.inputs, scene.background)
        field.close()
    assert field.origin.endswith(f", PTX of compute_{newest} that the driver compiles")
    wanted = ReferenceField(scene.field, scene.weights, scene.torso).render(scene.inputs)
    assert found.rays == wanted.rays and "sm_199" in field.name
