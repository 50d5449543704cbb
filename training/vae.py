"""Training the audio-to-motion VAE (paper Eq. 1): reconstruction and KL, and what keeps it honest.

Eq. 1 alone lets the latents carry what the audio should (the decoder copies the posterior and
mumbles when it is gone) or collapses them. Two additions: free bits, so that the KL stops pulling
a channel below a small rate; and a prior path, which decodes from flow(noise · temperature) as
inference does and must match the motion too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..contract.landmarks import (
    FLAT,
    LANDMARKS,
    LOWER_LIP_CENTRE,
    MOUTH,
    UPPER_LIP_CENTRE,
)
from ..contract.units import FEATURES_PER_FRAME, FRAMES_PER_LATENT
from ..reference.audio_to_motion import (
    AudioToMotion,
    AudioToMotionConfig,
    AudioToMotionInference,
    Posterior,
)
from ..reference.checkpoint import save_network
from ..reference.demo import demo_audio_to_motion
from ..reference.sync_expert import SyncExpert
from .loop import Loop, LoopConfig, Progress
from .vae_data import MotionClip


@dataclass(frozen=True)
class VaeTrainingConfig:
    """Network, losses and budget."""

    network: AudioToMotionConfig = field(default_factory=demo_audio_to_motion)
    clips: int = 24
    """Clips a step."""
    frames: int = 64
    """Frames a clip, a multiple of 4."""
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    feature_noise: float = 0.1
    """Standard deviation of noise on the speech features; they vary with about 1."""
    mouth_weight: float = 6.0
    """Weight of the mouth's landmarks in every squared error; the others have 1."""
    velocity_weight: float = 0.5
    """Weight of the squared error of frame-to-frame differences."""
    prior_weight: float = 1.0
    """Weight of the path that decodes from the prior."""
    prior_temperature: float = 0.5
    """The prior path's noise is drawn with a deviation between 0 and this."""
    kl_weight: float = 0.02
    """β of the KL term after its warm-up, on standardised motion."""
    kl_warmup: float = 0.3
    """Share of the budget over which β rises from 0."""
    free_nats: float = 0.1
    """KL a latent channel may have for nothing, nats a latent step."""
    bfloat16: bool = True
    """Convolutions in bfloat16: faster on a CPU that has them, slower on others."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(minutes=4, warmup_steps=50))
    seed: int = 0


@dataclass(frozen=True)
class VaeData:
    """Clips to learn from, and two held-out sets: known voices and unheard ones."""

    training: tuple[MotionClip, ...]
    held_out: tuple[MotionClip, ...]
    held_out_voice: tuple[MotionClip, ...]
    expert: SyncExpert | None = None
    """Judge of lip sync, not trained here; None leaves L_Sync out."""


def train_vae(
    config: VaeTrainingConfig, data: VaeData, out: Path, progress: Progress | None = None
) -> dict[str, Any]:
    """Train until the budget is spent; write the network, its curve and a report.

    `out` receives `network/` (`AudioToMotion`), `curve.csv`, `scores.csv`, `report.json` and the
    resumable `state.safetensors`. Returns the report: see `evaluate_vae` for its numbers.
    """
    out = Path(out)
    torch.manual_seed(config.seed)
    model = AudioToMotion(config.network)
    standardise_on(model, data.training)
    optimiser = torch.optim.AdamW(
        model.parameters(), config.learning_rate, (0.9, 0.98), weight_decay=config.weight_decay
    )
    identity = {key: value for key, value in asdict(config).items() if key != "loop"}
    loop = Loop(
        config.loop, model, optimiser, out, seed=config.seed, identity=identity, progress=progress
    )
    usable = [clip for clip in data.training if len(clip.landmarks) >= config.frames]
    weights = landmark_weights(config.mouth_weight)
    model.train()
    for _ in loop:
        features, bins, motion = _draw(usable, config, model, loop.rng)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
            losses = vae_losses(model, features, bins, motion, weights, config, loop.fraction)
        loop.update(losses["loss"])
        if loop.log_due:
            found = evaluate_vae(model, data.held_out[:8])
            model.train()
            loop.log(**{name: value.item() for name, value in losses.items()})
            loop.score(**found)
    report: dict[str, Any] = {
        "parameters": sum(p.numel() for p in model.parameters()),
        **loop.spent,
        "frames": sum(len(clip.landmarks) for clip in data.training),
    }
    for name, clips in (("held_out", data.held_out), ("held_out_voice", data.held_out_voice)):
        for temperature in (0.0, 0.2):
            report[f"{name}_t{temperature}"] = evaluate_vae(model, clips, temperature)
    save_network(out / "network", model, half=True)
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    return report


def vae_losses(
    model: AudioToMotion,
    features: Tensor,
    bins: Tensor,
    motion: Tensor,
    weights: Tensor,
    config: VaeTrainingConfig,
    fraction: float,
) -> dict[str, Tensor]:
    """Eq. 1 and its additions on one batch; `loss` is what is minimised, the rest its parts.

    Args:
        features: (B, 2 F, D).
        bins: (B, 2 F) int32.
        motion: (B, F, 204) standardised.
        weights: (204,) mean 1.
        fraction: share of the budget spent, 0…1: β's warm-up follows it.
    """
    condition = model.condition(features, bins)
    posterior = Posterior(*(part.float() for part in model.encode(motion, condition)))
    z = posterior.sample(torch.randn_like(posterior.mean))
    kl = model.kl(posterior, z, condition).mean(dim=(0, 2))
    temperature = config.prior_temperature * torch.rand(len(motion), 1, 1)
    prior = model.prior(temperature * torch.randn_like(z), condition)
    # Both paths in one batch: one pass through the decoder.
    both = model.decode(torch.cat((z, prior)), condition.repeat(2, 1, 1))
    rebuilt, guessed = both.float().chunk(2)
    parts = {
        "rebuilt": _error(rebuilt, motion, weights, config.velocity_weight),
        "guessed": _error(guessed, motion, weights, config.velocity_weight),
        "kl": kl.sum(),
    }
    beta = config.kl_weight * min(1.0, fraction / max(config.kl_warmup, 1e-9))
    charged = (kl - config.free_nats).clamp(min=0.0).sum()
    loss = parts["rebuilt"] + config.prior_weight * parts["guessed"] + beta * charged
    return {"loss": loss, **parts}


@torch.no_grad()
def evaluate_vae(
    model: AudioToMotion, clips: Sequence[MotionClip], temperature: float = 0.0, seed: int = 0
) -> dict[str, float]:
    """How well the face speaks from audio alone, with noise of deviation `temperature`.

    Returns:
        mouth_error_ratio: squared error of the mouth's landmarks over that of the mean face.
        opening_correlation: Pearson's r of the inner lips' distance, mean over clips.
        opening_gain: its regression slope, 1 when the mouth opens as far as it should.
        landmark_rms: error of all landmarks, head units.
    """
    model.eval()
    deployed = AudioToMotionInference(model)
    generator = torch.Generator().manual_seed(seed)
    mean = model.folding(torch.zeros(FLAT)).reshape(LANDMARKS, 3).numpy()
    error = baseline = everywhere = 0.0
    correlations, gains = [], []
    for clip in clips:
        latents = (1, model.config.latent, len(clip.landmarks) // FRAMES_PER_LATENT)
        noise = temperature * torch.randn(latents, generator=generator)
        features, bins = torch.from_numpy(clip.features), torch.from_numpy(clip.pitch_bins)
        found = deployed(features[None], bins[None], noise)[0].numpy()
        found, true = (x.reshape(-1, LANDMARKS, 3) for x in (found, clip.landmarks))
        error += float(np.square(found[:, MOUTH] - true[:, MOUTH]).sum())
        baseline += float(np.square(mean[MOUTH] - true[:, MOUTH]).sum())
        everywhere += float(np.square(found - true).sum())
        opened, should = mouth_opening(found), mouth_opening(true)
        if should.std() > 1e-4:
            covariance = float(np.mean((opened - opened.mean()) * (should - should.mean())))
            correlations.append(covariance / (opened.std() * should.std() + 1e-9))
            gains.append(covariance / should.var())
    numbers = sum(clip.landmarks.size for clip in clips)
    return {
        "mouth_error_ratio": error / max(baseline, 1e-12),
        "opening_correlation": float(np.mean(correlations)),
        "opening_gain": float(np.mean(gains)),
        "landmark_rms": (everywhere / max(numbers, 1)) ** 0.5,
    }


def mouth_opening(landmarks: np.ndarray) -> np.ndarray:
    """(F, 68, 3) → (F,): height between the middles of the inner lips, head units."""
    opening: np.ndarray = landmarks[:, UPPER_LIP_CENTRE, 1] - landmarks[:, LOWER_LIP_CENTRE, 1]
    return opening


def landmark_weights(mouth: float) -> Tensor:
    """(204,) float32 of mean 1; the mouth's landmarks weigh `mouth` times the others."""
    weights = torch.ones(LANDMARKS, 3)
    weights[MOUTH] = mouth
    return (weights / weights.mean()).flatten()


def standardise_on(model: AudioToMotion, clips: Sequence[MotionClip]) -> None:
    """Set the folding's mean, and one scale for all coordinates: the mouth's deviation.

    One scale keeps the noise of a nose that never moves from being blown up to unit size.
    """
    if model.config.folding != "scaled":
        return
    landmarks = np.concatenate([clip.landmarks for clip in clips])
    mouth = landmarks.std(0).reshape(LANDMARKS, 3)[MOUTH]
    model.folding.mean.copy_(torch.from_numpy(landmarks.mean(0)))
    model.folding.scale.fill_(float(np.sqrt(np.square(mouth).mean())))


def _draw(
    clips: Sequence[MotionClip],
    config: VaeTrainingConfig,
    model: AudioToMotion,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    features, bins, landmarks = [], [], []
    for _ in range(config.clips):
        clip = clips[rng.integers(len(clips))]
        first = int(rng.integers(len(clip.landmarks) - config.frames + 1))
        last = first + config.frames
        heard = slice(FEATURES_PER_FRAME * first, FEATURES_PER_FRAME * last)
        features.append(clip.features[heard])
        bins.append(clip.pitch_bins[heard])
        landmarks.append(clip.landmarks[first:last])
    heard_features = torch.from_numpy(np.stack(features))
    heard_features = heard_features + config.feature_noise * torch.randn_like(heard_features)
    motion = model.folding.standardise(torch.from_numpy(np.stack(landmarks)))
    return heard_features, torch.from_numpy(np.stack(bins)), motion


def _error(found: Tensor, true: Tensor, weights: Tensor, velocity: float) -> Tensor:
    """Weighted squared error of (B, F, 204) positions and, times `velocity`, of differences."""
    position = (weights * (found - true).square()).mean()
    speed = (weights * (found.diff(dim=1) - true.diff(dim=1)).square()).mean()
    return position + velocity * speed
