"""How well a face speaks from audio alone, what its latents are used for, how live use moves it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..contract.landmarks import FLAT, LANDMARKS, MOUTH
from ..contract.units import FRAMES_PER_LATENT
from ..reference.audio_to_motion import AudioToMotion, AudioToMotionInference
from ..reference.sync_expert import SyncExpert, mouth_points
from .devices import on_device
from .lips import Closures, closures, mouth_opening
from .vae_data import MotionClip

PIXELS_PER_UNIT = 140.0
"""Of a picture of 512 pixels by the demo's camera, at the head's origin."""

ACTIVE = 0.01
"""A latent channel is active when its posterior mean varies by more than this (variance over
held-out speech; Burda et al., "Importance weighted autoencoders", 2016)."""


@torch.no_grad()
def speak(
    model: AudioToMotion, clip: MotionClip, temperature: float = 0.0, seed: int = 0
) -> NDArray[np.float32]:
    """The face that the model speaks a clip with: (F, 68, 3), as deployed."""
    model.eval()
    generator = torch.Generator(torch.get_default_device()).manual_seed(seed)
    latents = (1, model.config.latent, len(clip.landmarks) // FRAMES_PER_LATENT)
    noise = temperature * torch.randn(latents, generator=generator)
    features, bins = on_device(clip.features), on_device(clip.pitch_bins)
    landmarks: Tensor = AudioToMotionInference(model)(features[None], bins[None], noise)[0]
    return landmarks.cpu().numpy().reshape(-1, LANDMARKS, 3)


@torch.no_grad()
def evaluate_vae(
    model: AudioToMotion,
    clips: Sequence[MotionClip],
    temperature: float = 0.0,
    seed: int = 0,
    *,
    expert: SyncExpert | None = None,
) -> dict[str, float]:
    """How well the face speaks from audio alone, with noise of deviation `temperature`.

    Returns:
        mouth_error_ratio: squared error of the mouth's landmarks over that of the mean face.
        opening_correlation: Pearson's r of the inner lips' distance, mean over clips.
        opening_gain: its regression slope, 1 when the mouth opens as far as it should.
        landmark_rms: error of all landmarks, head units.
        closure_rate: see `lips.closures`; where the phones are known.
        sync_similarity: mean cosine of sound and lips by the `expert`, where there is one.
    """
    mean = model.folding(torch.zeros(FLAT)).reshape(LANDMARKS, 3).cpu().numpy()
    error = baseline = everywhere = 0.0
    correlations, gains, similarities = [], [], []
    closed = Closures(0, 0)
    for number, clip in enumerate(clips):
        found, true = speak(model, clip, temperature, seed + number), _faces(clip)
        error += float(np.square(found[:, MOUTH] - true[:, MOUTH]).sum())
        baseline += float(np.square(mean[MOUTH] - true[:, MOUTH]).sum())
        everywhere += float(np.square(found - true).sum())
        opened, should = mouth_opening(found), mouth_opening(true)
        if should.std() > 1e-4:
            covariance = float(np.mean((opened - opened.mean()) * (should - should.mean())))
            correlations.append(covariance / (opened.std() * should.std() + 1e-9))
            gains.append(covariance / should.var())
        closed += closures(found, clip.segments)
        if expert is not None:
            features, bins = on_device(clip.features), on_device(clip.pitch_bins)
            lips = mouth_points(on_device(found))[None]
            similarities.append(float(expert(features[None], bins[None], lips).mean()))
    numbers = sum(clip.landmarks.size for clip in clips)
    figures = {
        "mouth_error_ratio": error / max(baseline, 1e-12),
        "opening_correlation": float(np.mean(correlations)) if correlations else 0.0,
        "opening_gain": float(np.mean(gains)) if gains else 0.0,
        "landmark_rms": (everywhere / max(numbers, 1)) ** 0.5,
    }
    if closed.total:
        figures["closure_rate"] = closed.rate
    if similarities:
        figures["sync_similarity"] = float(np.mean(similarities))
    return figures


@torch.no_grad()
def latent_use(model: AudioToMotion, clips: Sequence[MotionClip]) -> dict[str, Any]:
    """Which latents carry anything.

    Returns:
        kl: nats a latent step of each channel, a mean over the clips.
        active: number of channels whose posterior mean varies by more than `ACTIVE`.
    """
    model.eval()
    divergences, means = [], []
    generator = torch.Generator(torch.get_default_device()).manual_seed(0)
    for clip in clips:
        features, bins = on_device(clip.features), on_device(clip.pitch_bins)
        condition = model.condition(features[None], bins[None])
        motion = model.folding.standardise(on_device(clip.landmarks))
        posterior = model.encode(motion[None], condition)
        z = posterior.sample(torch.randn(posterior.mean.shape, generator=generator))
        divergences.append(model.kl(posterior, z, condition)[0])
        means.append(posterior.mean[0])
    if not clips:
        return {"kl": [], "active": 0}
    kl, mean = torch.cat(divergences, 1).mean(1), torch.cat(means, 1)
    active = int((mean.var(1, correction=0) > ACTIVE).sum())
    return {"kl": [round(float(x), 4) for x in kl], "active": active}


def drift(
    model: AudioToMotion,
    offline: Sequence[MotionClip],
    live: Sequence[MotionClip],
    temperature: float = 0.2,
) -> dict[str, float]:
    """How far the face moves when speech is heard live instead of whole, with the same noise.

    Args:
        offline, live: the same utterances in the same order, heard in two ways.

    Returns:
        mouth_rms: of the mouth's coordinates, head units.
        mouth_px: the same in pixels of a 512² picture.
        share: of the mouth's standard deviation over time.
        landmark_rms: of all coordinates, head units.
    """
    moved, whole, deviation = [], [], []
    for number, (one, other) in enumerate(zip(offline, live, strict=True)):
        a, b = (speak(model, clip, temperature, number) for clip in (one, other))
        moved.append(np.square(a - b)[:, MOUTH].mean())
        whole.append(np.square(a - b).mean())
        deviation.append(np.square(a - a.mean(0))[:, MOUTH].mean())
    rms = float(np.mean(moved)) ** 0.5
    return {
        "mouth_rms": rms,
        "mouth_px": PIXELS_PER_UNIT * rms,
        "share": rms / max(float(np.mean(deviation)) ** 0.5, 1e-9),
        "landmark_rms": float(np.mean(whole)) ** 0.5,
    }


def _faces(clip: MotionClip) -> NDArray[np.float32]:
    return clip.landmarks.reshape(-1, LANDMARKS, 3)
