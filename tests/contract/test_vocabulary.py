"""Units divide exactly, emotions are found or suggested, grids have the published sizes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from emogene.contract import units
from emogene.contract.camera import Intrinsics
from emogene.contract.emotions import EMOTIONS, checked_intensity, emotion_index
from emogene.contract.errors import BadOption, EmoGeneError, MissingExtra
from emogene.contract.field import GridSpec
from emogene.contract.landmarks import FLAT, LOWER_LIDS, UPPER_LIDS
from emogene.contract.measure import psnr, relative_l2

from .avatars import FIELD, TORSO, small_manifest


def test_units() -> None:
    assert (units.SAMPLES_PER_FRAME, units.SAMPLES_PER_FEATURE, units.FEATURES_PER_FRAME) == (
        640,
        320,
        2,
    )
    assert [units.frames_of(n) for n in (0, 1, 640, 641)] == [0, 1, 1, 2]
    with pytest.raises(ArithmeticError):
        units._exact(16_000, 24_000)


def test_emotions_are_in_embedding_order() -> None:
    assert list(EMOTIONS) == sorted(EMOTIONS) and len(EMOTIONS) == 8
    assert emotion_index("sad") == 6


def test_an_unknown_emotion_lists_the_eight_and_suggests() -> None:
    with pytest.raises(BadOption) as refusal:
        emotion_index("Happyy")
    assert all(name in str(refusal.value) for name in EMOTIONS)
    assert "did you mean 'happy'?" in str(refusal.value)


@pytest.mark.parametrize("value", [-0.1, 1.6, math.nan, math.inf])
def test_intensity_outside_its_range(value: float) -> None:
    with pytest.raises(BadOption, match=r"from 0 to 1\.5"):
        checked_intensity(value)


def test_errors_tell_whose_turn_it_is() -> None:
    assert issubclass(BadOption, EmoGeneError) and BadOption.exit_code == 2
    assert 'pip install "emogene[export]"' in str(MissingExtra("torch", "export", "exporting"))


def test_published_tiled_grid_has_its_published_size() -> None:
    grid = GridSpec.tiled(
        "head", levels=16, base=16, finest=2048, log2_size=16, keep_all_axes=False
    )
    assert grid.entries == 903_480 and grid.width == 32
    assert [math.ceil(level.scale) + 1 for level in grid.levels][:6] == [16, 23, 31, 43, 59, 81]
    assert grid.levels[-1].strides == (1, 2049, 0)
    plane = GridSpec.tiled(
        "torso", dimensions=2, levels=16, base=16, finest=2048, log2_size=16, keep_all_axes=False
    )
    assert plane.entries == 555_520


def test_our_grids_keep_every_axis() -> None:
    grid = GridSpec.tiled("g", levels=4, base=8, finest=256, log2_size=12)
    assert all(min(level.strides) > 0 for level in grid.levels)
    assert all(level.size % 8 == 0 and level.size <= 4096 for level in grid.levels)


def test_network_arithmetic() -> None:
    assert FIELD.density.widths == (4, 8, 5) and FIELD.density.multiply_adds == 4 * 8 + 8 * 5
    assert FIELD.feature_width == 4 and FIELD.geometry_width == 4 and TORSO.position_width == 10


def test_stage_tensors_follow_the_specs() -> None:
    stages = small_manifest().stages
    assert [t.shape for t in stages["condition"].inputs] == [("frames", 3, FLAT)]
    assert [t.name for t in stages["condition"].outputs] == ["density_bias", "colour_bias"]
    assert stages["audio_to_motion"].inputs[1].dtype == "int32"


def test_lids_are_paired_from_above_to_below() -> None:
    assert len(set(UPPER_LIDS + LOWER_LIDS)) == 8 and all(36 <= i < 48 for i in UPPER_LIDS)


def test_intrinsics_scale_linearly() -> None:
    assert Intrinsics(256, 600.0, 128.0, 120.0).scaled(512) == Intrinsics(512, 1200.0, 256.0, 240.0)


def test_measures() -> None:
    reference = np.array([3.0, 4.0])
    assert relative_l2(reference * 1.1, reference) == pytest.approx(0.1)
    assert relative_l2([1e-3], [0.0]) == pytest.approx(1e-3)
    assert math.isnan(relative_l2([np.nan], [1.0]))
    assert psnr(np.zeros(4), np.zeros(4)) == math.inf
    assert psnr(np.full(4, 255.0), np.zeros(4)) == 0.0
