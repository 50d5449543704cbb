"""The tensor-core renderer on the model of a GPU, its warps modelled on the host: pictures against
the NumPy reference, the queue, and how shared memory is laid out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from emogene.contract.engine_directory import read_manifest
from emogene.contract.errors import BadOption
from emogene.contract.field import MlpSpec
from emogene.contract.manifest import WEIGHTS_FILE
from emogene.contract.stages import bias_name
from emogene.contract.weights import POSES, REST
from emogene.kernels.fused import FrameInputs, FusedField
from emogene.kernels.gpu import fused_packing as packing
from emogene.kernels.gpu import fused_plan as plans
from emogene.kernels.gpu import nvrtc
from emogene.kernels.gpu.cubin_cache import CubinCache
from emogene.kernels.gpu.frame_inputs import frame_type
from emogene.kernels.gpu.fused import FLOAT16, FLOAT32, TensorField, fused_program
from emogene.kernels.gpu.protocol import Gpu
from emogene.kernels.gpu.specification import layout
from emogene.kernels.reference.fused import FusedField as ReferenceField
from emogene.reference.authors import authors_head
from emogene.reference.demo import demo_head, demo_torso
from emogene.runtime.loading import demo_directory

from ...runtime.fake_cuda import Kernel, Machine
from .. import fused_scenes
from ..fused_scenes import Scene
from .host_kernels import WARPS, host_kernels

pytestmark = pytest.mark.skipif(bool(nvrtc.missing()), reason="NVRTC is not installed")

KINDS = tuple(fused_scenes.fields())
_AUTHORS = fused_scenes.fields()["authors"]
ASKED = (_AUTHORS.density, _AUTHORS.ambient)
"""Networks that are tried by themselves."""

Opened = Callable[..., TensorField]


@pytest.fixture
def opened(compiled: Path, machine: Machine, gpu: Gpu, hastily: None) -> Iterator[Opened]:
    """Opens a scene on the model. test_pinned.py looks at the code of the cubin."""
    made: list[TensorField] = []

    def open_scene(scene: Scene, blocks: int | None = None, tables: str = FLOAT16) -> TensorField:
        machine.kernels.update(modelled(compiled, scene, tables))
        options = {"cache": CubinCache(compiled / "cubins"), "blocks": blocks, "tables": tables}
        made.append(TensorField(gpu, scene.field, scene.weights, scene.torso, **options))
        return made[-1]

    yield open_scene
    for field in made:
        field.close()
        field.close()


def modelled(folder: Path, scene: Scene, tables: str = FLOAT16) -> Mapping[str, Kernel]:
    """The kernel on the model, and one around each network, which a warp gives 32 inputs."""
    unit = fused_program(scene.field, scene.torso, "sm_86", tables).unit
    asked = "".join(
        f"""
extern "C" __global__ void ask_{network.name}(PlainModel model, const PlainFrame* frame,
                                              FusedMemory memory, const float* in, float* out) {{
    const WarpModel warp = warp_model(model, memory.fragments, kGatherResident, kGatherSlice,
                                      kGatherRow);
    copy_words(warp.weights, memory.fragments + kGatherFirst, kGatherResident);
    __syncthreads();
    float x[{network.inputs}], y[{network.outputs}];
    for (int i = 0; i < {network.inputs}; ++i) x[i] = in[threadIdx.x * {network.inputs} + i];
    network_{network.name}(warp, *frame, x, y);
    for (int i = 0; i < {network.outputs}; ++i) out[threadIdx.x * {network.outputs} + i] = y[i];
}}
"""
        for network in ASKED
        if network in scene.field.networks
    )
    names = [f"ask_{network.name}" for network in ASKED if network in scene.field.networks]
    asking = dataclasses.replace(unit, text=unit.text + asked)
    return host_kernels(asking, ("paint_frame", *names), folder, WARPS)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = float(np.mean(np.square(a.astype(np.float64) - b)))
    return 10 * np.log10(255**2 / error) if error else np.inf


@pytest.mark.parametrize(
    ("kind", "threshold", "tables", "least"),
    [
        # The ambient coordinate turns a table's rounding into another place.
        *(
            (kind, at, FLOAT16, 50 if kind == "authors" else 60)
            for kind in KINDS
            for at in (0, 1e-2)
        ),
        ("authors", 0, FLOAT32, 60),
    ],
)
def test_pictures_equal_the_reference(
    opened: Opened, kind: str, threshold: float, tables: str, least: float
) -> None:
    scene = fused_scenes.scene(kind)
    asked = {"transmittance": threshold, "torso_transmittance": threshold}
    wanted = ReferenceField(scene.field, scene.weights, scene.torso).render(
        scene.inputs, scene.background, keep_head=True, **asked
    )
    field = opened(scene, tables=tables)
    found = field.render(scene.inputs, scene.background, keep_head=True, **asked)
    assert found.head is not None and wanted.head is not None
    assert found.image is not None and wanted.image is not None
    # Halves in the networks; where a ray ends by the threshold may turn on them.
    assert abs(found.samples - wanted.samples) <= (0 if threshold == 0 else 8)
    assert psnr(found.image, wanted.image) >= least
    assert found.rays == wanted.rays > 500


def test_the_built_in_avatar_equals_the_cpus(opened: Opened) -> None:
    folder = demo_directory()
    manifest, weights = read_manifest(folder), load_file(folder / WEIGHTS_FILE)
    rng = np.random.default_rng(0)
    networks = (*manifest.field.networks, manifest.torso.deform, manifest.torso.colour)
    biases = {
        bias_name(n.name): rng.normal(0, 0.3, n.hidden[0]).astype(np.float32) for n in networks
    }
    landmarks = weights[REST] + rng.normal(0, 0.02, (68, 3)).astype(np.float32)
    inputs = FrameInputs(weights[POSES][0], manifest.camera.scaled(32), biases, landmarks)
    background = rng.integers(0, 256, (32, 32, 3)).astype(np.uint8)
    scene = Scene(manifest.field, manifest.torso, weights, inputs, background)
    reference = FusedField(manifest.field, weights, manifest.torso, instruction_set="baseline")
    wanted = reference.render(inputs, background)
    reference.close()
    found = opened(scene).render(inputs, background)
    assert found.image is not None and wanted.image is not None
    assert (found.samples, found.rays) == (wanted.samples, wanted.rays)
    assert found.rays > 200 and psnr(found.image, wanted.image) >= 60


def test_the_picture_does_not_depend_on_the_number_of_blocks(opened: Opened) -> None:
    scene = fused_scenes.scene("realtime")
    made = [
        # All at once; one; more than the model runs side by side, so that some come late.
        opened(scene, blocks).render(scene.inputs, scene.background, keep_head=True)
        for blocks in (None, 1, 9)
    ]
    first = made[0]
    assert first.head is not None and first.image is not None
    for other in made[1:]:
        assert other.head is not None and other.image is not None
        assert first.head.tobytes() == other.head.tobytes()
        assert first.image.tobytes() == other.image.tobytes()
        assert (first.samples, first.rays) == (other.samples, other.rays)


def test_a_frame_is_one_launch(opened: Opened, machine: Machine) -> None:
    scene = fused_scenes.scene("realtime")
    field = opened(scene)
    first = field.render(scene.inputs, scene.background)
    (graph,) = machine.graphs.values()
    assert len(graph) == 1, "the kernel, and nothing that prepares or follows it"
    counters = np.zeros(7 * 128, np.uint8)
    for _ in range(3):
        again = field.render(scene.inputs, scene.background)
        assert first.image is not None and again.image is not None
        assert first.image.tobytes() == again.image.tobytes()
        assert (first.samples, first.rays) == (again.samples, again.rays)
        (plan,) = field._pictures.values()
        assert plan.scratch is not None
        field.gpu.download(counters, plan.scratch.address, field._stream)
        field.gpu.synchronise(field._stream)
        assert not counters.any(), "the last block leaves the counters as they were"


@pytest.mark.parametrize("size", [1, 7, 33])
def test_every_pixel_comes_out_of_the_queue_once(opened: Opened, size: int) -> None:
    camera = dataclasses.replace(
        fused_scenes.CAMERA, size=size, focal=2.4 * size, cx=size / 2, cy=size / 2
    )
    scene = fused_scenes.scene("realtime", camera=camera)
    wanted = ReferenceField(scene.field, scene.weights, scene.torso).render(
        scene.inputs, scene.background
    )
    found = opened(scene).render(scene.inputs, scene.background)
    assert found.image is not None and wanted.image is not None
    assert (found.samples, found.rays) == (wanted.samples, wanted.rays)
    assert np.abs(found.image.astype(int) - wanted.image).max() <= 2


def test_streamed_weights_give_the_same_bits(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = dataclasses.replace(fused_scenes.CAMERA, size=24, focal=57.6, cx=11.5, cy=12.5)
    scene = fused_scenes.scene("authors", camera=small)
    monkeypatch.setattr(plans, "MOST_WARPS", 2)
    roomy = plans.fused_plan(scene.field, scene.torso, "sm_86")
    assert not roomy.gather.streamed and not roomy.finish.streamed
    resident = opened(scene).render(scene.inputs, scene.background, keep_head=True)
    monkeypatch.setitem(plans.SHARED_KIB, 86, 36)
    monkeypatch.setattr(plans, "SLICE_BYTES", 2048)
    plan = plans.fused_plan(scene.field, scene.torso, "sm_86")
    tight = plan.gather
    assert tight.streamed and tight.resident and plan.warps > 1
    assert any(layer.words > tight.slice_words for layer in tight.streamed)
    streamed = opened(scene, blocks=1).render(scene.inputs, scene.background, keep_head=True)
    assert resident.head is not None and streamed.head is not None
    assert resident.rays == streamed.rays > 50
    assert resident.head.tobytes() == streamed.head.tobytes()


@pytest.mark.parametrize(("kind", "network"), [("authors", "density"), ("authors", "ambient")])
def test_a_network_equals_its_emulation(compiled: Path, kind: str, network: str) -> None:
    scene = fused_scenes.scene(kind)
    plan = plans.fused_plan(scene.field, scene.torso, "sm_86")
    spec: MlpSpec = getattr(scene.field, network)
    rng = np.random.default_rng(1)
    inputs = rng.normal(0, 1, (32, spec.inputs)).astype(np.float32)
    bias = scene.inputs.biases[f"{network}_bias"]
    found = ask_network(compiled, scene, spec, inputs, bias)
    layers = [x for x in plan.layers if x.network == spec]
    terms, x = layers[0].terms, inputs
    exact = inputs.astype(np.float64)
    for i in range(len(layers)):
        weight = scene.weights[f"{network}.{i}.weight"]
        add = bias if i == 0 else 0.0
        a, b = (packing.split_halves(v, terms).astype(np.float64) for v in (x, weight))
        pairs = [(0, 0), (1, 0), (0, 1)][: 3 if terms == 2 else 1]
        y = sum(a[s] @ b[t].T for s, t in pairs) + add
        exact = exact @ weight.T.astype(np.float64) + add
        if i < len(layers) - 1:
            y, exact = np.maximum(y, 0), np.maximum(exact, 0)
        x = y.astype(np.float32)
    size = np.linalg.norm(exact)
    # Sums of up to 96 products in float32; now and then a half falls to the other side.
    assert np.linalg.norm(found - x) <= 2e-5 * size + 2e-4 * size * (terms == 1)
    # What the number of halves is worth: 11 bits, or 22.
    error = np.linalg.norm(found - exact) / size
    assert error < (2e-6 if terms == 2 else 2e-3)
    assert terms == 2 or error > 1e-5


def ask_network(
    folder: Path, scene: Scene, spec: MlpSpec, inputs: np.ndarray, bias: np.ndarray
) -> np.ndarray:
    """The outputs that a warp gives for 32 inputs, by one launch."""
    kernels = modelled(folder, scene)
    plan = plans.fused_plan(scene.field, scene.torso, "sm_86")
    frame = np.zeros((), frame_type(scene.field, scene.torso))
    first = layout(scene.field, scene.torso).biases[spec.name]
    frame["biases"][first : first + bias.size] = bias
    fragments = packing.pack_fragments(plan, scene.weights)
    out = np.full((32, spec.outputs), np.nan, np.float32)
    no_model, no_scratch, no_tables = [0] * 8, [0] * 2, 0
    at = [x.ctypes.data for x in (frame, fragments, inputs, out)]
    given = np.array([*no_model, *at[:2], *no_scratch, no_tables, *at[2:]], np.uint64).tobytes()
    kernels[f"ask_{spec.name}"]((1, 1, 1), (32, 1, 1), plan.shared_bytes, given)
    return out


@pytest.mark.parametrize("architecture", ["sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"])
@pytest.mark.parametrize("published", [False, True])
def test_shared_memory_fits_every_architecture(architecture: str, published: bool) -> None:
    field = authors_head().field if published else demo_head().field
    torso = demo_torso().torso
    limit = {"80": 163, "90": 227, "100": 227}.get(architecture[3:], 99) << 10
    plan = plans.fused_plan(field, torso, architecture)
    assert plan.shared_bytes <= limit and plan.warps >= (4 if published else 8)
    for part, networks in (
        (plan.gather, [n for n in field.networks if published or n != field.colour]),
        (plan.finish, [*([] if published else [field.colour]), torso.deform, torso.colour]),
    ):
        assert sum(len(n.widths) - 1 for n in networks) == len(part.layers)
        for layer in part.streamed:
            assert part.slice_words >= layer.tile_words
        rows = plan.warps * 32 * part.row_words
        words = sum(layer.words for layer in part.resident) + part.slice_words + rows
        assert plan.shared_bytes >= 4 * words and part.row_words % 8 == 4
    # The demo's networks stay; the authors' 204 KiB beside the samples fit nowhere.
    assert bool(plan.gather.streamed) == published and not plan.finish.streamed


def test_weights_lie_as_lanes_load_them() -> None:
    network = MlpSpec("n", 3, (16,), 2)
    layer = plans.TensorLayer(network, 0, 3, 16, 1, True)
    weight = np.arange(48, dtype=np.float32).reshape(16, 3)
    halves = packing.pack_layer(weight, layer).view(np.float16).reshape(2, 1, 1, 32, 2, 2)
    assert layer.words * 2 == halves.size == 16 * 16
    # Neuron 9 is in the second tile, row 1: its inputs 0 and 1 in lane 4, 2 and a zero in lane 5.
    assert halves[1, 0, 0, 4, 0].tolist() == [27, 28]
    assert halves[1, 0, 0, 5, 0].tolist() == [29, 0]
    assert not halves[:, :, :, :, 1].any()
    with pytest.raises(BadOption, match=r"n.0.weight: expected numbers within ±65504"):
        packing.pack_layer(weight * 1e4, layer)


def test_tables_lie_in_halves() -> None:
    table = np.array([1.0, -2.5, 1e-8, 0.1], np.float32)
    halves = packing.pack_tables(table, {"a.table": 0, "b.table": 2})
    assert halves.dtype == np.float16 and halves.nbytes == 8
    assert halves.tolist() == [1.0, -2.5, 0.0, np.float16(0.1)]
    table[3] = 7e4
    with pytest.raises(BadOption, match=r"b.table: expected numbers within ±65504.* found 7e\+04"):
        packing.pack_tables(table, {"a.table": 0, "b.table": 2})


def test_other_tables_are_refused(opened: Opened) -> None:
    with pytest.raises(BadOption, match="tables: expected one of float16, float32, found 'int8'"):
        opened(fused_scenes.scene("odd"), tables="int8")


def test_networks_too_wide_for_shared_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plans.SHARED_KIB, 86, 4)
    with pytest.raises(BadOption, match="whose samples fit 4 KiB"):
        plans.fused_plan(demo_head().field, None, "sm_86")
