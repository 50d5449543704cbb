"""Training the lip-sync expert: which sound goes with which lips (L_Sync of paper Eq. 1).

Contrastive (InfoNCE) in two ways at once: the lips of a window must pick its sound among those of
the same clip up to 15 frames away, the hard negatives, and among those of other clips; and sound
must pick its lips. Lips are shown in every emotion, noisy, stretched and sheared and articulated
more or less, because the expert also judges landmarks that were measured in pictures of others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..contract.units import FEATURES_PER_FRAME
from ..reference.checkpoint import save_network
from ..reference.sync_expert import (
    REACH,
    WINDOW,
    SyncExpert,
    SyncExpertConfig,
    mouth_points,
    offset_and_confidence,
)
from .demo.speech.phones import feature_labels
from .devices import on_device
from .files import write_json
from .identity import outline, run_identity
from .loop import Loop, LoopConfig, Progress
from .ranges import AT_LEAST_1, NOT_NEGATIVE, POSITIVE, Range
from .vae_data import MotionClip, long_enough


@dataclass(frozen=True)
class SyncTrainingConfig:
    """Network, noise and budget."""

    network: SyncExpertConfig = field(default_factory=SyncExpertConfig)
    clips: Annotated[int, AT_LEAST_1] = 24
    """Clips a step."""
    frames: Annotated[int, Range(WINDOW + REACH)] = 48
    """Frames a clip; more than 19, or no offset of 15 frames can be told."""
    learning_rate: Annotated[float, POSITIVE] = 2e-3
    weight_decay: Annotated[float, NOT_NEGATIVE] = 1e-2
    jitter: Annotated[float, NOT_NEGATIVE] = 0.004
    """Standard deviation of noise on the landmarks, head units (0.4 mm); as much again is drawn
    for a whole clip, as a face tracker errs the same way for a while."""
    affine: Annotated[float, NOT_NEGATIVE] = 0.1
    """Standard deviation of the entries of a clip's random affine map, less the identity."""
    articulation: Annotated[float, NOT_NEGATIVE] = 0.25
    """Standard deviation of the logarithm of a factor on all motion of a clip."""
    feature_noise: Annotated[float, NOT_NEGATIVE] = 0.1
    """Standard deviation of noise on the speech features; they vary with about 1."""
    largest_scale: Annotated[float, POSITIVE] = 50.0
    """Limit of the learned factor on similarities before the softmax (1 / temperature)."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(minutes=2, warmup_steps=50))
    seed: Annotated[int, NOT_NEGATIVE] = 0


@dataclass(frozen=True)
class SyncData:
    """Clips to learn from, and two held-out sets: known voices and unheard ones."""

    training: tuple[MotionClip, ...]
    held_out: tuple[MotionClip, ...]
    held_out_voice: tuple[MotionClip, ...]


class _Contrast(nn.Module):
    """The expert and the one more number that training needs."""

    def __init__(self, config: SyncExpertConfig) -> None:
        super().__init__()
        self.expert = SyncExpert(config)
        self.log_scale = nn.Parameter(torch.tensor(2.3))


def train_sync(
    config: SyncTrainingConfig, data: SyncData, out: Path, progress: Progress | None = None
) -> dict[str, Any]:
    """Train until the budget is spent; write the expert, its curve and a report.

    `out` receives `network/` (`SyncExpert`), `curve.csv`, `scores.csv`, `report.json` and the
    resumable `state.safetensors`. Returns the report: see `evaluate_sync` for its numbers.

    Raises:
        BadInput: no clip is long enough, or no face moves.
    """
    out = Path(out)
    usable = long_enough(data.training, config.frames, "lip-sync training")
    torch.manual_seed(config.seed)
    model = _Contrast(config.network)
    optimiser = torch.optim.AdamW(
        model.parameters(), config.learning_rate, (0.9, 0.98), weight_decay=config.weight_decay
    )
    learnt = outline(clip.landmarks for clip in usable)
    identity = run_identity(config, training=learnt)
    loop = Loop(
        config.loop, model, optimiser, out, seed=config.seed, identity=identity, progress=progress
    )
    model.train()
    for _ in loop:
        features, bins, mouth = _draw(usable, config, loop.rng)
        scale = model.log_scale.exp().clamp(max=config.largest_scale)
        loss = contrast(model.expert.hear(features, bins), model.expert.see(mouth), scale)
        loop.update(loss)
        if loop.log_due:
            loop.log(loss=loss.item(), scale=scale.item())
            loop.score(**evaluate_sync(model.expert, data.held_out[:12], config.jitter))
    report: dict[str, Any] = {
        "parameters": sum(p.numel() for p in model.expert.parameters()),
        **loop.spent,
        "landmark_noise": config.jitter,
        "held_out": evaluate_sync(model.expert, data.held_out, config.jitter),
        "held_out_voice": evaluate_sync(model.expert, data.held_out_voice, config.jitter),
    }
    save_network(out / "network", model.expert, half=True)
    write_json(out / "report.json", report)
    return report


def contrast(sound: Tensor, lips: Tensor, scale: Tensor) -> Tensor:
    """InfoNCE over time offsets and over clips, both ways, a scalar.

    Args:
        sound, lips: (B, W, embedding) unit vectors; equal indices belong together.
        scale: factor on the similarities.
    """
    windows = sound.shape[1]
    over_time = scale * lips @ sound.transpose(1, 2)
    place = torch.arange(windows)
    too_far = (place[:, None] - place).abs() > REACH
    over_time = over_time.masked_fill(too_far, float("-inf"))
    over_clips = scale * lips.transpose(0, 1) @ sound.permute(1, 2, 0)
    loss = lips.new_zeros(())
    for logits in (over_time, over_clips):
        for way in (logits, logits.transpose(1, 2)):
            # The diagonal is what belongs together.
            loss = loss - F.log_softmax(way, 2).diagonal(dim1=1, dim2=2).mean()
    return loss / 4


@torch.no_grad()
def evaluate_sync(
    expert: SyncExpert, clips: Sequence[MotionClip], noise: float = 0.0, frames: int = 75
) -> dict[str, float]:
    """How well the expert finds a shift it does not know.

    Args:
        noise: standard deviation of noise on the landmarks, head units.
        frames: length of the pieces that are judged.

    Returns:
        exact, within_one: share of pieces whose shift of -10 … 10 frames is found, and found
            within a frame.
        auc: of single windows, that one in sync gets a higher similarity than one of the same
            clip at least 3 frames away; windows that are silent throughout are left out where the
            phones are known.
        confidence: mean confidence, see `offset_and_confidence`.
    """
    rng = np.random.default_rng(0)
    expert.eval()
    errors, confidences, true_scores, false_scores = [], [], [], []
    for clip in clips:
        noisy = clip.landmarks + noise * rng.standard_normal(clip.landmarks.shape, np.float32)
        lips = expert.see(mouth_points(on_device(noisy))[None])[0]
        features, bins = on_device(clip.features), on_device(clip.pitch_bins)
        sound = expert.hear(features[None], bins[None])[0]
        similarity = (lips @ sound.T).cpu().numpy()
        spoken = np.flatnonzero(_spoken(clip)[: len(similarity)])
        away = spoken + rng.choice([-1, 1], len(spoken)) * rng.integers(3, REACH + 1, len(spoken))
        inside = (away >= 0) & (away < len(similarity))
        true_scores.append(similarity[spoken, spoken])
        false_scores.append(similarity[spoken[inside], away[inside]])
        windows = frames - WINDOW + 1
        for first in range(10, len(sound) - windows - 10 + 1, frames):
            shift = int(rng.integers(-10, 11))
            found = offset_and_confidence(
                sound[first : first + windows], lips[first - shift : first - shift + windows]
            )
            errors.append(found.frames - shift)
            confidences.append(found.confidence)
    expert.train()
    missed = np.abs(np.array(errors if errors else [np.nan]))
    return {
        "exact": float((missed == 0).mean()),
        "within_one": float((missed <= 1).mean()),
        "auc": _auc(np.concatenate(true_scores), np.concatenate(false_scores)),
        "confidence": float(np.mean(confidences)) if confidences else 0.0,
    }


def _spoken(clip: MotionClip) -> np.ndarray:
    """(F,) whether anything is said in the window that begins at each frame."""
    frames = len(clip.landmarks)
    if not clip.segments:
        return np.ones(frames, bool)
    phones = feature_labels(clip.segments, frames * FEATURES_PER_FRAME)
    heard = (phones > 0).reshape(-1, FEATURES_PER_FRAME).any(1)
    return np.convolve(heard, np.ones(WINDOW))[WINDOW - 1 :][:frames] > 0


def _auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Probability that a positive exceeds a negative; ties count half."""
    if len(positive) == 0 or len(negative) == 0:
        return float("nan")
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, "left")
    up_to = np.searchsorted(ordered, positive, "right")
    return float((below + up_to).mean() / 2 / len(negative))


def _draw(
    clips: Sequence[MotionClip], config: SyncTrainingConfig, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    features, bins, mouths = [], [], []
    for _ in range(config.clips):
        clip = clips[rng.integers(len(clips))]
        first = int(rng.integers(len(clip.landmarks) - config.frames + 1))
        last = first + config.frames
        heard = slice(FEATURES_PER_FRAME * first, FEATURES_PER_FRAME * last)
        features.append(clip.features[heard])
        bins.append(clip.pitch_bins[heard])
        mouths.append(clip.landmarks[first:last])
    heard_features = on_device(np.stack(features))
    heard_features = heard_features + config.feature_noise * torch.randn_like(heard_features)
    mouth = as_measured(mouth_points(on_device(np.stack(mouths))), config)
    return heard_features, on_device(np.stack(bins)), mouth


def as_measured(mouth: Tensor, config: SyncTrainingConfig) -> Tensor:
    """Mouths (B, F, 20, 2) as a tracker finds them in pictures of others' faces."""
    clips, _, points, _ = mouth.shape
    middle = mouth.median(dim=1, keepdim=True).values
    strength = (config.articulation * torch.randn(clips, 1, 1, 1)).exp()
    moved = middle + strength * (mouth - middle)
    moved = moved + config.jitter * torch.randn(clips, 1, points, 2)
    moved = moved + config.jitter * torch.rand(clips, 1, 1, 1) * 2 * torch.randn_like(mouth)
    affine = torch.eye(2) + config.affine * torch.randn(clips, 1, 2, 2)
    return moved @ affine
