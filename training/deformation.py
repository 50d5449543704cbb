"""Training the landmark deformation model (paper Eq. 2–4) on pairs of one take in two moods.

The demo's pairs come from the rig: the same speech with and without an emotion, eyes never
blinking, so that the model learns the emotion and nothing else. Real pairs come from aligned
recordings; the loop takes any `DeformationPairs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..contract.emotions import EMOTIONS, MAX_INTENSITY
from ..contract.errors import BadInput
from ..contract.landmarks import FLAT
from ..contract.units import FRAMES_PER_SECOND
from ..reference.checkpoint import save_network
from ..reference.deformation import DeformationConfig, LandmarkDeformation
from ..reference.demo import demo_deformation
from .demo.performance import expression_pair
from .demo.speech.corpus import Utterance
from .demo.speech.visemes import TARGETS
from .devices import on_device
from .files import write_json
from .identity import outline, run_identity
from .lips import CLOSED
from .loop import Loop, LoopConfig, Progress
from .ranges import AT_LEAST_1, NOT_NEGATIVE, POSITIVE
from .vae_data import LandmarksOf, mouth_of
from .vae_losses import inner_openings

Float32 = NDArray[np.float32]
NEUTRAL = EMOTIONS.index("neutral")


@dataclass(frozen=True)
class DeformationTrainingConfig:
    """Network and budget."""

    network: DeformationConfig = field(default_factory=demo_deformation)
    frames: Annotated[int, AT_LEAST_1] = 512
    """Pairs a step."""
    learning_rate: Annotated[float, POSITIVE] = 1e-3
    jitter: Annotated[float, NOT_NEGATIVE] = 0.002
    """Standard deviation of noise on the neutral landmarks, head units (0.2 mm): the network
    upstream is never exact."""
    closure: Annotated[float, NOT_NEGATIVE] = 3.0
    """Weight of the squared excess of the lips' opening over the true one where lips close: an
    emotion must not part them on p, b and m."""
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(minutes=2, clip_norm=0.0))
    seed: Annotated[int, NOT_NEGATIVE] = 0


@dataclass(frozen=True)
class DeformationPairs:
    """Frames of the same take, neutral and emotional."""

    neutral: Float32
    """(N, 204) head space."""
    emotional: Float32
    """(N, 204) head space."""
    emotion: NDArray[np.int64]
    """(N,) indices in the embedding's order; none is neutral, whose row is never trained."""
    intensity: Float32 | None = None
    """(N,) how strongly each emotion is shown, 0…1.5; None is 1 throughout."""

    @property
    def strength(self) -> Float32:
        """(N, 1) the factor on the deformation that leads to `emotional`, as at run time."""
        if self.intensity is None:
            return np.ones((len(self.neutral), 1), np.float32)
        return self.intensity[:, None]


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
    intensities: tuple[float, float] = (0.0, MAX_INTENSITY),
    longest_s: float = 4.0,
    seed: int = 0,
) -> DeformationPairs:
    """Pairs of every utterance's first `longest_s` seconds, emotions taking turns.

    Each take is articulated between `articulation` times as strongly as spoken: the network
    upstream opens the mouth less or more than the rig does. It shows its emotion with one of the
    `intensities`: the runtime multiplies the deformation by the intensity, so the model learns
    the one deformation whose multiples fit all of them best.
    """
    rng = np.random.default_rng(seed)
    emotions = [index for index in range(len(EMOTIONS)) if index != NEUTRAL]
    neutral, emotional, labels, strengths = [], [], [], []
    rest = TARGETS["silence"].astype(np.float32)
    for k, utterance in enumerate(utterances):
        emotion = emotions[k % len(emotions)]
        mouth = mouth_of(utterance)[: round(longest_s * FRAMES_PER_SECOND)]
        mouth = rest + np.float32(rng.uniform(*articulation)) * (mouth - rest)
        intensity = float(rng.uniform(*intensities))
        before, after = expression_pair(mouth, EMOTIONS[emotion], intensity)
        neutral.append(landmarks_of(before).reshape(-1, FLAT))
        emotional.append(landmarks_of(after).reshape(-1, FLAT))
        labels.append(np.full(len(mouth), emotion, np.int64))
        strengths.append(np.full(len(mouth), intensity, np.float32))
    return DeformationPairs(
        *(np.concatenate(parts) for parts in (neutral, emotional, labels, strengths))
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

    Raises:
        BadInput: there is no emotion but neutral, or one frame at most.
    """
    out = Path(out)
    _check(data.training)
    torch.manual_seed(config.seed)
    model = LandmarkDeformation(config.network)
    deltas = data.training.emotional - data.training.neutral
    standardise_on(model, data.training.neutral, deltas)
    optimiser = torch.optim.Adam(model.parameters(), config.learning_rate)
    identity = run_identity(config, training=outline([data.training.neutral, deltas]))
    loop = Loop(
        config.loop, model, optimiser, out, seed=config.seed, identity=identity, progress=progress
    )
    neutral = on_device(data.training.neutral)
    target = on_device(deltas)
    emotion = on_device(data.training.emotion)
    strength = on_device(data.training.strength)
    unit = float(np.sqrt(np.square(deltas).mean()))
    model.train()
    for _ in loop:
        rows = on_device(loop.rng.integers(len(neutral), size=config.frames))
        seen = neutral[rows]
        seen = seen + config.jitter * torch.randn_like(seen)
        found = strength[rows] * model(seen, emotion[rows])
        error = (found - target[rows]).square().mean()
        loss = (error + config.closure * _parted(neutral[rows], found, target[rows])) / unit**2
        loop.update(loss)
        if loop.log_due:
            loop.log(loss=loss.item())
            loop.score(mse=evaluate_deformation(model, data)["mse"])
    report: dict[str, Any] = {
        "parameters": sum(p.numel() for p in model.parameters()),
        **loop.spent,
        "pairs": len(neutral),
        **evaluate_deformation(model, data),
    }
    save_network(out / "network", model, half=True)
    write_json(out / "report.json", report)
    return report


def _parted(neutral: Tensor, found: Tensor, true: Tensor) -> Tensor:
    """Mean squared excess, head units², of the inner lips' opening, on frames that are closed in
    the emotional truth: `neutral` (N, 204) plus the deformations `found` against `true`."""
    should = inner_openings(neutral + true)
    closed = (should.amax(1, keepdim=True) < CLOSED).to(found.dtype)
    excess = (inner_openings(neutral + found) - should).clamp(min=0.0)
    return (closed * excess.square()).mean()


@torch.no_grad()
def evaluate_deformation(model: LandmarkDeformation, data: DeformationData) -> dict[str, float]:
    """Squared error per coordinate, head units², on the held-out pairs, and of two baselines.

    Also for each emotion, as `mse_<emotion>`, and `mse_identity_<emotion>` when left neutral.
    """
    pairs = data.held_out
    delta = model(on_device(pairs.neutral), on_device(pairs.emotion)).cpu().numpy()
    found = pairs.strength * delta
    true = pairs.emotional - pairs.neutral
    moved = data.training.emotional - data.training.neutral
    means = np.zeros((len(EMOTIONS), FLAT), np.float32)
    for emotion in np.unique(data.training.emotion):
        rows = data.training.emotion == emotion
        strength = data.training.strength[rows]
        means[emotion] = (strength * moved[rows]).sum(0) / max(
            float(np.square(strength).sum()), 1e-9
        )
    guessed = pairs.strength * means[pairs.emotion]
    errors = {
        "mse": float(np.square(found - true).mean()),
        "mse_identity": float(np.square(true).mean()),
        "mse_mean_of_emotion": float(np.square(guessed - true).mean()),
    }
    for emotion in np.unique(pairs.emotion):
        rows = pairs.emotion == emotion
        errors[f"mse_{EMOTIONS[emotion]}"] = float(np.square((found - true)[rows]).mean())
        errors[f"mse_identity_{EMOTIONS[emotion]}"] = float(np.square(true[rows]).mean())
    return errors


def _check(pairs: DeformationPairs) -> None:
    known = np.unique(pairs.emotion)
    wrong = [int(e) for e in known if e == NEUTRAL or not 0 <= e < len(EMOTIONS)]
    if len(pairs.neutral) < 2 or len(known) == 0 or wrong:
        names = [EMOTIONS[e] if 0 <= e < len(EMOTIONS) else f"number {e}" for e in map(int, known)]
        raise BadInput(
            "deformation training",
            expected="frames of the same take, neutral and in another emotion",
            found=f"{len(pairs.neutral)} pairs of {', '.join(names) or 'no emotion'}",
            remedy="add recordings with an emotion, several frames of each",
        )


def standardise_on(model: LandmarkDeformation, neutral: Float32, deltas: Float32) -> None:
    """Set mean, one input scale for all coordinates, and one scale of the deformation."""
    if not model.config.standardised:
        return
    model.mean.copy_(on_device(neutral.mean(0)))
    moving = neutral.std(0)
    model.scale.fill_(float(np.sqrt(np.square(moving[moving > moving.mean()]).mean())))
    model.delta_scale.fill_(float(np.sqrt(np.square(deltas).mean())))
