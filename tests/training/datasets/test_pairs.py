"""Emotional and neutral recordings of the same words find each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emogene.contract.emotions import EMOTIONS
from emogene.contract.errors import BadInput
from emogene.training.datasets.clips import ClipEntry, write_manifest, write_shard
from emogene.training.datasets.pairs import emotional_pairs
from emogene.training.datasets.warping import align

WIDTH = 6


def sentence(rng: np.random.Generator, frames: int) -> np.ndarray:
    """(2 frames, WIDTH) features that wander, as speech does."""
    steps = rng.normal(size=(2 * frames // 8 + 2, WIDTH))
    at = np.linspace(0, len(steps) - 1.001, 2 * frames)
    low = at.astype(int)
    share = (at - low)[:, None]
    return ((1 - share) * steps[low] + share * steps[low + 1]).astype(np.float32)


def slower(rows: np.ndarray, count: int) -> np.ndarray:
    """The same rows over `count` rows, hurrying in the middle."""
    t = np.linspace(0, 1, count)
    at = (t + 0.08 * np.sin(2 * np.pi * t)) * (len(rows) - 1)
    columns = [np.interp(at, np.arange(len(rows)), column) for column in rows.T]
    return np.stack(columns, 1).astype(np.float32)


def brute_force(distance: np.ndarray) -> float:
    """Least sum over monotone paths, by trying them all."""

    def best(i: int, j: int) -> float:
        if i == j == 0:
            return distance[0, 0]
        ways = [(i - 1, j), (i, j - 1), (i - 1, j - 1)]
        return distance[i, j] + min(best(a, b) for a, b in ways if a >= 0 and b >= 0)

    return best(distance.shape[0] - 1, distance.shape[1] - 1)


def test_the_path_is_the_cheapest_of_all() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(5, 4)), rng.normal(size=(6, 4))
    a, b = first - first.mean(0), second - second.mean(0)
    cosine = (a @ b.T) / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)
    found = align(first.astype(np.float32), second.astype(np.float32))
    assert found.cost * len(found.path) == pytest.approx(brute_force(1 - cosine), rel=1e-5)
    steps = np.diff(found.path, axis=0)
    assert set(map(tuple, steps)) <= {(0, 1), (1, 0), (1, 1)}
    assert found.path[0].tolist() == [0, 0]
    assert found.path[-1].tolist() == [4, 5]


def write_clips(folder: Path, clips: list[tuple[ClipEntry, np.ndarray, np.ndarray]]) -> None:
    entries = []
    (folder / "clips").mkdir(parents=True)
    for k, (entry, features, landmarks) in enumerate(clips):
        frames = len(landmarks)
        bins, poses = np.ones(2 * frames, np.int32), np.zeros((frames, 3, 4), np.float32)
        file = f"clips/{k}.safetensors"
        digest = write_shard(folder / file, features, bins, landmarks, poses)
        entries.append(replace(entry, file=file, sha256=digest, frames=frames))
    write_manifest(folder, entries, {"kind": "mead"})


def entry(emotion: str, identity: str, source: str) -> ClipEntry:
    intensity = 0.0 if emotion == "neutral" else 0.667
    return ClipEntry("", "", 0, WIDTH, emotion, intensity, identity, "training", source)


@pytest.fixture
def parallel(tmp_path: Path) -> Path:
    """Two identities, three neutral sentences each; the second is also said angrily, slower.

    Landmarks follow the features, so that a frame tells which sound it belongs to; anger adds 1.
    """
    rng = np.random.default_rng(1)
    clips = []
    for identity in ("M1", "W2"):
        lift = rng.normal(size=(WIDTH, 204)).astype(np.float32)
        said = [sentence(rng, 40) for _ in range(3)]
        for k, features in enumerate(said):
            clips.append(
                (entry("neutral", identity, f"{identity}{k}"), features, features[::2] @ lift)
            )
        angry = slower(said[1], 104)
        clips.append((entry("angry", identity, f"{identity}a"), angry, angry[::2] @ lift + 1))
        other = sentence(rng, 40)  # nobody says this neutrally
        clips.append((entry("sad", identity, f"{identity}s"), other, other[::2] @ lift))
    write_clips(tmp_path / "data", clips)
    return tmp_path / "data"


def test_same_words_are_paired_and_laid_over_each_other(parallel: Path) -> None:
    pairs = emotional_pairs(parallel, "training")
    assert pairs.sources == (("M1a", "M11"), ("W2a", "W21"))
    assert pairs.neutral.shape == pairs.emotional.shape == (104, 204)
    assert set(pairs.emotion) == {EMOTIONS.index("angry")}
    np.testing.assert_allclose(pairs.intensity, 0.667, rtol=1e-6)
    # What is left beside the emotion is far smaller than what the words do.
    moved = pairs.emotional - pairs.neutral
    assert np.abs(moved - 1).mean() < 0.25 * pairs.neutral.std(axis=0).mean()


def test_no_parallel_sentences_is_said(parallel: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    lone = sentence(rng, 40)
    write_clips(
        tmp_path / "sad", [(entry("sad", "M1", "s"), lone, np.zeros((40, 204), np.float32))]
    )
    with pytest.raises(BadInput, match="none among 1 clips"):
        emotional_pairs(tmp_path / "sad", "training")
    with pytest.raises(BadInput, match="held_out clips"):
        emotional_pairs(parallel, "held_out")
