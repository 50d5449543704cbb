"""Every message that docs/from-emogene.md lists is said; every row is tried, and no more."""

from __future__ import annotations

import dataclasses
import errno
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import emogene
from emogene.contract.errors import EmoGeneError
from emogene.exporters.authors.assemble import ImportOptions, Sources, import_avatar
from emogene.exporters.commands import app
from emogene.exporters.commands_build import build_engines
from emogene.exporters.commands_import import import_checkpoints
from emogene.runtime.command_line import exit_code

from .checkpoints import (
    SETTINGS,
    Folders,
    dataset_fields,
    torso_model,
    write_dataset,
    write_folders,
    write_hubert,
    write_run,
)
from .conftest import sources_of
from .test_pickles import Calling, store

PAGE = Path(__file__).parents[3] / "docs" / "from-emogene.md"

PLAIN = {**SETTINGS, "with_sr": False, "smo_win_size": 5}


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a case may write, and what it may spoil a copy of."""

    folders: Folders
    path: Path
    monkeypatch: pytest.MonkeyPatch
    request: pytest.FixtureRequest

    @property
    def engines(self) -> Path:
        """Built only for those cases that ask for it."""
        made: Path = self.request.getfixturevalue("imported_engines")
        return made

    @property
    def tiny(self) -> Path:
        made: Path = self.request.getfixturevalue("tiny_engines")
        return made

    @property
    def sources(self) -> Sources:
        return sources_of(self.folders)

    def said(self, **changes: Any) -> str:
        """All that an import with other sources tells, or refuses with."""
        told: list[str] = []
        try:
            import_avatar(
                dataclasses.replace(self.sources, **changes), ImportOptions(), told.append
            )
        except EmoGeneError as error:
            told.append(str(error))
        return " ".join(told)

    def torso(self, settings: dict[str, Any], written: dict[str, Any] | None = None) -> Path:
        """A torso of these settings, beside a config.yaml of others."""
        write_run(self.path / "torso", torso_model(settings), written or settings)
        return self.path / "torso"

    def dataset(self, without: str = "", **fields: Any) -> Path:
        """A data set with other fields."""
        made = dataset_fields() | fields
        write_dataset(self.path / "x.npy", {k: v for k, v in made.items() if k != without})
        return self.path / "x.npy"


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(EmoGeneError) as caught:
        call()
    return str(caught.value)


def _few_options(at: Place) -> str:
    return refused(lambda: import_checkpoints(output=at.path, a2m=at.path, torso=at.path))


def _both(at: Place) -> str:
    return refused(lambda: build_engines(at.path, checkpoints=at.path, a2m=at.path))


def _damaged(at: Place) -> str:
    (at.path / "model_ckpt_steps_1.ckpt").write_bytes(b"PK")
    return at.said(audio_to_motion=at.path)


def _changed(at: Place) -> str:
    path = at.torso(SETTINGS) / "model_ckpt_steps_250000.ckpt"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return at.said(torso=at.path / "torso")


def _repeated(at: Place) -> str:
    model = torso_model() | {"sigma_net.net.0.weight": torch.zeros(1).expand(1 << 42)}
    write_run(at.path, model, SETTINGS)
    return at.said(torso=at.path)


def _other_type(at: Place) -> str:
    model = torso_model()
    model["density_bitfield"] = model["density_bitfield"].bool()
    write_run(at.path, model, SETTINGS)
    return at.said(torso=at.path)


def _within_itself(at: Place) -> str:
    (at.torso(SETTINGS) / "config.yaml").write_text("a: &a [*a]\n")
    return at.said(torso=at.path / "torso")


def _no_weights(at: Place) -> str:
    (at.path / "config.json").write_text((at.folders.hubert / "config.json").read_text())
    return at.said(hubert=str(at.path))


def _calls(at: Place) -> str:
    attack = Calling(os.system, "true")
    torch.save({"state_dict": {"model": {"a": attack}}}, at.path / "model_ckpt_steps_1.ckpt")
    dataset = store(at.path / "x.npy", {"id": attack})
    return at.said(audio_to_motion=at.path) + at.said(dataset=dataset)


def _no_settings(at: Place) -> str:
    (at.torso(SETTINGS) / "config.yaml").unlink()
    return at.said(torso=at.path / "torso")


def _bad_settings(at: Place) -> str:
    (at.torso(SETTINGS) / "config.yaml").write_text("a: [1, 2\n")
    return at.said(torso=at.path / "torso")


def _cannot(name: str, value: str) -> Callable[[Place], str]:
    return lambda at: at.said(torso=at.torso(SETTINGS, {**SETTINGS, name: value}))


def _narrow_blink(at: Place) -> str:
    return at.said(torso=at.torso({**SETTINGS, "eye_blink_dim": 2}, SETTINGS))


def _import(at: Place, *more: str) -> str:
    """What the command itself says."""
    words = ["import", *at.folders.arguments(), "-o", str(at.path / "c"), *more]
    captured: pytest.CaptureFixture[str] = at.request.getfixturevalue("capsys")
    exit_code(app, words)
    return captured.readouterr().err


def _another_avatar(at: Place) -> str:
    (at.path / "c").mkdir()
    (at.path / "c" / "avatar.json").write_text('{"name": "trained for days"}')
    said = _import(at, "--name", "person")
    assert [p.name for p in (at.path / "c").iterdir()] == ["avatar.json"]
    return said


def _full_disk(at: Place) -> str:
    """No room for the third network; the message names the folder that was asked for."""
    written = []
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name == "weights.safetensors":
            written.append(path)
        if len(written) > 2:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write(path, data)

    at.monkeypatch.setattr(Path, "write_bytes", full)
    said = _import(at)
    assert said.startswith(f"error: {at.path / 'c'}: ") and not list(at.path.iterdir())
    return said


def _not_finite(at: Place) -> str:
    model = torso_model()
    model["sigma_net.net.0.weight"][0, 0] = torch.nan
    write_run(at.path, model, SETTINGS)
    return at.said(torso=at.path)


def _other_hubert(at: Place, old: str, new: str) -> str:
    write_hubert(at.path)
    config = at.path / "config.json"
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))
    return at.said(hubert=str(at.path))


def _no_hub(at: Place) -> str:
    import huggingface_hub

    def unreachable(*_: Any, **__: Any) -> str:
        raise ConnectionError("no route to host")

    at.monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    return at.said(hubert="nobody/nothing")


def _frozen(at: Place) -> str:
    still = np.zeros((len(dataset_fields()["exp"]), 64), np.float32)
    return at.said(dataset=at.dataset(exp=still))


def _odd_size(at: Place) -> str:
    with emogene.open(at.engines, threads=1) as avatar:
        return refused(lambda: avatar.renderer(33))


def _landmarks(at: Place) -> str:
    return " ".join(_told(write_folders(at.path / "set", motion=204)))


def _told(folders: Folders) -> list[str]:
    told: list[str] = []
    import_avatar(sources_of(folders), said=told.append)
    return told


def _untrained(name: str) -> Callable[[Place], str]:
    def case(at: Place) -> str:
        model = torso_model()
        model[name].zero_()
        write_run(at.path, model, SETTINGS)
        return at.said(torso=at.path)

    return case


def _other_box(at: Place) -> str:
    model = torso_model()
    model["aabb_infer"] *= 0.5
    write_run(at.path, model, SETTINGS)
    return at.said(torso=at.path)


CASES: dict[str, Callable[[Place], str]] = {
    "found no --lm-deform, no --dataset": _few_options,
    "expected a checkpoints folder or published checkpoints": _both,
    "one model of the published training code": lambda at: refused(
        lambda: build_engines(at.path / "e", checkpoints=at.folders.torso)
    ),
    "expected a folder with model_ckpt_steps_<N>.ckpt": lambda at: at.said(deformation=at.path),
    "expected a checkpoint of the published training code": _damaged,
    "Bad CRC-32": _changed,
    "numbers that are not there": _repeated,
    "a call of posix.system": _calls,
    "expected the settings the model was trained with": _no_settings,
    "expected YAML with one setting a line": _bad_settings,
    "values that name themselves": _within_itself,
    "geo_feat_dim is -5, not 1 to 4096": lambda at: at.said(
        torso=at.torso(SETTINGS, {**SETTINGS, "geo_feat_dim": -5})
    ),
    "density_bitfield is torch.bool, not bytes": _other_type,
    "cond_type is 'esperanto'": _cannot("cond_type", "esperanto"),
    "nerf_keypoint_mode is 'lm131'": _cannot("nerf_keypoint_mode", "lm131"),
    "grid_type is 'hashgrid'": _cannot("grid_type", "hashgrid"),
    "misshapen blink_encoder.1.weight (2, 32) instead of (8, 32)": _narrow_blink,
    "unexpected sr_net.": lambda at: at.said(torso=at.torso(SETTINGS, PLAIN)),
    "missing sr_net.": lambda at: at.said(torso=at.torso(PLAIN, SETTINGS)),
    "misshapen torso_deform_net.net.0.weight": lambda at: at.said(
        torso=at.torso({**SETTINGS, "torso_head_aware": False}, SETTINGS)
    ),
    "missing torso_embedder.embeddings": lambda at: at.said(
        torso=write_run(at.path, torso_model(alone=True), SETTINGS).parent
    ),
    "unexpected torso_embedder.embeddings": lambda at: at.said(torso=None, head=at.torso(SETTINGS)),
    "holds numbers that are not finite": _not_finite,
    "expected an audio-to-motion model with 64": lambda at: at.said(
        audio_to_motion=at.folders.lm_deform
    ),
    "a HuBERT with features of width 32, as --a2m takes them": lambda at: _other_hubert(
        at, '"hidden_size": 32', '"hidden_size": 64'
    ),
    "expected the config.json of a HuBERT with layer norm first": lambda at: _other_hubert(
        at, '"layer"', '"group"'
    ),
    "expected the weights of a HuBERT": _no_weights,
    "expected a folder with a HuBERT, or a model of the Hugging Face hub": _no_hub,
    "expected the trainval_dataset.npy that the published binarizer writes": lambda at: at.said(
        dataset=at.path / "none.npy"
    ),
    "no exp (expression coefficients of every frame": lambda at: at.said(
        dataset=at.dataset(without="exp")
    ),
    "exp is float64 (40, 64), not finite numbers": lambda at: at.said(
        dataset=at.dataset(exp=np.full((40, 64), np.inf))
    ),
    "not square with 16 to 4096 pixels": lambda at: at.said(dataset=at.dataset(W=64)),
    "trans and c2w are of different fits": lambda at: at.said(
        dataset=at.dataset(trans=dataset_fields()["trans"] + np.float32([0, 1, 0]))
    ),
    "a landmark that never moves": _frozen,
    "no regular file": lambda at: at.said(dataset=at.path),
    "expected the face model that the published code uses": lambda at: at.said(face_model=at.path),
    "expected a multiple of 2 pixels": _odd_size,
    "expected rays for a field that is painted once a ray": lambda at: refused(
        lambda: emogene.open(at.tiny, threads=1, marching="authors")
    ),
    "choose another folder, or replace it with --force": _another_avatar,
    "free some, or choose a folder on another disk": _full_disk,
    "the published script passes --lm_deform_delta 0": lambda at: at.said(),
    "row 5, neutral, is never trained": lambda at: at.said(),
    "emotions in the order of their names": lambda at: at.said(),
    "the published inference is written for 64 outputs": _landmarks,
    "differ from their copy in the torso's checkpoint": lambda at: at.said(
        torso=at.torso({**SETTINGS, "eye_blink_dim": 2})
    ),
    "eye_blink_dim is 8 here and 2 in the torso's config.yaml": lambda at: at.said(
        torso=at.torso({**SETTINGS, "eye_blink_dim": 2})
    ),
    "density_bitfield is empty": _untrained("density_bitfield"),
    "density_grid_torso is empty": _untrained("density_grid_torso"),
    "hides the head from this torso in every second frame": lambda at: at.said(
        torso=at.torso(PLAIN)
    ),
    "tells this field that eyes are 0 open": lambda at: at.said(torso=at.torso(PLAIN)),
    "super-resolution adds random noise in the published inference": lambda at: at.said(),
    "the background is that of the data set": _cannot("infer_bg_img_fname", "street.png"),
    "are not those the published code makes": _other_box,
}
"""By the first words of a row."""


def rows() -> dict[str, list[str]]:
    """Rows of the page's tables of messages: what is said, by its first words."""
    text = PAGE.read_text("utf-8").partition("## What it may say")[2].partition("\n## ")[0]
    found = [
        re.findall(r"`([^`]+)`", line.split(" | ")[0])
        for line in text.splitlines()
        if line.startswith("| `")
    ]
    return {words[0]: words for words in found}


def test_every_row_is_tried_and_every_case_is_a_row() -> None:
    assert list(rows()) == list(CASES)


@pytest.mark.parametrize("words", CASES)
def test_it_is_said(
    words: str,
    folders: Folders,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    at = Place(folders, tmp_path, monkeypatch, request)
    told = " ".join(CASES[words](at).split())
    for part in rows()[words]:
        assert part in told
