"""Training the audio-to-motion VAE (paper Eq. 1): reconstruction + KL + sync.

A Monte-Carlo estimate of the evidence lower bound under the flow prior, and L_Sync from a frozen
lip-sync expert; see `vae_losses` for the terms and for what is added to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from ..contract.landmarks import LANDMARKS, MOUTH
from ..contract.units import FEATURES_PER_FRAME
from ..reference.audio_to_motion import AudioToMotion, AudioToMotionConfig
from ..reference.checkpoint import save_network
from ..reference.demo import demo_audio_to_motion
from ..reference.sync_expert import SyncExpert
from .devices import on_device
from .files import write_json
from .identity import outline, run_identity
from .lips import closing_frames
from .loop import Loop, LoopConfig, Progress
from .ranges import AT_LEAST_1, NOT_NEGATIVE, POSITIVE, Range
from .vae_data import MotionClip, long_enough
from .vae_losses import VaeBatch, VaeLossWeights, vae_losses
from .vae_report import drift, evaluate_vae, latent_use


@dataclass(frozen=True)
class VaeTrainingConfig:
    """Network, losses and budget."""

    network: AudioToMotionConfig = field(default_factory=demo_audio_to_motion)
    batch_frames: Annotated[int, AT_LEAST_1] = 1536
    """Frames a step, over all its windows."""
    windows: Annotated[tuple[int, ...], Range(8)] = (64, 64, 64, 32, 20)
    """One of these lengths is drawn each step, frames, multiples of 4: a live session decodes
    windows as short as the last."""
    learning_rate: Annotated[float, POSITIVE] = 2e-3
    weight_decay: Annotated[float, NOT_NEGATIVE] = 1e-3
    feature_noise: Annotated[float, NOT_NEGATIVE] = 0.1
    """Standard deviation of noise on the speech features; they vary with about 1."""
    weights: VaeLossWeights = field(default_factory=VaeLossWeights)
    bfloat16: bool = True
    """Convolutions in bfloat16: faster on a CPU that has them, slower on others."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(minutes=8, warmup_steps=50))
    seed: Annotated[int, NOT_NEGATIVE] = 0


@dataclass(frozen=True)
class VaeData:
    """Clips to learn from, held-out ones, and the judge of lip sync."""

    training: tuple[MotionClip, ...]
    held_out: tuple[MotionClip, ...]
    """Known voices."""
    held_out_voice: tuple[MotionClip, ...]
    """Unheard voices."""
    expert: SyncExpert | None = None
    """Not trained here; None leaves L_Sync out."""
    held_out_live: tuple[MotionClip, ...] = ()
    """Those of `held_out_voice` as a live session hears them, in the same order; or none."""


def train_vae(
    config: VaeTrainingConfig, data: VaeData, out: Path, progress: Progress | None = None
) -> dict[str, Any]:
    """Train until the budget is spent; write the network, its curve and a report.

    `out` receives `network/` (`AudioToMotion`), `curve.csv`, `scores.csv`, `report.json` and the
    resumable `state.safetensors`. Returns the report: numbers of `evaluate_vae`, `latent_use` and
    `drift`.

    Raises:
        BadInput: no clip is long enough, or no face moves.
    """
    out = Path(out)
    usable = long_enough(data.training, max(config.windows), "audio-to-motion training")
    torch.manual_seed(config.seed)
    model = AudioToMotion(config.network)
    standardise_on(model, usable)
    expert = data.expert
    if expert is not None:
        expert = expert.to(torch.get_default_device()).eval().requires_grad_(False)
    optimiser = torch.optim.AdamW(
        model.parameters(), config.learning_rate, (0.9, 0.98), weight_decay=config.weight_decay
    )
    learnt = outline(clip.landmarks for clip in usable)
    identity = run_identity(config, training=learnt, expert=expert is not None)
    loop = Loop(
        config.loop, model, optimiser, out, seed=config.seed, identity=identity, progress=progress
    )
    kind = torch.get_default_device().type
    model.train()
    for _ in loop:
        batch = _draw(usable, config, model, loop.rng)
        with torch.autocast(kind, torch.bfloat16, enabled=config.bfloat16):
            losses = vae_losses(model, batch, config.weights, loop.fraction, expert)
        loop.update(losses["loss"])
        if loop.log_due:
            loop.log(**{name: value.item() for name, value in losses.items()})
            loop.score(**evaluate_vae(model, data.held_out[:8], expert=expert))
            model.train()
    report: dict[str, Any] = {
        "parameters": sum(p.numel() for p in model.parameters()),
        **loop.spent,
        "frames": sum(len(clip.landmarks) for clip in data.training),
        "latents": latent_use(model, data.held_out),
    }
    for name, clips in (("held_out", data.held_out), ("held_out_voice", data.held_out_voice)):
        for temperature in (0.0, 0.2):
            found = evaluate_vae(model, clips, temperature, expert=expert)
            report[f"{name}_t{temperature}"] = found
    if data.held_out_live:
        report["drift"] = drift(model, data.held_out_voice, data.held_out_live)
    save_network(out / "network", model, half=True)
    write_json(out / "report.json", report)
    return report


def standardise_on(model: AudioToMotion, clips: Sequence[MotionClip]) -> None:
    """Set the folding's mean, and one scale for all coordinates: the mouth's deviation.

    One scale keeps the noise of a nose that never moves from being blown up to unit size.
    """
    if model.config.folding != "scaled":
        return
    landmarks = np.concatenate([clip.landmarks for clip in clips])
    mouth = landmarks.std(0).reshape(LANDMARKS, 3)[MOUTH]
    model.folding.mean.copy_(on_device(landmarks.mean(0)))
    model.folding.scale.fill_(float(np.sqrt(np.square(mouth).mean())))


def _draw(
    clips: Sequence[MotionClip],
    config: VaeTrainingConfig,
    model: AudioToMotion,
    rng: np.random.Generator,
) -> VaeBatch:
    frames = int(rng.choice(config.windows))
    features, bins, landmarks, closing = [], [], [], []
    for _ in range(max(1, config.batch_frames // frames)):
        clip = clips[rng.integers(len(clips))]
        first = int(rng.integers(len(clip.landmarks) - frames + 1))
        last = first + frames
        heard = slice(FEATURES_PER_FRAME * first, FEATURES_PER_FRAME * last)
        features.append(clip.features[heard])
        bins.append(clip.pitch_bins[heard])
        landmarks.append(clip.landmarks[first:last])
        closing.append(closing_frames(clip.segments, len(clip.landmarks))[first:last])
    recorded = on_device(np.stack(features))
    noise: Tensor = config.feature_noise * torch.randn_like(recorded)
    motion = model.folding.standardise(on_device(np.stack(landmarks)))
    return VaeBatch(
        features=recorded,
        heard=recorded + noise,
        pitch_bins=on_device(np.stack(bins)),
        motion=motion,
        closing=on_device(np.stack(closing)),
    )
