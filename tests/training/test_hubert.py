"""The speech encoder: the fast stem is HuBERT's, and a tiny one learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emogene.contract.errors import BadCheckpoint, BadInput, BadOption
from emogene.contract.units import FEATURES_PER_FRAME, SAMPLES_PER_FEATURE, SAMPLES_PER_FRAME
from emogene.reference.checkpoint import load_network
from emogene.reference.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from emogene.runtime.audio.store import SampleStore
from emogene.runtime.profiles import LIVE as LIVE_PROFILE
from emogene.runtime.speech.networks import SpeechNetworks
from emogene.runtime.speech.stream import StreamedSpeech
from emogene.training.demo.speech.corpus import Corpus, CorpusConfig, build_corpus
from emogene.training.demo.speech.phones import PHONES, PhoneSegment
from emogene.training.hearing import LIVE, Hearing, Listener, hear
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
    other = replace(corpus, training=corpus.training[1:])
    with pytest.raises(BadCheckpoint, match=r"training was \["):
        train_hubert(TINY, other, tmp_path)


def test_blocks_are_seeded_and_heard_whole_or_in_overlapping_pieces(corpus: Corpus) -> None:
    stream = stream_of(corpus.training)
    blocks, labels = draw_blocks(stream, 2, 80, AugmentationConfig(), np.random.default_rng(3))
    again, _ = draw_blocks(stream, 2, 80, AugmentationConfig(), np.random.default_rng(3))
    np.testing.assert_array_equal(blocks, again)
    assert blocks.shape == (2, 25_680) and labels.shape == (2, 80)
    whole, pieces = heard_whole(blocks), heard_in_pieces(blocks, 2)
    np.testing.assert_allclose(whole.std(1), 1.0, rtol=1e-3)
    assert pieces.shape == (4, 12_880)
    listener = Listener(blocks[0])
    np.testing.assert_array_equal(pieces[0], listener.hear(0, 12_880))
    np.testing.assert_array_equal(pieces[1], listener.hear(12_800, 25_680))
    # The second block's first piece knows nothing of the first block.
    np.testing.assert_array_equal(pieces[2], Listener(blocks[1]).hear(0, 12_880))


def test_speech_that_cannot_work_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    one = corpus.training[0]
    silent = replace(one, segments=(PhoneSegment("sil", 0.0, one.seconds),))
    for utterances in ((), (silent,)):
        with pytest.raises(BadInput, match="no phone but silence"):
            train_hubert(TINY, replace(corpus, training=utterances), tmp_path / "out")
    with pytest.raises(BadOption, match="divisors of 40"):
        train_hubert(replace(TINY, pieces=(3,)), corpus, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_live_hearing_is_what_a_live_session_hears() -> None:
    torch.manual_seed(0)
    encoder = PhoneRecogniser(TINY.network).encoder.eval()
    rng = np.random.default_rng(0)
    loudness = np.repeat(rng.uniform(0.0, 0.2, 20), 800)
    samples = (loudness * rng.normal(size=16_000)).astype(np.float32)
    heard: list[np.ndarray] = []

    class Hubert:
        def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            with torch.no_grad():
                return {"features": encoder(torch.from_numpy(inputs["samples"])).numpy()}

    class AudioToMotion:
        def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            heard.append(inputs["features"][0])
            return {"landmarks": np.zeros((1, len(inputs["features"][0]) // 2, 204), np.float32)}

    store = SampleStore()
    store.push(samples)
    networks = SpeechNetworks(Hubert(), AudioToMotion(), 16)
    session = StreamedSpeech(networks, store, LIVE_PROFILE, first_latent=0, seed=0)
    hops = len(samples) // (LIVE_PROFILE.hop * SAMPLES_PER_FRAME) - 2
    hop, ahead = (FEATURES_PER_FRAME * n for n in (LIVE_PROFILE.hop, session.ahead))
    for index in range(hops):
        session.hop(index)
    count = len(samples) // SAMPLES_PER_FEATURE
    found = hear(encoder, samples, count, LIVE)
    for index, features in enumerate(heard):
        new = features[len(features) - ahead - hop : len(features) - ahead]
        np.testing.assert_allclose(found[index * hop :][:hop], new, atol=2e-4)
    assert not np.allclose(found, hear(encoder, samples, count), atol=0.05)


def test_hearing_cut_into_pieces_gives_every_feature() -> None:
    torch.manual_seed(0)
    encoder = PhoneRecogniser(TINY.network).encoder.eval()
    samples = np.random.default_rng(0).normal(0.0, 0.1, 12_880).astype(np.float32)
    for hearing in (Hearing(0, 40, 0), Hearing(4, 7, 2)):
        cut = hear(encoder, samples, 40, hearing)
        assert cut.shape == (40, 32) and np.isfinite(cut).all()


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
