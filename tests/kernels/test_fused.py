"""The fused renderer against its NumPy reference: every instruction set that runs here."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from emogene.contract.camera import Intrinsics
from emogene.contract.measure import psnr
from emogene.kernels import instructions
from emogene.kernels.fused import FusedField
from emogene.kernels.reference import fused as reference
from emogene.kernels.threads import ThreadPool

from . import fused_scenes, scenes

KINDS = tuple(fused_scenes.fields())
SETS = instructions.available()

ROUNDING = 2e-5
"""Of a colour in [0, 1]: float32 sums of some hundred products in another order."""

SPLIT = 2e-4
"""Sixteen bits of mantissa instead of 24."""

BFLOAT16 = 0.05
"""Eight bits of mantissa in inputs and weights of up to four layers with random weights."""


def built(scene: fused_scenes.Scene, instruction_set: str, *, torso: bool = True) -> FusedField:
    return FusedField(
        scene.field,
        scene.weights,
        scene.torso if torso else None,
        instruction_set=instruction_set,
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("threshold", [0.0, 1e-2])
def test_every_instruction_set_equals_the_reference(kind: str, threshold: float) -> None:
    scene = fused_scenes.scene(kind)
    options = {"transmittance": threshold, "torso_transmittance": threshold, "keep_head": True}
    expected = reference.FusedField(scene.field, scene.weights, scene.torso).render(
        scene.inputs, scene.background, **options
    )
    assert expected.head is not None and expected.image is not None
    assert 0.05 < expected.head[..., 3].mean() < 0.95
    for name in SETS:
        with ThreadPool(2) as pool:
            made = built(scene, name).render(scene.inputs, scene.background, pool=pool, **options)
        tolerance = {"avx512bf16": BFLOAT16, "amx": SPLIT}.get(name, ROUNDING)
        assert made.head is not None and made.image is not None
        # Which side of the threshold a ray falls on may differ by a rounding.
        differs = np.abs(made.head - expected.head).max(axis=2) > tolerance
        assert differs.mean() <= (1e-3 if threshold else 0.0), name
        assert psnr(made.image, expected.image) > (38 if name == "avx512bf16" else 70), name
        assert made.rays == expected.rays
        # Samples that were taken before a ray's end was known are counted by the renderer alone.
        assert made.samples >= expected.samples
        if not threshold:
            assert made.samples == expected.samples


@pytest.mark.parametrize("kind", KINDS)
def test_coarse_products_are_those_of_bfloat16_and_of_amx_alone(kind: str) -> None:
    scene = fused_scenes.scene(kind)
    for name in SETS:
        fine, coarse = (
            built(scene, name).render(scene.inputs, scene.background, coarse=coarse).image
            for coarse in (False, True)
        )
        assert fine is not None and coarse is not None
        if name == "amx":
            assert 38 < psnr(coarse, fine) < 90
        else:
            np.testing.assert_array_equal(coarse, fine, err_msg=name)


@pytest.mark.parametrize("cells", ["empty", "full", "one cell", "shell", "scattered", "single"])
@pytest.mark.parametrize("number", range(4))
def test_samples_are_those_of_the_reference_bit_for_bit(cells: str, number: int) -> None:
    """Also of single rays' `march`, to which the reference is equal."""
    occupancy = scenes.occupancies()[cells].cells
    scene = fused_scenes.scene("odd")
    side = len(occupancy)
    field = dataclasses.replace(
        scene.field,
        march=dataclasses.replace(
            scene.field.march, occupancy_resolution=side, max_samples=(3, 48)[number % 2]
        ),
    )
    weights = fused_scenes.scene("odd", cells=occupancy).weights
    camera = Intrinsics(41, (90.0, 30.0)[number // 2], 19.0, 22.5)
    pose = scenes.poses()[number]
    expected = reference.FusedField(field, weights).samples(pose, camera)
    for name in SETS:
        found = FusedField(field, weights, instruction_set=name).samples(pose, camera)
        np.testing.assert_array_equal(found[0], expected[0], err_msg=name)
        np.testing.assert_array_equal(found[1], expected[1], err_msg=name)


@pytest.mark.parametrize("instruction_set", SETS)
@pytest.mark.parametrize("kind", KINDS)
def test_threads_do_not_change_a_bit(kind: str, instruction_set: str) -> None:
    scene = fused_scenes.scene(kind)
    field = built(scene, instruction_set)
    alone = field.render(scene.inputs, scene.background, transmittance=1e-2, keep_head=True)
    for threads in (1, 2, 5):
        with ThreadPool(threads) as pool:
            made = field.render(
                scene.inputs, scene.background, transmittance=1e-2, keep_head=True, pool=pool
            )
        np.testing.assert_array_equal(made.image, alone.image)
        np.testing.assert_array_equal(made.head, alone.head)
        assert (made.samples, made.rays) == (alone.samples, alone.rays)


@pytest.mark.parametrize("size", [1, 8, 31, 33, 100])
def test_every_size_is_filled(size: int) -> None:
    camera = Intrinsics(size, 2.4 * size, 0.48 * size, 0.51 * size)
    scene = fused_scenes.scene("realtime", camera=camera)
    expected = reference.FusedField(scene.field, scene.weights, scene.torso).render(
        scene.inputs, scene.background
    )
    for name in SETS:
        made = built(scene, name).render(scene.inputs, scene.background)
        assert made.image is not None and expected.image is not None
        assert psnr(made.image, expected.image) > (35 if name == "avx512bf16" else 60), name


def test_a_head_without_a_torso_stands_before_the_background() -> None:
    scene = fused_scenes.scene("realtime")
    for name in SETS:
        made = built(scene, name, torso=False).render(
            scene.inputs, scene.background, keep_head=True
        )
        assert made.head is not None and made.image is not None
        opacity = made.head[..., 3:]
        expected = made.head[..., :3] * 255 + (1 - opacity) * scene.background
        assert np.abs(made.image - expected).max() <= 0.5001
        alone = built(scene, name, torso=False).render(scene.inputs)
        np.testing.assert_array_equal(alone.head, made.head)
        assert alone.image is None


def test_tables_of_half_precision_are_read_as_they_are() -> None:
    scene = fused_scenes.scene("realtime")
    halves = dict(scene.weights)
    for name in ("skin.table", "inner.table", "torso.table"):
        halves[name] = halves[name].astype(np.float16)
    for name in SETS:
        found = FusedField(scene.field, halves, scene.torso, instruction_set=name).render(
            scene.inputs, scene.background
        )
        widened = {
            n: w.astype(np.float32) if w.dtype == np.float16 else w for n, w in halves.items()
        }
        expected = FusedField(scene.field, widened, scene.torso, instruction_set=name).render(
            scene.inputs, scene.background
        )
        np.testing.assert_array_equal(found.image, expected.image)
