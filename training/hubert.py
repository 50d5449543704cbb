"""The demo's speech encoder: HuBERT's architecture, trained to name the phone of every frame.

HuBERT proper learns by predicting clusters of masked frames; with synthetic speech the phones
are known, so a small network of the same architecture learns them directly, and its
`last_hidden_state` is what the audio-to-motion network reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import HubertModel

from ..contract.errors import BadOption
from ..contract.units import HUBERT_RECEPTIVE_FIELD, SAMPLES_PER_FEATURE
from ..reference.checkpoint import save_network
from ..reference.demo import demo_speech_encoder
from ..reference.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from ..runtime.audio.normalise import normalise
from .demo.speech.corpus import Corpus, Utterance
from .demo.speech.phones import PHONES, feature_labels
from .devices import on_device
from .files import save_tensors, write_json
from .hearing import LIVE, hear
from .identity import outline, run_identity
from .loop import Loop, LoopConfig, Progress
from .ranges import AT_LEAST_1, NOT_NEGATIVE, POSITIVE, SHARE
from .speech_batches import (
    AugmentationConfig,
    SpeechStream,
    draw_blocks,
    heard_in_pieces,
    heard_whole,
    stream_of,
)


@dataclass(frozen=True)
class HubertTrainingConfig:
    """Network, data and budget."""

    network: SpeechEncoderConfig = field(default_factory=demo_speech_encoder)
    blocks: Annotated[int, AT_LEAST_1] = 12
    """Blocks of speech a step."""
    frames: Annotated[int, AT_LEAST_1] = 160
    """Features (20 ms) a block."""
    pieces: Annotated[tuple[int, ...], AT_LEAST_1] = (1, 1, 2, 2, 4, 8)
    """One of these numbers of pieces is drawn each step. With 1 blocks are heard whole; with more,
    half as many blocks are heard whole and once more in pieces, with 8 of 0.4 s."""
    agreement: Annotated[float, NOT_NEGATIVE] = 1.0
    """Weight of the squared difference of a piece's features from those of the whole block, which
    are taken as given: what keeps live use close to offline use."""
    learning_rate: Annotated[float, POSITIVE] = 1.5e-3
    weight_decay: Annotated[float, NOT_NEGATIVE] = 0.01
    label_smoothing: Annotated[float, SHARE] = 0.05
    bfloat16: bool = True
    """Matrix products in bfloat16: twice as fast on a CPU that has them, slower on others."""
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(minutes=16, warmup_steps=100))
    seed: Annotated[int, NOT_NEGATIVE] = 0


class PhoneRecogniser(nn.Module):
    """A speech encoder and a linear classifier of its features."""

    def __init__(self, config: SpeechEncoderConfig) -> None:
        super().__init__()
        self.encoder = SpeechEncoder(config)
        self.classifier = nn.Linear(config.hidden, len(PHONES))

    def forward(self, samples: Tensor, bfloat16: bool = False) -> Tensor:
        """(B, N) normalised samples → (B, T, 40) logits, T = (N − 400) // 320 + 1."""
        logits: Tensor = self.classifier(self.features(samples, bfloat16))
        return logits

    def features(self, samples: Tensor, bfloat16: bool = False) -> Tensor:
        """(B, N) normalised samples → (B, T, hidden) float32."""
        hubert = self.encoder.hubert
        features = convolve(hubert, samples, bfloat16)
        with torch.autocast(samples.device.type, torch.bfloat16, enabled=bfloat16):
            projected = hubert.feature_projection(features)
            if isinstance(projected, tuple):  # transformers 4 also returns the norm's output
                projected = projected[0]
            hidden = hubert.encoder(projected).last_hidden_state
        return hidden.float()


def convolve(hubert: HubertModel, samples: Tensor, bfloat16: bool = False) -> Tensor:
    """`hubert.feature_extractor` as matrix products, channels last: (B, N) → (B, T, C).

    Equal to transformers' own forward up to rounding. Strided windows of channels-last rows are
    plain matrices, and layer norm needs no transposition: 3 to 4 times faster on a CPU.
    """
    kind = torch.bfloat16 if bfloat16 else samples.dtype
    rows = samples[:, :, None].to(kind)
    layers = zip(
        hubert.feature_extractor.conv_layers,
        hubert.config.conv_kernel,
        hubert.config.conv_stride,
        strict=True,
    )
    for layer, kernel, stride in layers:
        count = (rows.shape[1] - kernel) // stride + 1
        weight, bias, norm = layer.conv.weight, layer.conv.bias, layer.layer_norm
        windows = _windows(rows, count, kernel, stride)
        flat = weight.permute(0, 2, 1).reshape(weight.shape[0], -1)
        rows = F.linear(windows, flat.to(kind), bias.to(kind))
        rows = F.layer_norm(
            rows, norm.normalized_shape, norm.weight.to(kind), norm.bias.to(kind), norm.eps
        )
        rows = F.gelu(rows)
    return rows.to(samples.dtype)


def _windows(rows: Tensor, count: int, kernel: int, stride: int) -> Tensor:
    """(B, N, C) → (B, count, kernel · C): rows `stride · t` to `stride · t + kernel`.

    Built from reshapes and strided slices: their gradients are copies, `unfold`'s a scatter.
    """
    batch, _, channels = rows.shape
    parts = []
    for first in range(0, kernel, stride):
        width = min(stride, kernel - first)
        if width == stride and first + count * stride <= rows.shape[1]:
            part = rows[:, first : first + count * stride]
            parts.append(part.reshape(batch, count, stride * channels))
        else:
            ends = first + (count - 1) * stride + 1
            parts += [rows[:, first + k : ends + k : stride] for k in range(width)]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)


def train_hubert(
    config: HubertTrainingConfig, data: Corpus, out: Path, progress: Progress | None = None
) -> dict[str, Any]:
    """Train until the budget is spent; write the encoder, its classifier and a report.

    `out` receives `network/` (`SpeechEncoder`, see `reference.checkpoint`),
    `classifier.safetensors`, `curve.csv`, `scores.csv`, `report.json` and the resumable
    `state.safetensors`. A second call goes on where the first one stopped. Returns the report:
    accuracies of frames on held-out sentences, with 20 dB noise, in 0.5 s pieces, and on held-out
    voices, also as a live session hears them; keys ending in `_speech` count only frames that are
    not silence; `feature_drift` is the RMS of the live features' error in units of their deviation.

    Raises:
        BadInput: there is no speech.
        BadOption: blocks cannot be cut into the pieces asked for.
    """
    out = Path(out)
    stream = stream_of(data.training)
    if odd := [number for number in config.pieces if config.frames % number]:
        raise BadOption("pieces", expected=f"divisors of {config.frames} frames", found=f"{odd[0]}")
    torch.manual_seed(config.seed)
    model = PhoneRecogniser(config.network)
    optimiser = torch.optim.AdamW(
        model.parameters(), config.learning_rate, (0.9, 0.98), weight_decay=config.weight_decay
    )
    identity = run_identity(config, training=outline([stream.samples, stream.labels]))
    loop = Loop(
        config.loop, model, optimiser, out, seed=config.seed, identity=identity, progress=progress
    )
    for _ in loop:
        loss = _loss(model, stream, config, loop.rng)
        loop.update(loss)
        if loop.log_due:
            accuracy = evaluate_phones(model, data.held_out[:8])["frames"]
            loop.log(loss=loss.item())
            loop.score(phone_accuracy=accuracy)
    report = {
        "parameters": sum(p.numel() for p in model.encoder.parameters()),
        **loop.spent,
        "audio_minutes": round(sum(one.seconds for one in data.training) / 60, 1),
        **phone_report(model, data),
    }
    save_network(out / "network", model.encoder, half=True)
    classifier = dict(model.classifier.state_dict())
    save_tensors(out / "classifier.safetensors", classifier, {"phones": " ".join(PHONES)})
    write_json(out / "report.json", report)
    return report


def _loss(
    model: PhoneRecogniser,
    stream: SpeechStream,
    config: HubertTrainingConfig,
    rng: np.random.Generator,
) -> Tensor:
    pieces = int(rng.choice(config.pieces))
    blocks = config.blocks if pieces == 1 else max(1, config.blocks // 2)
    samples, labels = draw_blocks(stream, blocks, config.frames, config.augmentation, rng)
    spread = rng.standard_normal((blocks, 1), np.float32)
    level = np.exp(np.float32(config.augmentation.level) * spread)
    names = on_device(labels).flatten()

    def named(features: Tensor) -> Tensor:
        logits = model.classifier(features).flatten(0, 1)
        return F.cross_entropy(logits, names, label_smoothing=config.label_smoothing)

    whole = model.features(on_device(level * heard_whole(samples)), config.bfloat16)
    if pieces == 1:
        return named(whole)
    cut = level.repeat(pieces, 0) * heard_in_pieces(samples, pieces)
    apart = model.features(on_device(cut), config.bfloat16).reshape(whole.shape)
    agreement = (apart - whole.detach()).square().mean()
    return 0.5 * (named(whole) + named(apart)) + config.agreement * agreement


def phone_report(model: PhoneRecogniser, data: Corpus) -> dict[str, float]:
    """Accuracies on the corpus' held-out sets; see `train_hubert`."""
    sets: dict[str, tuple[Sequence[Utterance], float | None, int | None]] = {
        "held_out": (data.held_out, None, None),
        "held_out_noise_20db": (data.held_out, 20.0, None),
        "held_out_half_second": (data.held_out, None, 25),
        "held_out_voice": (data.held_out_voice, None, None),
        "held_out_voice_noise_20db": (data.held_out_voice, 20.0, None),
    }
    report = {}
    for name, (utterances, noise_db, piece) in sets.items():
        found = evaluate_phones(model, utterances, noise_db=noise_db, piece_frames=piece)
        report[name] = round(found["frames"], 4)
        report[f"{name}_speech"] = round(found["speech_frames"], 4)
    return report | _live_report(model, data.held_out_voice)


@torch.no_grad()
def _live_report(model: PhoneRecogniser, utterances: Sequence[Utterance]) -> dict[str, float]:
    """Accuracy of frames and drift of features as a live session hears the utterances."""
    model.eval()
    right = total = 0
    moved = spread = 0.0
    for utterance in utterances:
        count = len(utterance.samples) // SAMPLES_PER_FEATURE
        live = hear(model.encoder, utterance.samples, count, LIVE)
        offline = hear(model.encoder, utterance.samples, count)
        named = model.classifier(on_device(live)).argmax(-1).cpu().numpy()
        right += int((named == feature_labels(utterance.segments, count)).sum())
        total += count
        moved += float(np.square(live - offline).sum())
        spread += float(np.square(offline - offline.mean(0)).sum())
    model.train()
    return {
        "held_out_voice_live": round(right / max(total, 1), 4),
        "feature_drift": round((moved / max(spread, 1e-12)) ** 0.5, 4),
    }


@torch.no_grad()
def evaluate_phones(
    model: PhoneRecogniser,
    utterances: Sequence[Utterance],
    *,
    noise_db: float | None = None,
    piece_frames: int | None = None,
) -> dict[str, float]:
    """Share of frames whose phone is named right, over all frames and over speech only.

    Args:
        noise_db: adds white noise at this signal-to-noise ratio.
        piece_frames: cuts the normalised utterance into pieces of this many features that know
            nothing of each other, the harshest form of live use.
    """
    rng = np.random.default_rng(0)
    model.eval()
    right = total = speech_right = speech_total = 0
    for utterance in utterances:
        samples = utterance.samples
        if noise_db is not None:
            noise = rng.standard_normal(len(samples), np.float32)
            gain = float(np.sqrt(np.square(samples).mean())) * 10.0 ** (-noise_db / 20.0)
            samples = samples + np.float32(gain) * noise
        batch = on_device(normalise(samples))[None]
        if piece_frames is not None:
            step = piece_frames * SAMPLES_PER_FEATURE
            overlap = HUBERT_RECEPTIVE_FIELD - SAMPLES_PER_FEATURE
            batch = batch[0].unfold(0, step + overlap, step)
        found = model(batch).argmax(-1).flatten().cpu().numpy()
        labels = feature_labels(utterance.segments, len(found))
        hits = found == labels
        right, total = right + int(hits.sum()), total + len(hits)
        speech_right += int(hits[labels > 0].sum())
        speech_total += int((labels > 0).sum())
    model.train()
    return {"frames": right / max(total, 1), "speech_frames": speech_right / max(speech_total, 1)}


@torch.no_grad()
def hubert_features(encoder: SpeechEncoder, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """(T, hidden) float32 at 50 Hz of one utterance at 16 kHz, normalised here."""
    features: Tensor = encoder(on_device(normalise(samples))[None])
    return features[0].cpu().numpy()
