"""Published checkpoints: the newest step, both layouts, both spellings, nothing that runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from emogene.contract.errors import BadCheckpoint
from emogene.exporters.authors import torch_file
from emogene.exporters.authors.state import (
    load_model,
    newest_checkpoint,
    tensors_of_file,
    with_weight_norm,
)

from .checkpoints import write_run
from .test_pickles import Calling

MODEL = {"a.weight": torch.ones(2, 3), "mouth": torch.zeros(4)}


@pytest.mark.parametrize("flat", [True, False])
def test_both_layouts_give_the_same_tensors(tmp_path: Path, flat: bool) -> None:
    """Beside the model stand an optimizer's state and a numpy number, which are passed over."""
    found = load_model(write_run(tmp_path, MODEL, {}, flat=flat))
    assert set(found) == set(MODEL)
    assert all(torch.equal(found[name], tensor) for name, tensor in MODEL.items())


def test_names_of_compiled_models_are_cleaned(tmp_path: Path) -> None:
    found = load_model(write_run(tmp_path, {"_orig_mod.a.b": torch.ones(1)}, {}))
    assert list(found) == ["a.b"]


def test_the_newest_step_wins(tmp_path: Path) -> None:
    for step in (9_000, 40_000, 250_000):
        write_run(tmp_path, {"a.b": torch.tensor(float(step))}, {}, step)
    (tmp_path / "model_ckpt_best.pt").write_bytes(b"")
    (tmp_path / "model_ckpt_steps_999999.ckpt.tmp").write_bytes(b"")
    assert load_model(newest_checkpoint(tmp_path))["a.b"] == 250_000
    one = tmp_path / "model_ckpt_steps_9000.ckpt"
    assert newest_checkpoint(one) == one


def test_a_folder_without_checkpoints_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match="model_ckpt_steps_<N>"):
        newest_checkpoint(tmp_path)
    with pytest.raises(BadCheckpoint, match="no folder"):
        newest_checkpoint(tmp_path / "none")


def test_both_spellings_of_weight_norm_mean_the_same(tmp_path: Path) -> None:
    layer = parametrizations.weight_norm(nn.Conv1d(3, 4, 5))
    new = {f"wn.{name}": t for name, t in layer.state_dict().items()}
    assert "wn.parametrizations.weight.original0" in new
    found = load_model(write_run(tmp_path, new, {}))
    assert set(found) == {"wn.bias", "wn.weight_g", "wn.weight_v"}
    assert found["wn.weight_g"].shape == (4, 1, 1)
    folded = with_weight_norm({"wn.weight": layer.weight.detach()}, found)
    length = folded["wn.weight_v"].flatten(1).norm(dim=1).view(4, 1, 1)
    again = folded["wn.weight_v"] * folded["wn.weight_g"] / length
    torch.testing.assert_close(again, layer.weight.detach())


def test_what_is_no_product_is_left_as_it_is() -> None:
    """It is then named with everything else that does not fit."""
    for odd in (torch.ones(()), torch.ones(4), torch.ones(4, 3, dtype=torch.int64)):
        kept = with_weight_norm({"wn.weight": odd}, {"wn.weight_g": (4, 1, 1)})
        assert list(kept) == ["wn.weight"]


@pytest.mark.parametrize("where", ["beside", "within", "instead"])
def test_calls_are_refused_and_never_made(tmp_path: Path, where: str) -> None:
    mark = tmp_path / "mark"
    attack = Calling(os.system, f"touch {mark}")
    checkpoint: Any = {"state_dict": {"model": dict(MODEL)}, "epoch": 1}
    if where == "beside":
        checkpoint["hooks"] = attack
    elif where == "within":
        checkpoint["state_dict"]["model"]["a.weight"] = attack
    else:
        checkpoint = attack
    path = tmp_path / "model_ckpt_steps_1.ckpt"
    torch.save(checkpoint, path)
    with pytest.raises(BadCheckpoint, match=r"a call of (posix|nt)\.system.* do not open it"):
        load_model(path)
    assert not mark.exists()


def test_a_forged_numpy_number_stays_a_number(tmp_path: Path) -> None:
    """numpy's own function would rebuild any object here; its stand-in keeps bytes alone."""
    scalar = np.float64(1).__reduce__()[0]
    path = tmp_path / "x.ckpt"
    torch.save(
        {"state_dict": {"model": MODEL}, "best": Calling(scalar, np.dtype("O"), b"cos\nsystem\n.")},
        path,
    )
    assert set(load_model(path)) == set(MODEL)


@pytest.mark.parametrize(
    "checkpoint, said",
    [
        ({"model": {}}, "found the keys model"),
        ([1, 2], "found the keys none"),
        ({"state_dict": {"criterion": {"a": torch.ones(1)}}}, "found the networks criterion"),
        ({"state_dict": {"other.a": torch.ones(1)}}, r"found the networks other\.a"),
    ],
)
def test_other_contents_are_named(tmp_path: Path, checkpoint: object, said: str) -> None:
    path = tmp_path / "x.ckpt"
    torch.save(checkpoint, path)
    with pytest.raises(BadCheckpoint, match=said):
        load_model(path)


def test_damaged_and_huge_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_run(tmp_path, MODEL, {})
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2):
        path.write_bytes(whole[:length])
        with pytest.raises(BadCheckpoint, match="copy it again"):
            load_model(path)
    for other in (b"PK", b"GIF89a" * 9, b"<html>"):
        path.write_bytes(other)
        with pytest.raises(BadCheckpoint, match="copy it again"):
            load_model(path)
    path.write_bytes(whole)
    monkeypatch.setattr(torch_file, "LARGEST", 100)
    with pytest.raises(BadCheckpoint, match="more than 100"):
        load_model(path)


def test_a_file_of_tensors_alone(tmp_path: Path) -> None:
    torch.save(MODEL, tmp_path / "pytorch_model.bin")
    assert set(tensors_of_file(tmp_path / "pytorch_model.bin")) == set(MODEL)
    torch.save({"a": 1}, tmp_path / "x.bin")
    with pytest.raises(BadCheckpoint, match="other than tensors by name"):
        tensors_of_file(tmp_path / "x.bin")
