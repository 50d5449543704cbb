"""The speech encoder: the fast stem is HuBERT's, and a tiny one learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from emogene.reference.checkpoint import load_network
from emogene.reference.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from emogene.training.demo.speech.corpus import Corpus, CorpusConfig, build_corpus
from emogene.training.demo.speech.phones import PHONES
from emogene.training.hubert import (
    HubertTrainingConfig,
    PhoneRecogniser,
    evaluate_phones,
    hubert_features,
    normalise,
    train_hubert,
)
from emogene.training.loop import LoopConfig
from emogene.training.speech_batches import AugmentationConfig, degrade, draw_batch, stream_of

CLEAN = AugmentationConfig(
    speed=(1.0, 1.0), equaliser_share=0, reverb_share=0, noise_share=0, babble_share=0, level=0.0
)
TINY = HubertTrainingConfig(
    network=SpeechEncoderConfig(
        hidden=32,
        layers=1,
        heads=2,
        feed_forward=32,
        conv=(16, 16, 16, 16, 32, 32, 32),
        position_kernel=16,
        position_groups=4,
    ),
    blocks=8,
    frames=40,
    pieces=(1, 2),
    learning_rate=6e-3,
    label_smoothing=0.0,
    bfloat16=False,
    augmentation=CLEAN,
    loop=LoopConfig(steps=150, warmup_steps=5),
)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return build_corpus(CorpusConfig(minutes=0.4, held_out_minutes=0.1, flite_share=0.0))


@pytest.mark.parametrize("length", [400, 719, 720, 5000, 16000])
def test_the_fast_forward_equals_transformers(length: int) -> None:
    torch.manual_seed(0)
    model = PhoneRecogniser(HubertTrainingConfig().network).eval()
    samples = torch.randn(2, length)
    with torch.no_grad():
        expected = model.classifier(model.encoder(samples))
        found = model(samples)
    assert found.shape == (2, (length - 400) // 320 + 1, len(PHONES))
    # float32 sums in another order, through four layer norms
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_a_tiny_encoder_learns_and_is_read_back(corpus: Corpus, tmp_path: Path) -> None:
    report = train_hubert(TINY, corpus, tmp_path)
    # Twelve seconds teach little of other sentences: more than silence alone, and than chance.
    assert report["held_out_speech"] > 3.0 / len(PHONES)
    assert {"classifier.safetensors", "curve.csv", "report.json", "state.safetensors"} <= {
        entry.name for entry in tmp_path.iterdir()
    }
    encoder = load_network(tmp_path / "network", SpeechEncoder)
    samples = corpus.held_out[0].samples
    features = hubert_features(encoder, samples)
    assert features.shape == ((len(samples) - 400) // 320 + 1, 32)


def test_batches_are_normalised_seeded_and_cut_with_overlap(corpus: Corpus) -> None:
    stream = stream_of(corpus.training)
    config = AugmentationConfig(level=0.0)
    whole = draw_batch(stream, 2, 40, 1, config, np.random.default_rng(3))
    cut = draw_batch(stream, 2, 40, 4, config, np.random.default_rng(3))
    assert whole[0].shape == (2, 12_880) and whole[1].shape == (2, 40)
    assert cut[0].shape == (8, 3_280) and cut[1].shape == (8, 10)
    np.testing.assert_allclose(whole[0].std(1), 1.0, rtol=1e-3)
    np.testing.assert_array_equal(whole[0][0, 3_200:6_480], cut[0][1])
    np.testing.assert_array_equal(whole[1].reshape(8, 10), cut[1])


def test_labels_follow_the_sound_through_the_degradation(corpus: Corpus) -> None:
    stream = stream_of(corpus.training)
    samples, labels = draw_batch(stream, 16, 100, 1, CLEAN, np.random.default_rng(0))
    centres = 200 + 320 * np.arange(100)
    power = np.stack([np.square(samples[:, c - 80 : c + 80]).mean(1) for c in centres], axis=1)
    assert power[labels == 0].mean() < 0.1 * power[labels > 0].mean()


def test_noise_has_the_ratio_asked_for(corpus: Corpus) -> None:
    stream = stream_of(corpus.training)
    only_noise = AugmentationConfig(
        equaliser_share=0, reverb_share=0, babble_share=0, noise_share=1, noise_db=(10.0, 10.0)
    )
    clean = stream.samples[:32_000]
    noise = degrade(clean, stream, only_noise, np.random.default_rng(0)) - clean
    ratio = 10 * np.log10(np.square(clean).mean() / np.square(noise).mean())
    assert ratio == pytest.approx(10.0, abs=0.3)


def test_noise_and_short_pieces_are_evaluated(corpus: Corpus) -> None:
    model = PhoneRecogniser(TINY.network)
    for options in ({}, {"noise_db": 20.0}, {"piece_frames": 25}):
        found = evaluate_phones(model, corpus.held_out[:1], **options)
        assert 0.0 <= found["frames"] <= 1.0
    assert normalise(np.zeros(10, np.float32)).max() == 0.0
