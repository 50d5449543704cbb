"""Shards and their manifest: what is read is what was written, or is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from emogene.contract.errors import BadInput
from emogene.training.datasets.clips import (
    ClipEntry,
    open_clips,
    read_manifest,
    write_manifest,
    write_shard,
)

FRAMES, WIDTH = 8, 5


def arrays(seed: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(2 * FRAMES, WIDTH)).astype(np.float16).astype(np.float32)
    bins = rng.integers(1, 256, 2 * FRAMES).astype(np.int32)
    landmarks = rng.normal(size=(FRAMES, 204)).astype(np.float32)
    return features, bins, landmarks, rng.normal(size=(FRAMES, 3, 4)).astype(np.float32)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three clips: two to train on, one of them sad, and one held out."""
    (tmp_path / "clips").mkdir()
    entries = []
    for k, (emotion, split) in enumerate(
        (("neutral", "training"), ("sad", "training"), ("sad", "held_out"))
    ):
        file = f"clips/{k}.safetensors"
        digest = write_shard(tmp_path / file, *arrays(k))
        entries.append(
            ClipEntry(file, digest, FRAMES, WIDTH, emotion, 1.0, "me", split, f"{k}.mp4")  # type: ignore[arg-type]
        )
    write_manifest(tmp_path, entries, {"kind": "video"})
    return tmp_path


def test_clips_come_back_as_they_were(data: Path) -> None:
    clips = open_clips(data, "training")
    assert [clip.entry.source for clip in clips] == ["0.mp4", "1.mp4"]
    for k, clip in enumerate(clips):
        found = clip.features, clip.pitch_bins, clip.landmarks, clip.poses
        for one, other in zip(found, arrays(k), strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
    assert clips[1].emotion == 6
    assert len(clips[1:]) == 1
    assert [clip.entry.source for clip in open_clips(data, "training", emotion="sad")] == ["1.mp4"]


def test_what_is_not_there_is_said(data: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"expected held_out clips that are happy, found none"):
        open_clips(data, "held_out", emotion="happy")
    with pytest.raises(BadInput, match=r"nowhere/manifest\.json"):
        open_clips(tmp_path / "nowhere", "training")
    (data / "clips/0.safetensors").unlink()
    with pytest.raises(BadInput, match="prepare the data set again"):
        _ = open_clips(data, "training")[0]


def test_a_changed_shard_is_refused(data: Path) -> None:
    path = data / "clips/0.safetensors"
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(changed)
    with pytest.raises(BadInput, match="SHA-256"):
        _ = open_clips(data, "training")[0]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("landmarks", np.zeros((FRAMES, 203), np.float32), "landmarks"),
        ("landmarks", np.full((FRAMES, 204), np.nan, np.float32), "finite landmarks"),
        ("pitch_bins", np.zeros(2 * FRAMES, np.int32), "pitch bins 1…255"),
        ("features", np.zeros((2 * FRAMES, WIDTH), np.float64), "float64"),
    ],
)
def test_a_shard_with_something_else_is_refused(
    data: Path, name: str, value: np.ndarray, said: str
) -> None:
    import hashlib

    names = ("features", "pitch_bins", "landmarks", "poses")
    tensors = dict(zip(names, arrays(0), strict=True))
    tensors["features"] = tensors["features"].astype(np.float16)
    shard = save(tensors | {name: value})
    (data / "clips/0.safetensors").write_bytes(shard)
    plain = json.loads((data / "manifest.json").read_text())
    plain["clips"][0]["sha256"] = hashlib.sha256(shard).hexdigest()
    (data / "manifest.json").write_text(json.dumps(plain))
    with pytest.raises(BadInput, match=said):
        _ = open_clips(data, "training")[0]


def _outside(plain: dict[str, Any]) -> None:
    plain["clips"][0]["file"] = "../../etc/passwd"


def _absolute(plain: dict[str, Any]) -> None:
    plain["clips"][0]["file"] = "/etc/passwd"


def _emotion(plain: dict[str, Any]) -> None:
    plain["clips"][0]["emotion"] = "bored"


def _missing(plain: dict[str, Any]) -> None:
    del plain["clips"][0]["frames"]


def _format(plain: dict[str, Any]) -> None:
    plain["format"] = 99


@pytest.mark.parametrize("spoil", [_outside, _absolute, _emotion, _missing, _format])
def test_a_manifest_that_cannot_be_is_refused(
    data: Path, spoil: Callable[[dict[str, Any]], None]
) -> None:
    plain = json.loads((data / "manifest.json").read_text())
    spoil(plain)
    (data / "manifest.json").write_text(json.dumps(plain))
    with pytest.raises(BadInput, match=r"manifest\.json"):
        read_manifest(data)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 1, "clips": 3}'])
def test_what_is_no_manifest_is_refused(data: Path, text: str) -> None:
    (data / "manifest.json").write_text(text)
    with pytest.raises(BadInput, match="a data set's manifest"):
        read_manifest(data)
