"""Audio-to-motion: its losses, what it learns from, how it is judged, and that it learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emogene.contract.errors import BadInput
from emogene.contract.landmarks import FLAT
from emogene.reference.audio_to_motion import AudioToMotion, AudioToMotionConfig, FlowConfig
from emogene.reference.checkpoint import load_network
from emogene.reference.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from emogene.reference.sync_expert import SyncExpert, SyncExpertConfig
from emogene.training.demo.speech.corpus import Corpus, CorpusConfig, build_corpus
from emogene.training.hearing import Hearing
from emogene.training.loop import LoopConfig
from emogene.training.vae import VaeData, VaeTrainingConfig, train_vae
from emogene.training.vae_data import MotionClip, motion_clips, with_emotions
from emogene.training.vae_losses import VaeBatch, VaeLossWeights, landmark_weights, vae_losses
from emogene.training.vae_report import drift, evaluate_vae, latent_use

from .tiny_rig import landmarks_of

pytestmark = pytest.mark.usefixtures("one_thread")

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


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return build_corpus(CorpusConfig(minutes=0.4, held_out_minutes=0.08, flite_share=0.0))


@pytest.fixture(scope="module")
def data(corpus: Corpus) -> VaeData:
    torch.manual_seed(0)
    encoder = SpeechEncoder(
        SpeechEncoderConfig(16, 1, 2, 16, (16,) * 7, position_kernel=8, position_groups=2)
    ).eval()
    held_out = motion_clips(corpus.held_out, encoder, landmarks_of)
    training = motion_clips(corpus.training, encoder, landmarks_of)
    degraded = motion_clips(corpus.training, encoder, landmarks_of, degraded=True)
    live = motion_clips(corpus.held_out, encoder, landmarks_of, hearing=Hearing(20, 8, 4))
    expert = SyncExpert(SyncExpertConfig(features=16, hidden=8, embedding=8))
    return VaeData(training + degraded, held_out, held_out, expert, live)


def test_clips_are_aligned_and_whole(data: VaeData, corpus: Corpus) -> None:
    for clip in data.training:
        frames = len(clip.landmarks)
        assert frames % 4 == 0 and clip.landmarks.shape == (frames, FLAT)
        assert clip.features.shape == (2 * frames, 16) and clip.pitch_bins.shape == (2 * frames,)
    clean, degraded = data.training[0], data.training[len(corpus.training)]
    np.testing.assert_array_equal(clean.landmarks, degraded.landmarks)
    assert not np.allclose(clean.features, degraded.features, atol=0.1)


def test_emotions_move_the_face_and_leave_the_sound(data: VaeData, corpus: Corpus) -> None:
    plain = data.training[: len(corpus.training)]
    emotional = with_emotions(plain, corpus.training, landmarks_of)
    assert all(a.features is b.features for a, b in zip(plain, emotional, strict=True))
    assert any(
        not np.allclose(a.landmarks, b.landmarks) for a, b in zip(plain, emotional, strict=True)
    )


def test_training_beats_the_mean_face_and_resumes(data: VaeData, tmp_path: Path) -> None:
    config = VaeTrainingConfig(
        network=NETWORK, batch_frames=256, windows=(32, 20), learning_rate=5e-3,
        weights=VaeLossWeights(closure=0.1, sync=0.0), loop=LoopConfig(steps=80), bfloat16=False,
    )  # fmt: skip
    report = train_vae(config, data, tmp_path)
    assert {"held_out_t0.0", "held_out_t0.2"} <= set(report)
    assert len(report["latents"]["kl"]) == 4 and 0 <= report["latents"]["active"] <= 4
    assert 0 < report["drift"]["mouth_px"] == pytest.approx(140 * report["drift"]["mouth_rms"])
    assert 0 < report["held_out_t0.0"]["closure_rate"] <= 1
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


def batch(clips: int = 4, frames: int = 16) -> VaeBatch:
    features = torch.randn(clips, 2 * frames, 16)
    closing = torch.zeros(clips, frames, dtype=torch.bool)
    closing[:, 5] = True
    bins = torch.full((clips, 2 * frames), 40, dtype=torch.int32)
    return VaeBatch(features, features, bins, torch.randn(clips, frames, FLAT), closing)


def test_the_loss_is_the_sum_of_what_it_says() -> None:
    torch.manual_seed(0)
    # Without a flow the KL is exact and never negative, so free bits of 0 charge all of it.
    model = AudioToMotion(replace(NETWORK, flow=None)).eval()
    expert = SyncExpert(SyncExpertConfig(16, 8, 8)).eval()
    weights = VaeLossWeights(kl=0.5, free_nats=0.0, closure=2.0, prior=3.0, sync=4.0, warmup=0.5)

    def parts(fraction: float, judge: SyncExpert | None = expert) -> dict[str, float]:
        torch.manual_seed(1)
        found = vae_losses(model, same, weights, fraction, judge)
        return {name: value.item() for name, value in found.items()}

    same = batch()
    for fraction, warm in ((0.0, 0.0), (0.25, 0.5), (1.0, 1.0)):
        found = parts(fraction)
        expected = found["rebuilt"] + 3 * found["guessed"] + 2 * found["closure"]
        assert found["kl"] > 0 and 0 < found["sync"] <= 2
        expected += warm * (0.5 * found["kl"] + 4 * found["sync"])
        assert found["loss"] == pytest.approx(expected, rel=1e-4)
    assert "sync" not in parts(1.0, None)


def test_the_sync_loss_moves_the_lips_and_never_the_expert() -> None:
    torch.manual_seed(0)
    model = AudioToMotion(NETWORK)
    expert = SyncExpert(SyncExpertConfig(16, 8, 8)).eval().requires_grad_(False)
    parts = vae_losses(model, batch(), VaeLossWeights(), 1.0, expert)
    parts["sync"].backward()
    assert model.vae.decoder.out_proj.weight.grad.abs().max() > 0
    assert all(p.grad is None for p in expert.parameters())


def test_closures_are_asked_for_only_where_lips_close() -> None:
    torch.manual_seed(0)
    model, one = AudioToMotion(NETWORK).eval(), batch()
    nowhere = replace(one, closing=torch.zeros_like(one.closing))
    closed = vae_losses(model, nowhere, VaeLossWeights(), 0.0)["closure"]
    assert closed == 0.0 < vae_losses(model, one, VaeLossWeights(), 0.0)["closure"]


def test_unused_latents_are_counted_as_such(data: VaeData) -> None:
    model = AudioToMotion(NETWORK)
    with torch.no_grad():
        model.vae.encoder.out_proj.weight[1:] = 0.0
    use = latent_use(model, data.held_out)
    assert use["active"] <= 1 and len(use["kl"]) == NETWORK.latent


def test_drift_is_nothing_for_the_same_sound(data: VaeData) -> None:
    torch.manual_seed(0)
    model = AudioToMotion(NETWORK)
    assert drift(model, data.held_out, data.held_out)["mouth_rms"] == 0.0
    moved = drift(model, data.held_out, data.held_out_live)
    assert moved["mouth_rms"] > 0 and moved["share"] > 0


def test_data_that_cannot_work_is_refused(data: VaeData, tmp_path: Path) -> None:
    config = VaeTrainingConfig(network=NETWORK, windows=(32,), loop=LoopConfig(steps=1))
    clip = data.training[0]
    one_frame = MotionClip(clip.features[:2], clip.pitch_bins[:2], clip.landmarks[:1])
    with pytest.raises(BadInput, match="1 clips, the longest of 1 frames"):
        train_vae(config, replace(data, training=(one_frame,)), tmp_path / "vae")
    still = replace(clip, landmarks=np.ones_like(clip.landmarks))
    with pytest.raises(BadInput, match="never moves"):
        train_vae(config, replace(data, training=(still,)), tmp_path / "vae")
    assert not (tmp_path / "vae").exists()
