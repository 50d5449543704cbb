"""The audio-to-motion and deformation loops: they learn, resume and say how well."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emogene.contract.emotions import EMOTIONS
from emogene.contract.landmarks import FLAT, LOWER_LIP_CENTRE, UPPER_LIP_CENTRE
from emogene.reference.audio_to_motion import AudioToMotion, AudioToMotionConfig, FlowConfig
from emogene.reference.checkpoint import load_network
from emogene.reference.deformation import LandmarkDeformation
from emogene.reference.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from emogene.training.deformation import (
    NEUTRAL,
    DeformationData,
    DeformationTrainingConfig,
    demo_pairs,
    train_deformation,
)
from emogene.training.demo.head.parameters import INDEX
from emogene.training.demo.speech.corpus import Corpus, CorpusConfig, build_corpus
from emogene.training.loop import LoopConfig
from emogene.training.vae import (
    VaeData,
    VaeTrainingConfig,
    evaluate_vae,
    landmark_weights,
    mouth_opening,
    train_vae,
)
from emogene.training.vae_data import motion_clips

NETWORK = AudioToMotionConfig(
    features=16,
    condition=16,
    hidden=16,
    latent=4,
    encoder_layers=1,
    decoder_layers=2,
    flow=FlowConfig(couplings=1, hidden=8, layers=1),
    mouth_amplitude=False,
    folding="scaled",
)


def landmarks_of(parameters: np.ndarray) -> np.ndarray:
    """A face of 68 points at fixed places whose lips follow the jaw: the rig in one line."""
    places = np.random.default_rng(0).normal(size=(68, 3)).astype(np.float32)
    faces = np.tile(places, (len(parameters), 1, 1))
    faces[:, LOWER_LIP_CENTRE] = places[UPPER_LIP_CENTRE]
    faces[:, LOWER_LIP_CENTRE, 1] -= 0.3 * parameters[:, INDEX["jaw"]]
    faces[:, 48, 0] += 0.1 * parameters[:, INDEX["smileR"]]
    return faces


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return build_corpus(CorpusConfig(minutes=0.5, held_out_minutes=0.1, flite_share=0.0))


@pytest.fixture(scope="module")
def data(corpus: Corpus) -> VaeData:
    torch.manual_seed(0)
    encoder = SpeechEncoder(
        SpeechEncoderConfig(16, 1, 2, 16, (16,) * 7, position_kernel=8, position_groups=2)
    ).eval()
    held_out = motion_clips(corpus.held_out, encoder, landmarks_of)
    training = motion_clips(corpus.training, encoder, landmarks_of)
    degraded = motion_clips(corpus.training, encoder, landmarks_of, degraded=True)
    return VaeData(training + degraded, held_out, held_out)


def test_clips_are_aligned_and_whole(data: VaeData, corpus: Corpus) -> None:
    for clip in data.training:
        frames = len(clip.landmarks)
        assert frames % 4 == 0 and clip.landmarks.shape == (frames, FLAT)
        assert clip.features.shape == (2 * frames, 16) and clip.pitch_bins.shape == (2 * frames,)
    clean, degraded = data.training[0], data.training[len(corpus.training)]
    np.testing.assert_array_equal(clean.landmarks, degraded.landmarks)
    assert not np.allclose(clean.features, degraded.features, atol=0.1)


def test_training_beats_the_mean_face_and_resumes(data: VaeData, tmp_path: Path) -> None:
    config = VaeTrainingConfig(
        network=NETWORK, clips=8, frames=32, learning_rate=5e-3, loop=LoopConfig(steps=80)
    )
    report = train_vae(config, data, tmp_path)
    assert {"held_out_t0.0", "held_out_t0.2"} <= set(report)
    network = load_network(tmp_path / "network", AudioToMotion)
    # Judged on what it was trained on: an untrained encoder carries nothing over to new sentences.
    scores = evaluate_vae(network, data.training)
    assert scores["mouth_error_ratio"] < 0.9 and scores["opening_correlation"] > 0.3
    assert network.folding.scale.unique().numel() == 1
    again = train_vae(replace(config, loop=LoopConfig(steps=81)), data, tmp_path)
    assert again["steps"] == 81


def test_a_perfect_network_would_score_perfectly(data: VaeData) -> None:
    clip = data.held_out[0]
    model = AudioToMotion(NETWORK)
    model.folding.mean.copy_(torch.from_numpy(clip.landmarks.mean(0)))
    model.folding.scale.fill_(0.0)  # the mean face, whatever was said
    scores = evaluate_vae(model, data.held_out[:1])
    assert scores["mouth_error_ratio"] == pytest.approx(1.0, abs=1e-3)
    assert scores["opening_gain"] == pytest.approx(0.0, abs=1e-3)


def test_mouth_weights_keep_the_mean() -> None:
    weights = landmark_weights(6.0)
    assert weights.mean() == pytest.approx(1.0)
    assert weights[3 * 50] == pytest.approx(6.0 * float(weights[0]))


def test_the_opening_is_measured_between_the_inner_lips() -> None:
    faces = landmarks_of(np.zeros((2, 21), np.float32))
    faces[1, LOWER_LIP_CENTRE, 1] -= 0.2
    np.testing.assert_allclose(np.diff(mouth_opening(faces)), 0.2, atol=1e-6)


def test_deformation_learns_each_emotion_but_neutral(corpus: Corpus, tmp_path: Path) -> None:
    training = demo_pairs(corpus.training * 4, landmarks_of)
    assert NEUTRAL not in training.emotion and len(np.unique(training.emotion)) == len(EMOTIONS) - 1
    held_out = demo_pairs(corpus.held_out, landmarks_of, articulation=(1.0, 1.0), seed=1)
    config = DeformationTrainingConfig(frames=128, loop=LoopConfig(steps=150, clip_norm=0.0))
    report = train_deformation(config, DeformationData(training, held_out), tmp_path)
    assert report["mse"] < 0.3 * report["mse_identity"]
    network = load_network(tmp_path / "network", LandmarkDeformation)
    found = network(torch.from_numpy(held_out.neutral), torch.from_numpy(held_out.emotion))
    assert found.shape == held_out.neutral.shape
