"""The landmark deformation model: neutral landmarks and an emotion → a deformation (Eq. 2–4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..contract.emotions import EMOTIONS
from ..contract.landmarks import FLAT


@dataclass(frozen=True)
class DeformationConfig:
    """Dimensions; the defaults are the authors'.

    Attributes:
        embedding: width of an emotion's embedding.
        hidden: width of both hidden layers.
        standardised: whether landmarks are standardised before the regressor and its output is
            scaled back, with the buffers ``mean``, ``scale`` and ``delta_scale`` (204,).
    """

    embedding: int = 16
    hidden: int = 256
    standardised: bool = False


class LandmarkDeformation(nn.Module):
    """``LD(x) = FC(ReLU(FC(ReLU(FC(x)))))`` on (landmarks, emotion embedding).

    Emotional landmarks are ``neutral + intensity * LD(neutral, emotion)`` (Eq. 4). The embedding
    row of ``neutral`` exists but is never trained: callers bypass the model for it.
    """

    config_type = DeformationConfig

    def __init__(self, config: DeformationConfig) -> None:
        super().__init__()
        self.config = config
        self.emotion_embedding = nn.Embedding(len(EMOTIONS), config.embedding)
        self.regressor = nn.Sequential(
            nn.Linear(FLAT + config.embedding, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, FLAT),
        )
        if config.standardised:
            self.register_buffer("mean", torch.zeros(FLAT))
            self.register_buffer("scale", torch.ones(FLAT))
            self.register_buffer("delta_scale", torch.ones(FLAT))

    def forward(self, neutral: Tensor, emotion: Tensor) -> Tensor:
        """The deformation Δ of Eq. 2–3 at full intensity, each frame with its own emotion.

        Args:
            neutral: (F, 204) float32, head space.
            emotion: (F,) int64, indices into `EMOTIONS`.

        Returns:
            (F, 204) float32.
        """
        if self.config.standardised:
            neutral = (neutral - self.mean) / self.scale
        joined = torch.cat((neutral, self.emotion_embedding(emotion)), dim=1)
        delta = self.regressor(joined)
        return delta * self.delta_scale if self.config.standardised else delta
