"""The speech encoder: rates, the demo's size, weight norm, a clear error without its extra."""

from __future__ import annotations

import sys

import pytest
import torch

from emogene.contract.errors import MissingExtra
from emogene.contract.units import HUBERT_RECEPTIVE_FIELD, SAMPLES_PER_FEATURE
from emogene.reference.demo import demo_speech_encoder
from emogene.reference.speech_encoder import SpeechEncoder
from emogene.reference.tiny import tiny


@pytest.mark.parametrize("samples", [400, 719, 720, 5000])
def test_one_feature_every_320_samples(samples: int) -> None:
    features = tiny().speech(torch.randn(1, samples))
    count = (samples - HUBERT_RECEPTIVE_FIELD) // SAMPLES_PER_FEATURE + 1
    assert features.shape == (1, count, 32)


def test_the_demo_encoder_is_small() -> None:
    encoder = SpeechEncoder(demo_speech_encoder())
    assert 0.6e6 < sum(p.numel() for p in encoder.parameters()) < 0.8e6
    assert all(name.startswith("hubert.") for name in encoder.state_dict())


def test_folding_weight_norm_changes_names_but_no_numbers() -> None:
    encoder = tiny().speech
    samples = torch.randn(1, 3000)
    before = encoder(samples)
    assert any("parametrizations" in name for name in encoder.state_dict())
    encoder.fold_weight_norm().fold_weight_norm()
    assert not any("parametrizations" in name for name in encoder.state_dict())
    torch.testing.assert_close(encoder(samples), before)


def test_without_transformers_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtra, match=r'pip install "emogene\[export\]"'):
        SpeechEncoder(demo_speech_encoder())
