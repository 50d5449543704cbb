"""Sync, VAE and deformation learn from prepared clips, and say early when they cannot."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emogene.contract.errors import BadInput, BadOption
from emogene.contract.landmarks import FLAT
from emogene.reference.checkpoint import load_network
from emogene.training.datasets.clips import ClipEntry, write_manifest, write_shard
from emogene.training.networks import KINDS
from emogene.training.prepared import train_on_prepared

from .test_reproducible import CASES, STEPS, WIDTH

FRAMES = 80
REST = np.random.default_rng(0).normal(size=FLAT).astype(np.float32)


def config(stage: str) -> Any:
    case = CASES[stage].config
    return replace(case, loop=replace(case.loop, steps=STEPS, minutes=None))


def prepared(folder: Path, emotions: dict[str, float], width: int = WIDTH) -> Path:
    """Two speakers, the second held out, who say the same two sentences in each emotion."""
    (folder / "clips").mkdir(parents=True)
    rng = np.random.default_rng(1)
    entries = []
    for identity, split in (("M001", "training"), ("M002", "held_out")):
        for sentence in range(2):
            # Sounds of half a second, which warping can tell apart.
            sounds = rng.standard_normal((8, width), np.float32).repeat(20, axis=0)
            for emotion, intensity in emotions.items():
                moved = 0.1 * sounds[::2, :1] + 0.2 * intensity
                noise = 0.05 * rng.standard_normal(sounds.shape, np.float32)
                file = f"clips/{identity}_{sentence}_{emotion}.safetensors"
                digest = write_shard(
                    folder / file, sounds + noise, np.ones(2 * FRAMES, np.int32),
                    REST + moved, np.zeros((FRAMES, 3, 4), np.float32),
                )  # fmt: skip
                entry = ClipEntry(
                    file, digest, FRAMES, width, emotion, intensity, identity, split, file
                )  # fmt: skip
                entries.append(entry)
    write_manifest(folder, entries, {"kind": "mead"})
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared") / "data"
    return prepared(folder, {"neutral": 0.0, "happy": 1.0, "sad": 2 / 3, "angry": 1 / 3})


def test_every_network_of_clips_is_trained(data: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=rf"emogene-train sync {tmp_path} --data {data}"):
        train_on_prepared("vae", config("vae"), data, tmp_path)
    for stage in ("sync", "vae", "deformation"):
        report = train_on_prepared(stage, config(stage), data, tmp_path)
        assert report["steps"] == STEPS
        load_network(tmp_path / stage / "network", KINDS[stage])
    # One speaker's two sentences in three emotions, each moving the face by 0.2 of its intensity.
    assert report["pairs"] == 2 * 3 * FRAMES
    moved = [(0.2 * intensity) ** 2 for intensity in (1.0, 2 / 3, 1 / 3)]
    assert report["mse_identity"] == pytest.approx(np.mean(moved), rel=0.3)


def test_features_of_another_width_are_refused(tmp_path: Path) -> None:
    data = prepared(tmp_path / "data", {"neutral": 0.0}, width=4)
    with pytest.raises(BadOption, match=r"network\.features: expected 4, .* found 8 — .*--config"):
        train_on_prepared("sync", config("sync"), data, tmp_path / "work")
    assert not (tmp_path / "work" / "sync").exists()


def test_data_without_what_is_learned_is_refused(tmp_path: Path) -> None:
    happy = prepared(tmp_path / "happy", {"happy": 1.0})
    work = tmp_path / "work"
    train_on_prepared("sync", config("sync"), happy, work)
    with pytest.raises(BadInput, match="training clips that are neutral, found none"):
        train_on_prepared("vae", config("vae"), happy, work)
    with pytest.raises(BadInput, match="say the same, neutrally and not"):
        train_on_prepared("deformation", config("deformation"), happy, work)


def test_more_than_the_memory_is_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sysconf", lambda name: 100)
    with pytest.raises(BadInput, match="which are held in memory"):
        train_on_prepared("sync", config("sync"), data, tmp_path)
