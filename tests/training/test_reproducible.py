"""Every trainer, under a budget in steps: the same bits twice, and once more when it was stopped.

Head and torso: see `test_field_training`; killed processes: see `test_commands`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from emogene.contract.landmarks import FLAT
from emogene.reference.audio_to_motion import AudioToMotionConfig, FlowConfig
from emogene.reference.deformation import DeformationConfig
from emogene.reference.speech_encoder import SpeechEncoderConfig
from emogene.reference.sync_expert import SyncExpert, SyncExpertConfig
from emogene.training.deformation import (
    DeformationData,
    DeformationPairs,
    DeformationTrainingConfig,
)
from emogene.training.demo.speech.corpus import Corpus, Utterance
from emogene.training.demo.speech.phones import PHONES, PhoneSegment
from emogene.training.fields.operations import single_thread
from emogene.training.hubert import HubertTrainingConfig
from emogene.training.loop import LoopConfig
from emogene.training.stages import TRAINERS
from emogene.training.sync import SyncData, SyncTrainingConfig
from emogene.training.vae import VaeData, VaeTrainingConfig
from emogene.training.vae_data import MotionClip

STEPS = 6
WIDTH = 8  # of the speech features


@dataclass(frozen=True)
class Case:
    """A training in small."""

    config: Any
    data: Callable[[], Any]


def utterances(count: int, seed: int) -> tuple[Utterance, ...]:
    """Two seconds of noise each, in four phones of different loudness."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        phones = rng.choice(len(PHONES), 4)
        loudness = np.repeat(0.02 + phones / len(PHONES), 8000)
        samples = (loudness * rng.standard_normal(32_000)).astype(np.float32)
        segments = tuple(
            PhoneSegment(PHONES[phone], 0.5 * k, 0.5 * (k + 1)) for k, phone in enumerate(phones)
        )
        made.append(Utterance(samples, segments, "noise", "espeak:none"))
    return tuple(made)


def clips(count: int, seed: int) -> tuple[MotionClip, ...]:
    """Faces whose every landmark follows a feature."""
    rng = np.random.default_rng(seed)
    rest = np.random.default_rng(0).normal(size=FLAT).astype(np.float32)
    made = []
    for _ in range(count):
        features = rng.standard_normal((160, WIDTH), np.float32)
        bins = rng.integers(1, 256, 160).astype(np.int32)
        made.append(MotionClip(features, bins, rest + 0.1 * features[::2, :1]))
    return tuple(made)


def pairs(count: int, seed: int) -> DeformationPairs:
    rng = np.random.default_rng(seed)
    neutral = rng.standard_normal((count, FLAT), np.float32)
    emotion = rng.choice([0, 4, 6], count)
    return DeformationPairs(neutral, neutral + 0.1 * emotion[:, None].astype(np.float32), emotion)


def vae_data() -> VaeData:
    torch.manual_seed(0)
    expert = SyncExpert(SyncExpertConfig(features=WIDTH, hidden=16, embedding=8))
    return VaeData(clips(4, 1), clips(1, 2), clips(1, 3), expert)


ENCODER = SpeechEncoderConfig(
    hidden=16, layers=1, heads=2, feed_forward=16, conv=(16,) * 7,
    position_kernel=8, position_groups=2, dropout=0.1,
)  # fmt: skip
MOTION = AudioToMotionConfig(
    features=WIDTH, condition=8, hidden=8, latent=4, encoder_layers=1, decoder_layers=1,
    flow=FlowConfig(couplings=1, hidden=8, layers=1), mouth_amplitude=False, folding="scaled",
)  # fmt: skip

CASES = {
    "hubert": Case(
        HubertTrainingConfig(ENCODER, blocks=2, frames=40, pieces=(1, 2)),
        lambda: Corpus(utterances(4, 1), utterances(1, 2), utterances(1, 3)),
    ),
    "sync": Case(
        SyncTrainingConfig(SyncExpertConfig(features=WIDTH, hidden=16, embedding=8), clips=2),
        lambda: SyncData(clips(4, 1), clips(1, 2), clips(1, 3)),
    ),
    "vae": Case(VaeTrainingConfig(MOTION, batch_frames=64, windows=(32, 20)), vae_data),
    "deformation": Case(
        DeformationTrainingConfig(DeformationConfig(hidden=16, standardised=True), frames=32),
        lambda: DeformationData(pairs(64, 1), pairs(16, 2)),
    ),
}


class _Stopped(Exception):
    pass


def train(
    stage: str, out: Path, log_every_s: float = 0.0, stop_at: int | None = None
) -> dict[str, torch.Tensor]:
    def stop(fraction: float, _: str) -> None:
        if stop_at is not None and fraction >= stop_at / STEPS:
            raise _Stopped

    loop = LoopConfig(steps=STEPS, warmup_steps=2, log_every_s=log_every_s, save_every_s=0.0)
    case = CASES[stage]
    with single_thread():
        TRAINERS[stage](replace(case.config, loop=loop), case.data(), out, stop)
    return load_file(out / "network" / "weights.safetensors")


@pytest.mark.parametrize("stage", CASES)
def test_a_run_is_repeated_and_resumed_to_the_same_bits(stage: str, tmp_path: Path) -> None:
    whole = train(stage, tmp_path / "whole")
    # Scored at other times, as on a slower machine.
    again = train(stage, tmp_path / "again", log_every_s=1e9)
    with pytest.raises(_Stopped):
        train(stage, tmp_path / "stopped", stop_at=4)
    resumed = train(stage, tmp_path / "stopped")
    for name, value in whole.items():
        assert torch.equal(again[name], value), name
        assert torch.equal(resumed[name], value), name


def test_another_seed_is_another_network(tmp_path: Path) -> None:
    stage = "deformation"
    first = train(stage, tmp_path / "first")
    config = replace(CASES[stage].config, seed=1, loop=LoopConfig(steps=STEPS))
    TRAINERS[stage](config, CASES[stage].data(), tmp_path / "second")
    second = load_file(tmp_path / "second" / "network" / "weights.safetensors")
    assert any(not torch.equal(first[name], value) for name, value in second.items())
