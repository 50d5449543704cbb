"""The speech encoder: the fast stem is HuBERT's, and a tiny one learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emogene.contract.errors import BadInput, BadOption
from emogene.reference.checkpoint import load_network
from emogene.reference.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from emogene.training.demo.speech.corpus import Corpus, CorpusConfig, build_corpus
from emogene.training.demo.speech.phones import PHONES, PhoneSegment
from emogene.training.hearing import Hearing, hear, running_moments
from emogene.training.hubert import (
    HubertTrainingConfig,
    PhoneRecogniser,
    evaluate_phones,
    hubert_features,
    normalise,
    train_hubert,
)
from emogene.training.loop import LoopConfig
from emogene.training.speech_batches import (
    AugmentationConfig,
    degrade,
    draw_blocks,
    heard_in_pieces,
    heard_whole,
    stream_of,
)

pytestmark = pytest.mark.usefixtures("one_thread")

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


def test_blocks_are_seeded_and_heard_whole_or_in_overlapping_pieces(corpus: Corpus) -> None:
    stream = stream_of(corpus.training)
    blocks, labels = draw_blocks(stream, 2, 80, AugmentationConfig(), np.random.default_rng(3))
    again, _ = draw_blocks(stream, 2, 80, AugmentationConfig(), np.random.default_rng(3))
    np.testing.assert_array_equal(blocks, again)
    assert blocks.shape == (2, 25_680) and labels.shape == (2, 80)
    whole, pieces = heard_whole(blocks), heard_in_pieces(blocks, 2)
    np.testing.assert_allclose(whole.std(1), 1.0, rtol=1e-3)
    assert pieces.shape == (4, 12_880)
    # The last piece knows the moments of nearly the whole block, the first only its own.
    np.testing.assert_allclose(pieces[1], whole[0, 12_800:], atol=0.02)
    np.testing.assert_allclose(pieces[2].std(), 1.0, rtol=1e-2)


def test_speech_that_cannot_work_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    one = corpus.training[0]
    silent = replace(one, segments=(PhoneSegment("sil", 0.0, one.seconds),))
    for utterances in ((), (silent,)):
        with pytest.raises(BadInput, match="no phone but silence"):
            train_hubert(TINY, replace(corpus, training=utterances), tmp_path / "out")
    with pytest.raises(BadOption, match="divisors of 40"):
        train_hubert(replace(TINY, pieces=(3,)), corpus, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_moments_are_of_what_was_heard_so_far() -> None:
    samples = np.concatenate([np.ones(16_000), 3 * np.ones(16_080)]).astype(np.float32)
    mean, deviation = running_moments(samples)
    assert len(mean) == 100
    assert mean[:49].max() == 1.0 and deviation[:49].max() < 1e-3
    assert mean[-1] == pytest.approx(samples.mean(), abs=1e-4)
    assert deviation[-1] == pytest.approx(samples.std(), abs=1e-4)


def test_live_hearing_with_all_the_context_is_offline_hearing() -> None:
    torch.manual_seed(0)
    encoder = PhoneRecogniser(TINY.network).encoder.eval()
    samples = np.random.default_rng(0).normal(0.0, 0.1, 12_880).astype(np.float32)
    offline = hear(encoder, samples, 40)
    np.testing.assert_allclose(hear(encoder, samples, 40, Hearing(0, 40, 0)), offline, atol=1e-3)
    cut = hear(encoder, samples, 40, Hearing(4, 7, 2))
    assert cut.shape == (40, 32) and not np.allclose(cut, offline, atol=0.05)


def test_labels_follow_the_sound_through_the_degradation(corpus: Corpus) -> None:
    stream = stream_of(corpus.training)
    samples, labels = draw_blocks(stream, 16, 100, CLEAN, np.random.default_rng(0))
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
