"""The face model's files and the speech encoder's folder: what is no such thing is refused."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from emogene.contract.errors import BadCheckpoint
from emogene.exporters.authors import face_model, speech
from emogene.exporters.authors.assemble import import_avatar
from emogene.exporters.authors.face_model import MODEL_FILE, VERTICES_FILE, load_face_model
from emogene.exporters.authors.speech import load_speech_encoder
from emogene.reference.speech_encoder import SpeechEncoder, SpeechEncoderConfig

from .checkpoints import FEATURES, Folders, write_hubert
from .conftest import sources_of
from .test_pickles import Calling


def test_face_model_that_is_missing_or_damaged(folders: Folders, tmp_path: Path) -> None:
    other = dataclasses.replace(folders, bfm=tmp_path)
    with pytest.raises(BadCheckpoint, match="licensed to you by the University of Basel"):
        import_avatar(sources_of(other))
    shutil.copytree(folders.bfm, tmp_path, dirs_exist_ok=True)
    (tmp_path / "BFM_model_front.mat").write_bytes(b"MATLAB")
    with pytest.raises(BadCheckpoint, match=r"BFM_model_front\.mat"):
        import_avatar(sources_of(other))


def test_a_speech_encoder_of_another_width(folders: Folders, tmp_path: Path) -> None:
    write_hubert(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace('"hidden_size": 32', '"hidden_size": 64'))
    other = dataclasses.replace(folders, hubert=tmp_path)
    with pytest.raises(BadCheckpoint, match="features of width 32, as --a2m takes them"):
        import_avatar(sources_of(other))
    config.write_text(config.read_text().replace('"layer"', '"group"'))
    with pytest.raises(BadCheckpoint, match="feat_extract_norm 'group' instead of 'layer'"):
        import_avatar(sources_of(other))


@pytest.fixture
def face(folders: Folders, tmp_path: Path) -> Path:
    """A copy to spoil."""
    shutil.copytree(folders.bfm, tmp_path / "BFM")
    return tmp_path / "BFM"


def _model(**arrays: Any) -> Callable[[Path], None]:
    from scipy.io import savemat

    usual = {
        "meanshape": np.zeros((1, 9)),
        "idBase": np.zeros((9, 80)),
        "exBase": np.zeros((9, 64)),
    }
    return lambda face: savemat(face / MODEL_FILE, usual | arrays, do_compression=True)


def _objects() -> np.ndarray:
    made = np.empty((1, 1), object)
    made[0, 0] = "x"
    return made


@pytest.mark.parametrize(
    "spoil, said",
    [
        (_model(meanshape=_objects()), "meanshape is cell"),
        (_model(idBase={"a": 1}), "idBase is struct"),
        (_model(exBase="text"), "exBase is char"),
        (_model(meanshape=np.zeros((1, 7))), r"meanshape is double \(1, 7\)"),
        (_model(meanshape=np.zeros((1, 12))), "arrays of 3, 4 points"),
        (_model(idBase=np.full((9, 80), np.inf)), "idBase holds numbers that are not finite"),
        (lambda face: (face / MODEL_FILE).write_bytes(b"x" * 200), "BFM_model_front"),
        (
            lambda face: (face / MODEL_FILE).write_bytes((face / MODEL_FILE).read_bytes()[:9_000]),
            "BFM_model_front",
        ),
    ],
)  # fmt: skip
def test_face_models_that_are_none(face: Path, spoil: Callable[[Path], object], said: str) -> None:
    spoil(face)
    with pytest.raises(BadCheckpoint, match=said) as caught:
        load_face_model(face)
    assert caught.value.thing.endswith(MODEL_FILE)


def test_a_face_model_is_not_unpacked_before_its_size_is_known(
    face: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three hundred million zeros in 300 kB."""
    _model(meanshape=np.zeros((1, 3 * 10**8), np.uint8))(face)
    import scipy.io

    def loaded(*_: Any, **__: Any) -> None:
        raise AssertionError("it was unpacked")

    monkeypatch.setattr(scipy.io, "loadmat", loaded)
    with pytest.raises(BadCheckpoint, match="arrays of 3, 100000000 points"):
        load_face_model(face)


def test_a_packed_element_that_is_longer_than_it_says(
    face: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its shape is that of nine numbers; behind it stand four million zeros."""
    body = struct.pack("<IIII", 6, 8, 6, 0) + struct.pack("<IIii", 5, 8, 1, 9)
    body += struct.pack("<II", 1, 9) + b"meanshape".ljust(16, b"\0")
    body += struct.pack("<II", 9, 4_000_000) + bytes(4_000_000)
    packed = zlib.compress(struct.pack("<II", 14, len(body)) + body)
    path = face / MODEL_FILE
    _model()(face)
    header = path.read_bytes()[:128]
    path.write_bytes(header + struct.pack("<II", 15, len(packed)) + packed)
    assert path.stat().st_size < 10_000
    monkeypatch.setattr(face_model, "LARGEST", 1_000_000)
    with pytest.raises(BadCheckpoint, match="more than 1000000 bytes once it is unpacked"):
        load_face_model(face)


@pytest.mark.parametrize(
    "vertices, said",
    [
        (np.arange(10), "not 468 numbers"),
        (np.full(468, np.nan), "float64 that are no vertices"),
        (np.array(["a"] * 468), "that are no vertices"),
        (np.arange(468) * 1_000, "vertex 454000 of 480"),
        (np.array([Calling(os.system, "true")], object), "allow_pickle=False"),
    ],
)
def test_vertices_that_are_none(face: Path, vertices: Any, said: str) -> None:
    np.save(face / VERTICES_FILE, vertices)
    with pytest.raises(BadCheckpoint, match=said) as caught:
        load_face_model(face)
    assert caught.value.thing.endswith(VERTICES_FILE)


@pytest.mark.parametrize(
    "changed",
    [
        {"intermediate_size": 10**12},
        {"conv_dim": [10**9] * 7},
        {"conv_dim": [8]},
        {"num_conv_pos_embeddings": 10**12},
        {"num_conv_pos_embedding_groups": 0},
        {"num_attention_heads": 0},
        {"num_attention_heads": 3},
        {"num_hidden_layers": 10**6},
        {"hidden_size": float("inf")},
        {"hidden_size": [1]},
    ],
)
def test_speech_encoders_that_do_not_fit_together(
    tmp_path: Path, folders: Folders, changed: dict[str, Any]
) -> None:
    """Refused by their settings alone: such layers are never made."""
    config = json.loads((folders.hubert / "config.json").read_text()) | changed
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadCheckpoint, match="name the folder of facebook/hubert-large"):
        load_speech_encoder(str(tmp_path), FEATURES)


def test_settings_of_a_speech_encoder_alone_take_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They name 19 GB of layers; the weights beside them have a few kilobytes."""
    write_hubert(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text()) | {"conv_dim": [16_384] * 7}
    (tmp_path / "config.json").write_text(json.dumps(config))

    def weightless(config: SpeechEncoderConfig) -> SpeechEncoder:
        assert torch.empty(0).device.type == "meta"
        return SpeechEncoder(config)

    monkeypatch.setattr(speech, "SpeechEncoder", weightless)
    with pytest.raises(
        BadCheckpoint, match=r"conv_layers\.0\.conv\.weight is .* instead of \(16384"
    ):
        load_speech_encoder(str(tmp_path), FEATURES)


@pytest.mark.parametrize("text", ["[" * 100_000, "[1]", "null", "\x00"])
def test_settings_of_a_speech_encoder_that_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(BadCheckpoint, match="name the folder of facebook/hubert-large"):
        load_speech_encoder(str(tmp_path), FEATURES)


def test_weights_of_a_speech_encoder_that_are_missing_or_broken(tmp_path: Path) -> None:
    write_hubert(tmp_path)
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    name = next(n for n in tensors if n.endswith("q_proj.weight"))
    save_file(tensors | {name: torch.full_like(tensors[name], torch.nan)}, path)
    with pytest.raises(BadCheckpoint, match=f"not finite in hubert.{name}"):
        load_speech_encoder(str(tmp_path), FEATURES)
    path.unlink()
    with pytest.raises(BadCheckpoint, match=r"model\.safetensors or pytorch_model\.bin.*neither"):
        load_speech_encoder(str(tmp_path), FEATURES)
    torch.save(tensors, tmp_path / "pytorch_model.bin")
    assert load_speech_encoder(str(tmp_path), FEATURES).config.hidden == FEATURES
