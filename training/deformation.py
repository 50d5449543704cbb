"""Training the landmark deformation model (paper Eq. 2–4) on pairs of one take in two moods.

The demo's pairs come from the rig: the same speech with and without an emotion, eyes never
blinking, so that the model learns the emotion and nothing else. Real pairs come from aligned
recordings; the loop takes any `DeformationPairs`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..contract.emotions import EMOTIONS
from ..contract.landmarks import FLAT
from ..contract.units import FRAMES_PER_SECOND
from ..reference.checkpoint import save_network
from ..reference.deformation import DeformationConfig, LandmarkDeformation
from ..reference.demo import demo_deformation
from .demo.performance import expression_pair
from .demo.speech.corpus import Utterance
from .demo.speech.visemes import TARGETS
from .loop import Loop, LoopConfig, Progress
from .vae_data import LandmarksOf, mouth_of

Float32 = NDArray[np.float32]
NEUTRAL = EMOTIONS.index("neutral")


@dataclass(frozen=True)
class DeformationTrainingConfig:
    """Network and budget."""

    network: DeformationConfig = field(default_factory=demo_deformation)
    frames: int = 512
    """Pairs a step."""
    learning_rate: float = 1e-3
    jitter: float = 0.002
    """Standard deviation of noise on the neutral landmarks, head units (0.2 mm): the network
    upstream is never exact."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(minutes=1, clip_norm=0.0))
    seed: int = 0


@dataclass(frozen=True)
class DeformationPairs:
    """Frames of the same take, neutral and emotional, at full intensity."""

    neutral: Float32
    """(N, 204) head space."""
    emotional: Float32
    """(N, 204) head space."""
    emotion: NDArray[np.int64]
    """(N,) indices in the embedding's order; none is neutral, whose row is never trained."""


@dataclass(frozen=True)
class DeformationData:
    """Pairs to learn from and pairs of other speech."""

    training: DeformationPairs
    held_out: DeformationPairs


def demo_pairs(
    utterances: Sequence[Utterance],
    landmarks_of: LandmarksOf,
    *,
    articulation: tuple[float, float] = (0.4, 1.3),
    longest_s: float = 4.0,
    seed: int = 0,
) -> DeformationPairs:
    """Pairs of every utterance's first `longest_s` seconds, emotions taking turns.

    Each take is articulated between `articulation` times as strongly as spoken: the network
    upstream opens the mouth less or more than the rig does.
    """
    rng = np.random.default_rng(seed)
    emotions = [index for index in range(len(EMOTIONS)) if index != NEUTRAL]
    neutral, emotional, labels = [], [], []
    rest = TARGETS["silence"].astype(np.float32)
    for k, utterance in enumerate(utterances):
        emotion = emotions[k % len(emotions)]
        mouth = mouth_of(utterance)[: round(longest_s * FRAMES_PER_SECOND)]
        mouth = rest + np.float32(rng.uniform(*articulation)) * (mouth - rest)
        before, after = expression_pair(mouth, EMOTIONS[emotion])
        neutral.append(landmarks_of(before).reshape(-1, FLAT))
        emotional.append(landmarks_of(after).reshape(-1, FLAT))
        labels.append(np.full(len(mouth), emotion, np.int64))
    return DeformationPairs(
        np.concatenate(neutral), np.concatenate(emotional), np.concatenate(labels)
    )


def train_deformation(
    config: DeformationTrainingConfig,
    data: DeformationData,
    out: Path,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train until the budget is spent; write the network, its curve and a report.

    `out` receives `network/` (`LandmarkDeformation`), `curve.csv`, `scores.csv`, `report.json`
    and the resumable `state.safetensors`. Returns the report: mean squared errors on held-out
    speech, of the model, of leaving the face neutral, and of moving it by each emotion's mean.
    """
    out = Path(out)
    torch.manual_seed(config.seed)
    model = LandmarkDeformation(config.network)
    deltas = data.training.emotional - data.training.neutral
    standardise_on(model, data.training.neutral, deltas)
    optimiser = torch.optim.Adam(model.parameters(), config.learning_rate)
    identity = {key: value for key, value in asdict(config).items() if key != "loop"}
    loop = Loop(
        config.loop, model, optimiser, out, seed=config.seed, identity=identity, progress=progress
    )
    neutral = torch.from_numpy(data.training.neutral)
    target = torch.from_numpy(deltas)
    emotion = torch.from_numpy(data.training.emotion)
    unit = float(np.sqrt(np.square(deltas).mean()))
    model.train()
    for _ in loop:
        rows = torch.from_numpy(loop.rng.integers(len(neutral), size=config.frames))
        seen = neutral[rows]
        seen = seen + config.jitter * torch.randn_like(seen)
        error: Tensor = (model(seen, emotion[rows]) - target[rows]) / unit
        loss = error.square().mean()
        loop.update(loss)
        if loop.log_due:
            found = evaluate_deformation(model, data)
            loop.log(loss=loss.item())
            loop.score(mse=found["mse"])
    report: dict[str, Any] = {
        "parameters": sum(p.numel() for p in model.parameters()),
        **loop.spent,
        "pairs": len(neutral),
        **evaluate_deformation(model, data),
    }
    save_network(out / "network", model, half=True)
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    return report


@torch.no_grad()
def evaluate_deformation(model: LandmarkDeformation, data: DeformationData) -> dict[str, float]:
    """Squared error per coordinate, head units², on the held-out pairs, and of two baselines."""
    pairs = data.held_out
    found = model(torch.from_numpy(pairs.neutral), torch.from_numpy(pairs.emotion)).numpy()
    true = pairs.emotional - pairs.neutral
    moved = data.training.emotional - data.training.neutral
    means = np.zeros((len(EMOTIONS), FLAT), np.float32)
    for emotion in np.unique(data.training.emotion):
        means[emotion] = moved[data.training.emotion == emotion].mean(0)
    errors = {
        "mse": float(np.square(found - true).mean()),
        "mse_identity": float(np.square(true).mean()),
        "mse_mean_of_emotion": float(np.square(means[pairs.emotion] - true).mean()),
    }
    for emotion in np.unique(pairs.emotion):
        rows = pairs.emotion == emotion
        errors[f"mse_{EMOTIONS[emotion]}"] = float(np.square((found - true)[rows]).mean())
    return errors


def standardise_on(model: LandmarkDeformation, neutral: Float32, deltas: Float32) -> None:
    """Set mean, one input scale for all coordinates, and one scale of the deformation."""
    if not model.config.standardised:
        return
    model.mean.copy_(torch.from_numpy(neutral.mean(0)))
    moving = neutral.std(0)
    model.scale.fill_(float(np.sqrt(np.square(moving[moving > moving.mean()]).mean())))
    model.delta_scale.fill_(float(np.sqrt(np.square(deltas).mean())))
