"""Does the speech encoder hear phones? A linear read-out of its features says.

The read-out is fitted here, on speech by training's voices that is none of the sentences it is
judged by; so the figure can be had of any avatar's encoder, whatever it was trained for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ..training.demo.speech.corpus import Utterance
from ..training.demo.speech.phones import PHONES, feature_labels
from .material import Material
from .subject import Subject

Float32 = NDArray[np.float32]

Features = Callable[[Float32], Float32]
"""(n,) samples → (T, D) features, 50 a second."""

NOISE_DB = 20.0
"""Signal-to-noise ratio of the noisy set, dB."""

_PENALTY = 1e-4
_ITERATIONS = 60


def phone_figures(subject: Subject, material: Material) -> dict[str, float]:
    """Share of 20 ms frames whose phone, of 39 and silence, is named right.

    Returns:
        phone_accuracy: on held-out sentences; .held_out_voice: by unheard voices;
        .noise_20db: the held-out sentences with white noise at 20 dB;
        .speech: the held-out sentences' frames that are not silence.
    """
    corpus = material.corpus
    readout = fit_readout(corpus.training, subject.features)
    clean = readout.hits(corpus.held_out)
    sounding = np.concatenate(
        [
            feature_labels(u.segments, len(h)) > 0
            for u, h in zip(corpus.held_out, clean, strict=True)
        ]
    )
    noisy = readout.hits(corpus.held_out, noise=True)
    unheard = readout.hits(corpus.held_out_voice)
    joined = np.concatenate(clean)
    return {
        "phone_accuracy": float(joined.mean()),
        "phone_accuracy.held_out_voice": float(np.concatenate(unheard).mean()),
        "phone_accuracy.noise_20db": float(np.concatenate(noisy).mean()),
        "phone_accuracy.speech": float(joined[sounding].mean()),
    }


class Readout:
    """A linear classifier of features; made by `fit_readout`."""

    def __init__(
        self, features: Features, mean: Tensor, deviation: Tensor, linear: nn.Linear
    ) -> None:
        self._features, self._mean, self._deviation = features, mean, deviation
        self._linear = linear

    @torch.no_grad()
    def hits(
        self, utterances: Sequence[Utterance], *, noise: bool = False
    ) -> list[NDArray[np.bool_]]:
        """Whether each 20 ms is named right, (T,) for each utterance."""
        found = []
        for one in utterances:
            heard = torch.from_numpy(self._features(noisy(one.samples) if noise else one.samples))
            said = self._linear((heard - self._mean) / self._deviation).argmax(1).numpy()
            found.append(said == feature_labels(one.segments, len(said)))
        return found


def fit_readout(utterances: Sequence[Utterance], features: Features) -> Readout:
    """Multinomial logistic regression on clean speech and on as much noisy speech."""
    rows, labels = [], []
    for one in utterances:
        for samples in (one.samples, noisy(one.samples)):
            rows.append(features(samples))
            labels.append(feature_labels(one.segments, len(rows[-1])))
    heard = torch.from_numpy(np.concatenate(rows))
    target = torch.from_numpy(np.concatenate(labels))
    deviation, mean = torch.std_mean(heard, 0)
    deviation = deviation.clamp(min=1e-6)
    heard = (heard - mean) / deviation
    linear = nn.Linear(heard.shape[1], len(PHONES))
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    optimiser = torch.optim.LBFGS(
        linear.parameters(), max_iter=_ITERATIONS, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = F.cross_entropy(linear(heard), target) + _PENALTY * linear.weight.square().sum()
        value.backward()
        return value

    optimiser.step(loss)  # type: ignore[arg-type]
    return Readout(features, mean, deviation, linear)


def noisy(samples: Float32) -> Float32:
    """(n,) with white noise at `NOISE_DB`, always the same noise."""
    noise = np.random.default_rng(0).standard_normal(len(samples), np.float32)
    power = float(np.sqrt(np.square(samples).mean()))
    return samples + np.float32(power * 10 ** (-NOISE_DB / 20)) * noise
