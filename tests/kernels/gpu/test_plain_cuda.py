"""The GPU renderer on a real GPU: skipped, with what is missing, where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from emogene.contract.measure import psnr
from emogene.kernels.gpu.arrays import view
from emogene.kernels.gpu.kinds import KINDS
from emogene.kernels.gpu.opening import open_gpu
from emogene.kernels.gpu.plain import PLAIN, PlainField
from emogene.kernels.gpu.wavefront import WAVEFRONT
from emogene.kernels.reference.fused import FusedField as ReferenceField
from emogene.runtime.backends.driver import find_driver
from emogene.runtime.render.gpu_path import find_gpu_path

from .. import fused_scenes

PATH = find_gpu_path(find_driver())
pytestmark = pytest.mark.skipif(not PATH.works, reason=f"no GPU to run on: {PATH.found}")


@pytest.mark.parametrize("kernels", KINDS)
@pytest.mark.parametrize("kind", tuple(fused_scenes.fields()))
def test_pictures_equal_the_reference(kind: str, kernels: str) -> None:
    scene = fused_scenes.scene(kind)
    wanted = ReferenceField(scene.field, scene.weights, scene.torso).render(
        scene.inputs, scene.background, keep_head=True
    )
    with open_gpu(PATH.api) as gpu:
        field = KINDS[kernels](gpu, scene.field, scene.weights, scene.torso)
        found = [field.render(scene.inputs, scene.background, keep_head=True) for _ in range(2)]
        field.close()
    assert found[0].head is not None and wanted.head is not None
    assert found[0].image is not None and wanted.image is not None
    # Halves, and what the ambient network makes of them, stay above this; see test_tensor.py.
    assert psnr(found[0].image, wanted.image) >= 50 and found[0].rays == wanted.rays
    if kernels in (PLAIN, WAVEFRONT):
        near = np.isclose(found[0].head, wanted.head, atol=1e-3, rtol=0).all(axis=2)
        assert near.mean() > 0.999
    assert found[1].head is not None and found[1].head.tobytes() == found[0].head.tobytes()


@pytest.mark.parametrize("kernels", KINDS)
@pytest.mark.parametrize("torso", fused_scenes.PUBLISHED_TORSOS)
def test_published_torsos_equal_the_reference(torso: str, kernels: str) -> None:
    scene = fused_scenes.scene("realtime", torso=fused_scenes.PUBLISHED_TORSOS[torso])
    reference = ReferenceField(scene.field, scene.weights, scene.torso)
    wanted = reference.render(scene.inputs, scene.background).image
    behind = scene.background.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    with open_gpu(PATH.api) as gpu:
        field = KINDS[kernels](gpu, scene.field, scene.weights, scene.torso)
        found = field.render(scene.inputs, scene.background).image
        planes = field.render_planes(scene.inputs, np.ascontiguousarray(behind)).planes
        field.close()
    assert found is not None and wanted is not None and psnr(found, wanted) >= 50
    assert np.abs(planes.transpose(1, 2, 0) * 255 - found).max() <= 0.51


def test_pytorch_reads_a_picture_where_it_lies() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("PyTorch was built without CUDA")
    scene = fused_scenes.scene("realtime")
    with open_gpu(PATH.api) as gpu:
        field = PlainField(gpu, scene.field, scene.weights, scene.torso)
        wanted = field.render(scene.inputs, scene.background).image
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            lying = field.enqueue(scene.inputs, scene.background, stream=stream.cuda_stream)
            for tensor in (torch.as_tensor(lying, device="cuda"), torch.from_dlpack(lying)):
                assert tensor.data_ptr() == lying.address
                assert wanted is not None and np.array_equal(tensor.cpu().numpy(), wanted)
        given = torch.arange(6, device="cuda", dtype=torch.float32).reshape(2, 3)
        assert np.array_equal(
            view(gpu, "given", given, (2, 3), np.float32).numpy(), given.cpu().numpy()
        )
        field.close()
