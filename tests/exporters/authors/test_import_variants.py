"""Other published models than the usual ones; everything about them that is refused or noted."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from emogene.contract.errors import BadCheckpoint
from emogene.exporters.authors.assemble import import_avatar
from emogene.exporters.authors.dataset import load_dataset

from .checkpoints import (
    PICTURE,
    SETTINGS,
    Folders,
    dataset_fields,
    torso_model,
    write_dataset,
    write_folders,
    write_run,
)
from .conftest import sources_of


def altered(folders: Folders, tmp_path: Path, settings: Mapping[str, Any] | None = None) -> Folders:
    """The same folders but for another torso."""
    torso = tmp_path / "torso"
    chosen = {**SETTINGS, **(settings or {})}
    write_run(torso, torso_model(chosen), chosen)
    return dataclasses.replace(folders, torso=torso)


def test_without_super_resolution(folders: Folders, tmp_path: Path) -> None:
    said: list[str] = []
    other = altered(folders, tmp_path, {"with_sr": False, "smo_win_size": 5})
    avatar = import_avatar(sources_of(other), said=said.append)
    assert avatar.super_resolution is None and avatar.card.motion.eyes is None
    assert avatar.torso.spec.mask_resolution == PICTURE
    told = " ".join(said)
    assert "hides the head from this torso in every second frame" in told
    assert "eyes are 0 open" in told and "differ from their copy in the torso's" in told


@pytest.mark.parametrize("enlarged", [True, False])
def test_a_head_without_torso(folders: Folders, tmp_path: Path, enlarged: bool) -> None:
    settings = {**SETTINGS, "with_sr": enlarged, "smo_win_size": 3 if enlarged else 5}
    model = torso_model(settings, alone=True)
    assert not any("torso" in name for name in model)
    write_run(tmp_path / "head", model, settings)
    said: list[str] = []
    sources = dataclasses.replace(sources_of(folders), torso=None, head=tmp_path / "head")
    avatar = import_avatar(sources, said=said.append)
    assert (avatar.super_resolution is not None) == enlarged
    assert not avatar.torso.torso_mask.any()
    assert "a head without torso, before the background" in " ".join(said)
    assert avatar.card.motion.eyes is not None
    assert "eyes are 0 open" not in " ".join(said)


def test_settings_of_the_published_inference(folders: Folders, tmp_path: Path) -> None:
    """Which cameras are used, and what stands behind the person."""
    usual = import_avatar(sources_of(folders))
    for name, value in (("white", 255), ("black", 0)):
        chosen = {"infer_bg_img_fname": name, "num_train_samples": 12}
        avatar = import_avatar(sources_of(altered(folders, tmp_path / name, chosen)))
        assert (avatar.background == value).all()
        assert avatar.background.shape == usual.background.shape
        assert len(avatar.poses) == 12 < len(usual.poses)
        # Smoothing has no frame beyond the last to look at.
        np.testing.assert_array_equal(avatar.poses[:9], usual.poses[:9])
        assert np.abs(avatar.poses[9:] - usual.poses[9:12]).max() > 0
    said: list[str] = []
    other = altered(folders, tmp_path / "file", {"infer_bg_img_fname": "street.png"})
    avatar = import_avatar(sources_of(other), said=said.append)
    np.testing.assert_array_equal(avatar.background, usual.background)
    assert "infer_bg_img_fname is 'street.png'" in " ".join(said)
    with pytest.raises(BadCheckpoint, match="num_train_samples is -1"):
        import_avatar(sources_of(altered(folders, tmp_path / "x", {"num_train_samples": -1})))


def test_constants_of_the_published_code_are_known(folders: Folders, tmp_path: Path) -> None:
    said: list[str] = []
    import_avatar(sources_of(folders), said=said.append)
    assert "the published code makes" not in " ".join(said)
    model = torso_model()
    model["aabb_infer"] = model["aabb_infer"] * 0.5
    model["sr_net.block1.resample_filter"] = model["sr_net.block1.resample_filter"] + 0.01
    model["position_embedder.offsets"] = model["position_embedder.offsets"] + 8
    write_run(tmp_path, model, SETTINGS)
    import_avatar(dataclasses.replace(sources_of(folders), torso=tmp_path), said=said.append)
    assert (
        "aabb_infer, position_embedder.offsets, sr_net.block1.resample_filter are not those the "
        "published code makes" in " ".join(said)
    )


def test_head_and_torso_of_different_blink_widths(folders: Folders, tmp_path: Path) -> None:
    """The head's own config.yaml says 8; the torso was trained with 2, and counts."""
    said: list[str] = []
    other = altered(folders, tmp_path, {"eye_blink_dim": 2})
    avatar = import_avatar(sources_of(other), said=said.append)
    assert avatar.head.config.condition == dataclasses.replace(
        avatar.head.config.condition, blink=2
    )
    assert "eye_blink_dim is 8 here and 2 in the torso's config.yaml" in " ".join(said)
    # With the other's config.yaml beside it, the torso does not load, and it is said why.
    shutil.copy(folders.torso / "config.yaml", other.torso / "config.yaml")
    with pytest.raises(BadCheckpoint, match="eye_blink_dim, which differ between published"):
        import_avatar(sources_of(other))


@pytest.mark.parametrize("motion, pitch", [(204, False), (144, True)])
def test_other_audio_to_motion_models(tmp_path: Path, motion: int, pitch: bool) -> None:
    said: list[str] = []
    folders = write_folders(tmp_path, motion=motion, pitch=pitch)
    avatar = import_avatar(sources_of(folders), said=said.append)
    config = avatar.audio_to_motion.config
    assert (config.motion, config.pitch) == (motion, pitch)
    assert config.folding == ("scaled" if motion == 204 else "basis")
    assert ("would refuse these 204" in " ".join(said)) == (motion == 204)


def test_fields_of_the_data_set_that_are_missing_or_wrong_are_all_named(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    fields = dataset_fields()
    write_dataset(path, {k: v for k, v in fields.items() if k not in ("exp", "eye_area_percent")})
    with pytest.raises(BadCheckpoint) as caught:
        load_dataset(path)
    assert "no exp (expression coefficients" in caught.value.found
    assert "no eye_area_percent (how far the eyes are open" in caught.value.found
    wrong = {
        "W": 64,
        "id": np.full((40, 80), np.nan),
        "bg_img": np.zeros((8, 8, 3), np.uint8),
        "exp": np.full((40, 64), 1e300),
        "cy": 90.0,
        "val_samples": [{"idx": 0}],
    }
    write_dataset(path, fields | wrong)
    with pytest.raises(BadCheckpoint) as caught:
        load_dataset(path)
    for said in (
        "exp is float64 (40, 64), not finite numbers (N, 64)",
        "pictures of 64 × 32",
        "id is float64 (40, 80), not finite numbers (N, 80)",
        "bg_img is uint8 (8, 8, 3), not uint8 (32, 32, 3)",
        "centre 112.0, 90.0",
        "frame 0 of val_samples has no camera c2w",
    ):
        assert said in caught.value.found


@pytest.mark.parametrize("size", [10**400, float("nan"), -1, "32", True])
def test_sizes_that_are_none(tmp_path: Path, size: object) -> None:
    write_dataset(tmp_path / "x.npy", dataset_fields() | {"H": size, "W": size})
    with pytest.raises(BadCheckpoint, match=r"H is .*, not a finite number|pictures of -1 × -1"):
        load_dataset(tmp_path / "x.npy")


def test_a_film_of_one_frame(folders: Folders, tmp_path: Path) -> None:
    fields = dataset_fields()
    for name in ("id", "exp", "euler", "trans", "eye_area_percent", "train_samples"):
        fields[name] = fields[name][:1]
    write_dataset(tmp_path / "x.npy", fields | {"val_samples": []})
    with pytest.raises(BadCheckpoint, match="1 frames with a landmark that never moves"):
        import_avatar(dataclasses.replace(sources_of(folders), dataset=tmp_path / "x.npy"))


def test_translations_tell_how_they_were_stored(tmp_path: Path) -> None:
    path, fields = tmp_path / "x.npy", dataset_fields()
    write_dataset(path, fields)
    assert load_dataset(path).depth == 0
    write_dataset(path, fields | {"trans": fields["trans"] + np.float32([0, 0, 10])})
    assert load_dataset(path).depth == 10
    write_dataset(path, fields | {"trans": fields["trans"] + np.float32([0, 1, 0])})
    with pytest.raises(BadCheckpoint, match="trans and c2w are of different fits"):
        load_dataset(path)


def test_untrained_parts_are_noticed(folders: Folders, tmp_path: Path) -> None:
    model = torso_model()
    model["density_bitfield"].zero_(), model["density_grid_torso"].zero_()
    write_run(tmp_path / "torso", model, SETTINGS)
    emotions = torch.load(next(folders.lm_deform.glob("*.ckpt")), weights_only=False)
    deform = emotions["state_dict"]["model"]
    deform["emotion_embedding.weight"][0] = 0
    write_run(tmp_path / "deform", deform, {})
    said: list[str] = []
    import_avatar(
        sources_of(
            dataclasses.replace(folders, torso=tmp_path / "torso", lm_deform=tmp_path / "deform")
        ),
        said=said.append,
    )
    told = " ".join(said)
    assert "density_bitfield is empty" in told and "density_grid_torso is empty" in told
    assert "the embedding of angry is zero" in told
