"""Which tensors settings call for, and what is said when a checkpoint has others."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from emogene.contract.errors import BadCheckpoint
from emogene.exporters.authors.config import Settings
from emogene.exporters.authors.keys import MEANINGS, check_tensors
from emogene.exporters.authors.models import audio_to_motion_config, field_dimensions
from emogene.exporters.authors.shapes import audio_to_motion_shapes, field_shapes
from emogene.reference.authors import authors_audio_to_motion
from tests.reference.tables import published

PUBLISHED: dict[str, Any] = {
    "cond_type": "idexp_lm3d_normalized",
    "add_eye_blink_cond": True,
    "eye_blink_dim": 8,
    "torso_head_aware": True,
}


def shapes(**settings: Any) -> dict[str, tuple[int, ...]]:
    return field_shapes(field_dimensions(Settings(PUBLISHED | settings, "config.yaml"), 512))


@pytest.mark.parametrize(
    "table, settings",
    [("head_torso", {"smo_win_size": 5}), ("head_torso_sr", {"smo_win_size": 3, "with_sr": True})],
)
def test_published_settings_call_for_the_published_tensors(
    table: str, settings: dict[str, Any]
) -> None:
    assert shapes(**settings) == published(table)


@pytest.mark.parametrize(
    "settings, frames",
    [
        ({}, 7),
        ({"infer_smooth_camera_path_kernel_size": 3}, 3),
        ({"infer_smooth_camera_path": False}, 1),
    ],
)
def test_cameras_are_smoothed_as_the_settings_say(settings: dict[str, Any], frames: int) -> None:
    settings = PUBLISHED | settings
    assert field_dimensions(Settings(settings, "config.yaml"), 512).smoothing == frames


def test_audio_to_motion_is_told_by_its_tensors() -> None:
    table = published("audio_to_motion")
    tensors = {name: torch.empty(shape, device="meta") for name, shape in table.items()}
    config = audio_to_motion_config(tensors, "x")
    assert config == authors_audio_to_motion(64, mouth_amplitude=True)
    assert audio_to_motion_shapes(config) == table


@pytest.mark.parametrize("motion", [64, 144, 204])
def test_the_variant_without_pitch(motion: int) -> None:
    """The published ``VAEModel``: 64 wide, blinks embedded and never used, no flow if asked."""
    config = authors_audio_to_motion(motion, pitch=False, flow=False)
    table = audio_to_motion_shapes(config)
    assert table["mel_encoder.0.weight"] == (64, 1024, 3)
    assert table["blink_embed.weight"] == (2, 64)
    assert table["vae.g_pre_net.0.weight"] == (64, 64, 8)
    assert table["vae.decoder.wn.cond_layer.weight_v"] == (2048, 64, 1)
    assert table["vae.decoder.out_proj.weight"] == (motion, 256, 1)
    assert not [n for n in table if n.startswith(("pitch", "cond_proj", "vae.prior_flow"))]
    tensors = {name: torch.empty(shape, device="meta") for name, shape in table.items()}
    assert audio_to_motion_config(tensors, "x") == config


def test_other_numbers_of_outputs_are_refused() -> None:
    tensors = {"vae.decoder.out_proj.weight": torch.ones(71, 256, 1)}
    with pytest.raises(BadCheckpoint, match=r"64 \(expression.*144 .*204 .*found 71 outputs"):
        audio_to_motion_config(tensors, "x")
    tensors = {"vae.decoder.out_proj.weight": torch.ones(64, 256, 1)}
    with pytest.raises(BadCheckpoint, match="an audio-to-motion model with 64"):
        audio_to_motion_config(tensors | {"mel_encoder.0.weight": torch.ones(128, 0, 3)}, "x")
    with pytest.raises(BadCheckpoint, match=r"found no vae\.decoder\.out_proj\.weight"):
        audio_to_motion_config({}, "x")


def test_every_wrong_tensor_is_named_with_its_meaning() -> None:
    wanted = shapes(smo_win_size=3, with_sr=True)
    tensors = {name: torch.zeros(shape) for name, shape in wanted.items() if "embedder" not in name}
    other = shapes(smo_win_size=5, with_sr=False, eye_blink_dim=2)
    blink = "blink_encoder.1."
    for name in (f"{blink}weight", f"{blink}bias", "cond_att_net.attentionNet.0.bias"):
        tensors[name] = torch.zeros(other[name])
    del tensors["sigma_net.net.1.weight"]
    tensors["hair"] = torch.zeros(1)
    tensors["color_net.net.0.weight"][3, 4] = torch.nan
    with pytest.raises(BadCheckpoint) as caught:
        check_tensors(tensors, wanted, "torso.ckpt")
    found = caught.value.found
    assert "missing sigma_net.net.1.weight (the density network; decided by" in found
    assert "missing torso_embedder." in found and "missing position_embedder." in found
    assert "unexpected hair (of no published model)" in found
    assert f"misshapen {blink}weight (2, 32) instead of (8, 32), {blink}bias" in found
    assert "eye_blink_dim, which differ between published head and torso" in found
    assert "cond_att_net.attentionNet.0.bias (5,) instead of (3,) (attention over the" in found
    assert "color_net.net.0.weight holds numbers that are not finite" in found
    assert "keep every checkpoint together with its own config.yaml" in str(caught.value)


def test_tensors_of_another_type_are_named() -> None:
    """A mask of truth values has as many as one of bytes, and says something else."""
    wanted = {"density_bitfield": (8,), "a.b": (2,), "a.offsets": (3,), "sigma_net.c": (1,)}
    tensors = {
        "density_bitfield": torch.zeros(8, dtype=torch.bool),
        "a.b": torch.zeros(2, dtype=torch.int32),
        "a.offsets": torch.zeros(3),
        "sigma_net.c": torch.tensor([1e300], dtype=torch.float64),
    }
    with pytest.raises(BadCheckpoint) as caught:
        check_tensors(tensors, wanted, "x")
    for said in (
        "density_bitfield is torch.bool, not bytes",
        "a.b is torch.int32, not floating-point numbers",
        "a.offsets is torch.float32, not whole numbers",
        "sigma_net.c holds numbers that are not finite",
    ):
        assert said in caught.value.found


def test_many_tensors_of_one_meaning_are_counted() -> None:
    with pytest.raises(BadCheckpoint) as caught:
        check_tensors({}, published("audio_to_motion"), "x")
    assert " more (the prior's flow" in caught.value.found
    assert len(caught.value.found) < 5000


def test_unread_tensors_may_be_anything() -> None:
    wanted = {"a.b": (2,), "step_counter": (16, 2), "aabb_train": (6,)}
    tensors = {
        "a.b": torch.zeros(2),
        "step_counter": torch.zeros(1),
        "lambda_ambient": torch.ones(1),
    }
    unread = ("step_counter", "aabb_train", "lambda_ambient")
    check_tensors(tensors, wanted, "x", unread=unread)


def test_every_published_tensor_has_a_meaning() -> None:
    for table in ("audio_to_motion", "deformation", "head_torso", "head_torso_sr"):
        for name in published(table):
            if name not in ("aabb_train", "aabb_infer", "step_counter"):
                assert any(name.startswith(m.prefix) for m in MEANINGS), name


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"cond_type": "esperanto"}, "cond_type is 'esperanto'"),
        ({"nerf_keypoint_mode": "lm131"}, "nerf_keypoint_mode is 'lm131'"),
        ({"grid_type": "hashgrid"}, "grid_type is 'hashgrid'"),
        ({"bound": 2}, "bound is 2"),
        ({"with_att": False}, "with_att is False"),
        ({"max_steps": 1024}, "max_steps 1024 is more than grid_size 128"),
        ({"ambient_coord_dim": 4}, "ambient_coord_dim is 4"),
        ({"hidden_dim_sigma": 10**12}, "hidden_dim_sigma is 1000000000000, not 1 to 4096"),
        ({"geo_feat_dim": -5}, "geo_feat_dim is -5"),
        ({"individual_embedding_dim": -4}, "individual_embedding_dim is -4"),
        ({"cond_out_dim": 10**9}, "cond_out_dim is 1000000000"),
        ({"smo_win_size": 10**11 + 1}, "smo_win_size is 100000000001"),
        ({"camera_scale": 0}, "camera_scale is 0.0"),
        ({"camera_scale": float("inf")}, "camera_scale is inf, not float"),
        ({"torso_shrink": 0}, "torso_shrink is 0.0"),
        ({"min_near": -1}, "min_near is -1.0"),
        ({"max_steps": 0}, "max_steps is 0"),
        ({"grid_size": 100}, "grid_size is 100, not a power of two"),
        ({"eye_blink_dim": 65}, "eye_blink_dim is 65, more than cond_out_dim 64"),
        ({"smo_win_size": 4}, "smo_win_size is 4"),
        ({"num_layers_sigma": 1}, "num_layers_sigma is 1"),
        ({"log2_hashmap_size": 40}, "a grid of 2^40 entries"),
        ({"hidden_dim_color": "wide"}, "hidden_dim_color is 'wide', not int"),
        ({"camera_offset": [1, 2]}, "camera_offset is [1, 2], not three numbers"),
    ],
)
def test_settings_that_cannot_be_imported_are_named(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(BadCheckpoint) as caught:
        shapes(**settings)
    assert said in caught.value.found
