"""Training the emotion probes on film of the procedural head: two minutes of one core.

The pixel probe must judge rendered frames as fairly as filmed ones, so its pictures are moved,
blurred, recoloured and made noisy; the head turns as far as it does anywhere. Intensities go from
faint to exaggerated, for the probe is also asked whether more intensity looks like more emotion.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ...contract.emotions import EMOTIONS, NEUTRAL
from ...training.demo.head.camera import rotation
from ...training.demo.head.render import render
from ...training.demo.head.rig import HeadRig
from ...training.demo.performance import NATURAL, perform, pose_track
from ...training.demo.speech.corpus import CorpusConfig, Utterance, build_corpus
from ...training.vae_data import mouth_of
from .networks import (
    DATA,
    LANDMARK_FILE,
    PIXEL_FILE,
    LandmarkProbe,
    PixelProbe,
    save_probe,
    small_pictures,
)

Told = Callable[[str], None]
Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class ProbeConfig:
    """How much is filmed, and how long is learned."""

    pictures: int = 1120
    """Frames filmed; an eighth of them are kept to judge by."""
    size: int = 128
    """Their width and height, pixels."""
    faces: int = 24_000
    """Landmark sets; an eighth of them are kept to judge by."""
    epochs: int = 28
    """Passes of the pixel probe over its pictures, each time changed at random."""
    landmark_steps: int = 1500
    batch: int = 64
    rate: float = 2e-3
    intensity: tuple[float, float] = (0.6, 1.5)
    """Of the emotions shown."""
    wide: float = 0.25
    """Largest yaw, radians."""
    seed: int = 7


def train_probes(
    rig: HeadRig, config: ProbeConfig | None = None, out: Path = DATA, told: Told = print
) -> dict[str, float]:
    """Train both probes and write them and ``probes.json`` to `out`.

    Returns:
        landmarks, pixels: accuracies on the faces kept back.
    """
    config = config or ProbeConfig()
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    spoken = build_corpus(CorpusConfig(2.0, 0.1, seed=config.seed)).training
    told("landmark probe")
    parameters, labels, _ = _faces(spoken, config.faces, config, rng)
    by_landmarks = _train_landmarks(rig.landmarks(parameters), labels, config, rng)
    save_probe(out / LANDMARK_FILE, by_landmarks[0])
    told(f"filming {config.pictures} faces for the pixel probe")
    parameters, labels, poses = _faces(spoken, config.pictures, config, rng)
    shots = (
        render(rig, face, pose, config.size).image
        for face, pose in zip(parameters, poses, strict=True)
    )
    pictures = small_pictures(shots)
    told("pixel probe")
    by_pixels = _train_pixels(pictures, torch.from_numpy(labels), config)
    save_probe(out / PIXEL_FILE, by_pixels[0])
    report = {"landmarks": round(by_landmarks[1], 4), "pixels": round(by_pixels[1], 4)}
    (out / "probes.json").write_text(json.dumps(report, indent=2) + "\n")
    return report


def _faces(
    spoken: tuple[Utterance, ...], count: int, config: ProbeConfig, rng: np.random.Generator
) -> tuple[Float32, NDArray[np.int64], Float32]:
    """`count` frames of different takes: (N, 21) parameters, (N,) emotions, (N, 3, 4) poses."""
    per_take = max(4, count // 240)
    parameters, labels, poses = [], [], []
    for k in range(-(-count // per_take)):
        mouth = mouth_of(spoken[int(rng.integers(len(spoken)))])
        emotion = k % len(EMOTIONS)
        intensity = float(rng.uniform(*config.intensity))
        face = perform(mouth, EMOTIONS[emotion], intensity, rng, NATURAL)
        track = pose_track(len(mouth), rng, config.wide if k % 2 else 0.0)
        shown = rng.choice(len(mouth), per_take, replace=len(mouth) < per_take)
        parameters.append(face[shown])
        poses.append(track[shown])
        labels.append(np.full(per_take, emotion, np.int64))
    joined = (np.concatenate(x)[:count] for x in (parameters, labels, poses))
    return tuple(joined)  # type: ignore[return-value]


def _train_landmarks(
    landmarks: Float32, labels: NDArray[np.int64], config: ProbeConfig, rng: np.random.Generator
) -> tuple[LandmarkProbe, float]:
    angles = rng.normal(0, 0.12, (3, len(landmarks)))
    turned = np.einsum("nij,nkj->nki", rotation(*angles), landmarks)
    flat = torch.from_numpy(turned[..., :2].astype(np.float32))
    target = torch.from_numpy(labels)
    probe = LandmarkProbe()
    frontal = landmarks[labels == EMOTIONS.index(NEUTRAL)].mean(0)[:, :2]
    probe.get_buffer("mean").copy_(torch.from_numpy(frontal))
    probe.get_buffer("scale").fill_(float(landmarks.std(0).mean()))
    kept = len(flat) // 8

    def batch() -> tuple[Tensor, Tensor]:
        rows = torch.randint(kept, len(flat), (4 * config.batch,))
        noise = 0.006 * torch.randn(4 * config.batch, *flat.shape[1:])
        return flat[rows] + noise, target[rows]

    _learn(probe, batch, config.landmark_steps, config.rate)
    return probe, _accuracy(probe, flat[:kept], target[:kept])


def _train_pixels(
    pictures: Tensor, target: Tensor, config: ProbeConfig
) -> tuple[PixelProbe, float]:
    probe = PixelProbe()
    kept = len(pictures) // 8
    steps = config.epochs * (len(pictures) - kept) // config.batch

    def batch() -> tuple[Tensor, Tensor]:
        rows = torch.randint(kept, len(pictures), (config.batch,))
        return disturbed(pictures[rows]), target[rows]

    _learn(probe, batch, steps, config.rate)
    return probe, _accuracy(probe, pictures[:kept], target[:kept])


def disturbed(pictures: Tensor) -> Tensor:
    """(N, 3, H, W) in 0…1, each moved, scaled, blurred, recoloured and made noisy at random."""
    count = len(pictures)
    scale = 1 + 0.08 * torch.randn(count)
    shift = 0.06 * torch.randn(count, 2)
    angle = 0.05 * torch.randn(count)
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    rows = (
        torch.stack((cosine, -sine, shift[:, 0]), 1),
        torch.stack((sine, cosine, shift[:, 1]), 1),
    )
    where = F.affine_grid(torch.stack(rows, 1), list(pictures.shape), align_corners=False)
    moved = F.grid_sample(pictures, where, padding_mode="border", align_corners=False)
    softer = F.avg_pool2d(F.pad(moved, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    share = torch.rand(count, 1, 1, 1)
    moved = share * moved + (1 - share) * softer
    gain = 1 + 0.12 * torch.randn(count, 3, 1, 1)
    lift = 0.05 * torch.randn(count, 3, 1, 1)
    grain = 0.03 * torch.rand(count, 1, 1, 1) * torch.randn_like(moved)
    return (gain * moved + lift + grain).clamp(0, 1)


def _learn(
    probe: nn.Module, batch: Callable[[], tuple[Tensor, Tensor]], steps: int, rate: float
) -> None:
    optimiser = torch.optim.AdamW(probe.parameters(), rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=max(2, steps))
    probe.train()
    for _ in range(max(2, steps)):
        inputs, target = batch()
        optimiser.zero_grad()
        F.cross_entropy(probe(inputs), target, label_smoothing=0.02).backward()
        optimiser.step()
        schedule.step()
    probe.eval()


@torch.no_grad()
def _accuracy(probe: nn.Module, inputs: Tensor, target: Tensor) -> float:
    return float((probe(inputs).argmax(1) == target).float().mean())
