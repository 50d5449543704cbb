"""The terms of the audio-to-motion VAE's loss (paper Eq. 1) and what is added to them.

Eq. 1 alone lets the latents carry what the audio should (the decoder copies the posterior and
mumbles when it is gone) or collapses them. Additions: free bits, so that the KL stops pulling a
channel below a small rate; a prior path, which decodes from flow(noise · temperature) as inference
does and must match the motion too; and a term for lips that stay open where they must close.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from ..contract.landmarks import LANDMARKS, MOUTH
from ..reference.audio_to_motion import AudioToMotion, Posterior
from ..reference.sync_expert import SyncExpert, mouth_points, sync_loss
from .ranges import NOT_NEGATIVE, SHARE

UPPER_INNER, LOWER_INNER = (61, 62, 63), (67, 66, 65)
"""Inner-lip points that stand above one another."""


@dataclass(frozen=True)
class VaeLossWeights:
    """Weights of the loss' terms; motion is standardised, so errors are of the order of 1."""

    mouth: Annotated[float, NOT_NEGATIVE] = 6.0
    """Weight of the mouth's landmarks in every squared error; the others have 1."""
    velocity: Annotated[float, NOT_NEGATIVE] = 0.5
    """Weight of the squared error of frame-to-frame differences."""
    prior: Annotated[float, NOT_NEGATIVE] = 1.0
    """Weight of the path that decodes from the prior."""
    prior_temperature: Annotated[float, NOT_NEGATIVE] = 0.5
    """The prior path's noise is drawn with a deviation between 0 and this."""
    closure: Annotated[float, NOT_NEGATIVE] = 1.0
    """Weight of the squared excess of the lips' opening over the true one on p, b and m."""
    kl: Annotated[float, NOT_NEGATIVE] = 0.02
    """β of the KL term after its warm-up."""
    free_nats: Annotated[float, NOT_NEGATIVE] = 0.1
    """KL a latent channel may have for nothing, nats a latent step."""
    sync: Annotated[float, NOT_NEGATIVE] = 0.1
    """Weight of L_Sync after its warm-up, where there is an expert."""
    warmup: Annotated[float, SHARE] = 0.3
    """Share of the budget over which the weights of KL and L_Sync rise from 0."""


@dataclass(frozen=True)
class VaeBatch:
    """B clips of F frames.

    Attributes:
        features: (B, 2 F, D) as recorded; `heard` is the same with noise, for the VAE.
        pitch_bins: (B, 2 F) int32.
        motion: (B, F, 204) standardised.
        closing: (B, F) bool, whether p, b or m is spoken.
    """

    features: Tensor
    heard: Tensor
    pitch_bins: Tensor
    motion: Tensor
    closing: Tensor


def vae_losses(
    model: AudioToMotion,
    batch: VaeBatch,
    weights: VaeLossWeights,
    fraction: float,
    expert: SyncExpert | None = None,
) -> dict[str, Tensor]:
    """Eq. 1 and its additions on one batch; `loss` is what is minimised, the rest its parts.

    Args:
        fraction: share of the budget spent, 0…1: the warm-up follows it.
        expert: frozen; None leaves L_Sync out.
    """
    condition = model.condition(batch.heard, batch.pitch_bins)
    posterior = Posterior(*(part.float() for part in model.encode(batch.motion, condition)))
    z = posterior.sample(torch.randn_like(posterior.mean))
    kl = model.kl(posterior, z, condition).mean(dim=(0, 2))
    temperature = weights.prior_temperature * torch.rand(len(z), 1, 1)
    prior = model.prior(temperature * torch.randn_like(z), condition)
    # Both paths in one batch: one pass through the decoder.
    both = model.decode(torch.cat((z, prior)), condition.repeat(2, 1, 1)).float()
    rebuilt, guessed = both.chunk(2)
    each = landmark_weights(weights.mouth)
    parts = {
        "rebuilt": _error(rebuilt, batch.motion, each, weights.velocity),
        "guessed": _error(guessed, batch.motion, each, weights.velocity),
        "kl": kl.sum(),
        "closure": _open_lips(both, batch.motion, batch.closing),
    }
    warm = min(1.0, fraction / max(weights.warmup, 1e-9))
    loss = parts["rebuilt"] + weights.prior * parts["guessed"] + weights.closure * parts["closure"]
    loss = loss + warm * weights.kl * (kl - weights.free_nats).clamp(min=0.0).sum()
    if expert is not None:
        parts["sync"] = _sync(expert, batch, model.folding(both))
        loss = loss + warm * weights.sync * parts["sync"]
    return {"loss": loss, **parts}


def landmark_weights(mouth: float) -> Tensor:
    """(204,) float32 of mean 1; the mouth's landmarks weigh `mouth` times the others."""
    weights = torch.ones(LANDMARKS, 3)
    weights[MOUTH] = mouth
    return (weights / weights.mean()).flatten()


def _error(found: Tensor, true: Tensor, weights: Tensor, velocity: float) -> Tensor:
    """Weighted squared error of (B, F, 204) positions and, times `velocity`, of differences."""
    position = (weights * (found - true).square()).mean()
    speed = (weights * (found.diff(dim=1) - true.diff(dim=1)).square()).mean()
    return position + velocity * speed


def _open_lips(both: Tensor, true: Tensor, closing: Tensor) -> Tensor:
    """Mean squared excess of the opening of both paths' lips, (2 B, F, 204), where they close."""
    excess = (inner_openings(both) - inner_openings(true).repeat(2, 1, 1)).clamp(min=0.0)
    chosen = closing.repeat(2, 1)[..., None].to(both.dtype)
    return (excess.square() * chosen).sum() / (chosen.sum() * len(UPPER_INNER)).clamp(min=1.0)


def inner_openings(landmarks: Tensor) -> Tensor:
    """(…, 204) → (…, 3) heights between the inner lips, in the landmarks' units."""
    heights = landmarks.unflatten(-1, (LANDMARKS, 3))[..., 1]
    return heights[..., UPPER_INNER] - heights[..., LOWER_INNER]


def _sync(expert: SyncExpert, batch: VaeBatch, landmarks: Tensor) -> Tensor:
    """L_Sync of both paths' landmarks (2 B, F, 204), head space."""
    with torch.autocast(landmarks.device.type, enabled=False):
        with torch.no_grad():
            sound = expert.hear(batch.features, batch.pitch_bins).repeat(2, 1, 1)
        lips = expert.see(mouth_points(landmarks.float()))
        return sync_loss((sound * lips).sum(-1))
