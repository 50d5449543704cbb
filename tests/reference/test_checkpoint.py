"""Networks and avatars on disk: round trips, half precision, and everything that is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from emogene.contract.errors import BadCheckpoint, BadOutput
from emogene.contract.motion import MotionSpec, WindowStep
from emogene.reference.avatar import ReferenceAvatar
from emogene.reference.checkpoint import load_network, save_network
from emogene.reference.deformation import DeformationConfig, LandmarkDeformation
from emogene.reference.head_field import HeadField
from emogene.reference.tiny import tiny


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A saved deformation network."""
    network = LandmarkDeformation(DeformationConfig(hidden=8, standardised=True))
    network.mean.normal_()
    save_network(tmp_path / "net", network)
    return tmp_path / "net"


def test_an_avatar_comes_back_as_it_was(tmp_path: Path) -> None:
    avatar = tiny(3)
    avatar.save(tmp_path / "a")
    again = ReferenceAvatar.load(tmp_path / "a")
    assert again.card == avatar.card and again.licence == avatar.licence
    assert set(again.tensors) == set(avatar.tensors)
    for name, array in avatar.tensors.items():
        assert again.tensors[name].dtype == array.dtype
        np.testing.assert_array_equal(again.tensors[name], array)
    for name, network in avatar.networks().items():
        other = again.networks()[name]
        assert other.config == network.config and not other.training
        theirs = other.state_dict()
        assert all(torch.equal(t, theirs[k]) for k, t in network.state_dict().items())


def test_others_may_read_what_was_saved(tmp_path: Path) -> None:
    tiny().save(tmp_path / "a")
    files = [path for path in (tmp_path / "a").rglob("*") if path.is_file()]
    plain = tmp_path / "plain"
    plain.write_text("")
    assert files and all(f.stat().st_mode == plain.stat().st_mode for f in files)


def test_saving_again_replaces_and_leaves_nothing_behind(tmp_path: Path) -> None:
    tiny(1).save(tmp_path / "a")
    tiny(2).save(tmp_path / "a")
    np.testing.assert_array_equal(ReferenceAvatar.load(tmp_path / "a").poses, tiny(2).poses)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_half_precision_halves_what_is_learned_and_nothing_else(tmp_path: Path) -> None:
    head = tiny().head
    save_network(tmp_path / "head", head, half=True)
    stored = load_file(tmp_path / "head" / "weights.safetensors")
    assert stored["skin.table"].dtype == torch.float16
    assert stored["displacement.rest"].dtype == torch.float32
    assert stored["occupancy"].dtype == torch.uint8
    again = load_network(tmp_path / "head", HeadField)
    assert all(p.dtype == torch.float32 for p in again.parameters())
    assert torch.equal(again.displacement.rest, head.displacement.rest)
    torch.testing.assert_close(again.skin.table, head.skin.table, atol=5e-4, rtol=0)


def test_every_wrong_tensor_is_listed_at_once(folder: Path) -> None:
    path = folder / "weights.safetensors"
    tensors = load_file(path)
    del tensors["regressor.0.bias"], tensors["scale"]
    tensors["stranger"] = torch.zeros(1)
    tensors["regressor.4.weight"] = torch.zeros(2, 3)
    tensors["mean"] = torch.zeros(204, dtype=torch.int32)
    save_file(tensors, path)
    with pytest.raises(BadCheckpoint) as caught:
        load_network(folder, LandmarkDeformation)
    message = str(caught.value)
    for part in (
        "missing regressor.0.bias, scale",
        "unexpected stranger",
        "regressor.4.weight is (2, 3) instead of (204, 8)",
        "mean is torch.int32 instead of torch.float32",
        str(path),
    ):
        assert part in message


def _write_config(change: Callable[[dict[str, object]], object]) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        path = folder / "config.json"
        plain = json.loads(path.read_text())
        change(plain)
        path.write_text(json.dumps(plain))

    return act


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no config": (lambda f: (f / "config.json").unlink(), "nothing there"),
    "no weights": (lambda f: (f / "weights.safetensors").unlink(), "nothing there"),
    "config is no JSON": (lambda f: (f / "config.json").write_text("{"), "expected JSON"),
    "config is a list": (lambda f: (f / "config.json").write_text("[]"), "LandmarkDeformation"),
    "another network": (
        _write_config(lambda c: c.update(network="HeadField")),
        "expected the network LandmarkDeformation, found 'HeadField'",
    ),
    "unknown option": (_write_config(lambda c: c["config"].update(width=3)), "unknown width"),  # type: ignore[attr-defined]
    "weights cut short": (
        lambda f: (f / "weights.safetensors").write_bytes(
            (f / "weights.safetensors").read_bytes()[:-50]
        ),
        "expected a safetensors file",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_refused_by_name(folder: Path, damage: str) -> None:
    act, message = DAMAGES[damage]
    act(folder)
    with pytest.raises(BadCheckpoint) as caught:
        load_network(folder, LandmarkDeformation)
    assert message in str(caught.value) and str(folder) in str(caught.value)


def test_other_peoples_files_are_not_replaced(tmp_path: Path) -> None:
    network = LandmarkDeformation(DeformationConfig(hidden=8))
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(BadOutput):
        save_network(tmp_path, network)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_parts_of_different_avatars_are_refused(tmp_path: Path) -> None:
    avatar = tiny()
    tensors = dict(avatar.tensors)
    del tensors["motion.low"]
    tensors["poses"] = avatar.poses.astype(np.float64)
    card = replace(avatar.card, motion=MotionSpec((*avatar.card.motion.steps[:-1], WindowStep(5))))
    with pytest.raises(BadCheckpoint) as caught:
        replace(avatar, tensors=tensors, card=card).save(tmp_path / "a")
    for part in (
        "motion.low is missing, not float32 (204,)",
        "poses is float64 (160, 3, 4), not float32 (N, 3, 4)",
        "motion gives windows of 5, head takes 3",
    ):
        assert part in str(caught.value)
    assert not (tmp_path / "a").exists()


def test_a_newer_folder_is_refused(tmp_path: Path) -> None:
    tiny().save(tmp_path / "a")
    card = tmp_path / "a" / "avatar.json"
    plain = json.loads(card.read_text())
    card.write_text(json.dumps(plain | {"format": 2, "future": True}))
    with pytest.raises(BadCheckpoint, match="format 2 — update emogene"):
        ReferenceAvatar.load(tmp_path / "a")
