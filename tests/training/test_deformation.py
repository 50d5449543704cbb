"""The deformation model learns each emotion at every intensity, and keeps closed lips closed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emogene.contract.emotions import EMOTIONS, MAX_INTENSITY
from emogene.contract.errors import BadInput
from emogene.contract.landmarks import FLAT
from emogene.reference.checkpoint import load_network
from emogene.reference.deformation import LandmarkDeformation
from emogene.training.deformation import (
    NEUTRAL,
    DeformationData,
    DeformationPairs,
    DeformationTrainingConfig,
    demo_pairs,
    train_deformation,
)
from emogene.training.demo.speech.corpus import Corpus, CorpusConfig, build_corpus
from emogene.training.lips import CLOSED, mouth_opening
from emogene.training.loop import LoopConfig

from .tiny_rig import landmarks_of

pytestmark = pytest.mark.usefixtures("one_thread")

SHORT = LoopConfig(steps=150, clip_norm=0.0)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return build_corpus(CorpusConfig(minutes=0.4, held_out_minutes=0.08, flite_share=0.0))


def test_it_learns_each_emotion_but_neutral_at_all_intensities(
    corpus: Corpus, tmp_path: Path
) -> None:
    training = demo_pairs(corpus.training * 6, landmarks_of)
    assert NEUTRAL not in training.emotion and len(np.unique(training.emotion)) == len(EMOTIONS) - 1
    assert training.strength.shape == (len(training.neutral), 1)
    assert 0 <= training.strength.min() < 0.5 < 1.2 < training.strength.max() <= MAX_INTENSITY
    held_out = demo_pairs(corpus.held_out, landmarks_of, articulation=(1.0, 1.0), seed=1)
    config = DeformationTrainingConfig(frames=128, loop=SHORT)
    report = train_deformation(config, DeformationData(training, held_out), tmp_path)
    assert report["mse"] < 0.3 * report["mse_identity"]
    network = load_network(tmp_path / "network", LandmarkDeformation)
    # A happy smile at half, full and one and a half intensity: multiples of one deformation.
    happy = EMOTIONS.index("happy")
    for intensity in (0.5, 1.0, 1.5):
        pairs = demo_pairs(corpus.held_out * 5, landmarks_of, intensities=(intensity, intensity))
        rows = pairs.emotion == happy
        with torch.no_grad():
            neutral = torch.from_numpy(pairs.neutral[rows])
            delta = network(neutral, torch.full((len(neutral),), happy)).numpy()
        corner = 48 * 3
        true = (pairs.emotional - pairs.neutral)[rows][:, corner]
        np.testing.assert_allclose(intensity * delta[:, corner], true, atol=0.04)


def test_lips_that_close_are_not_parted(tmp_path: Path) -> None:
    """An emotion that opens the mouth wherever it is open: squared error alone lets it part."""
    rng = np.random.default_rng(0)
    opened = rng.uniform(0.0, 0.2, 4000).astype(np.float32) * (rng.random(4000) < 0.7)
    neutral = rng.normal(0.0, 0.01, (4000, 68, 3)).astype(np.float32)
    neutral[:, (61, 62, 63), 1] = opened[:, None]
    neutral[:, (67, 66, 65), 1] = 0.0
    emotional = neutral.copy()
    emotional[:, (61, 62, 63), 1] += 0.1 * (opened[:, None] > 0.01)
    flat = [face.reshape(-1, FLAT) for face in (neutral, emotional)]
    pairs = DeformationPairs(flat[0], flat[1], np.zeros(4000, np.int64))
    parted = {}
    for closure in (0.0, 30.0):
        config = DeformationTrainingConfig(frames=256, jitter=0.01, closure=closure, loop=SHORT)
        train_deformation(config, DeformationData(pairs, pairs), tmp_path / str(closure))
        network = load_network(tmp_path / str(closure) / "network", LandmarkDeformation)
        with torch.no_grad():
            delta = network(torch.from_numpy(flat[0]), torch.zeros(4000, dtype=torch.long)).numpy()
        found = mouth_opening((flat[0] + delta).reshape(-1, 68, 3))
        parted[closure] = float((found[opened == 0] > CLOSED).mean())
    assert parted[30.0] < 0.5 * parted[0.0]


def test_data_that_cannot_work_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    pairs = demo_pairs(corpus.held_out, landmarks_of)
    one = DeformationPairs(pairs.neutral[:1], pairs.emotional[:1], pairs.emotion[:1])
    calm = replace(pairs, emotion=np.full_like(pairs.emotion, NEUTRAL))
    strange = replace(pairs, emotion=np.full_like(pairs.emotion, 8))
    empty = DeformationPairs(pairs.neutral[:0], pairs.emotional[:0], pairs.emotion[:0])
    cases = ((one, "1 pairs"), (calm, "neutral"), (strange, "number 8"), (empty, "no emotion"))
    for wrong, said in cases:
        with pytest.raises(BadInput, match=said):
            train_deformation(
                DeformationTrainingConfig(loop=SHORT), DeformationData(wrong, pairs), tmp_path / "x"
            )
    assert not (tmp_path / "x").exists()
