"""The lip-sync expert: do this sound and these lips belong to the same moment? (Eq. 1, L_Sync.)

Two towers after SyncNet (Chung and Zisserman, "Out of time", 2016), each turning a window of five
frames (0.2 s) into a unit vector; their cosine says how well sound and lips agree. Sound comes as
features of the avatar's speech encoder and pitch, lips as the 20 mouth landmarks in the picture
plane, so the expert judges a rendered or a filmed mouth as well as a predicted one. Frozen, it is
L_Sync of the audio-to-motion training; in evaluation it measures offsets.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..contract.errors import BadInput
from ..contract.landmarks import LANDMARKS, MOUTH
from ..contract.units import FIRST_PITCH_BIN, LAST_PITCH_BIN

WINDOW = 5
"""Frames a window covers; window w begins at frame w."""

REACH = 15
"""Offsets that are searched and trained against, frames to either side."""

MOUTH_POINTS = MOUTH.stop - MOUTH.start
_CORNERS = (0, 6)  # of the outer lips, among the mouth's points
_SHAPE_GAIN = 8.0  # deviations are about an eighth of the mouth's width
_PITCH_INPUTS = 2


@dataclass(frozen=True)
class SyncExpertConfig:
    """Dimensions; the defaults make 0.16 M parameters.

    Attributes:
        features: width of a speech feature.
        hidden: channels of both towers.
        embedding: length of the unit vectors.
    """

    features: int = 128
    hidden: int = 96
    embedding: int = 64


@dataclass(frozen=True)
class SyncOffset:
    """Where lips and sound agree best.

    Attributes:
        frames: > 0 when the lips come that many frames after the sound they belong to.
        confidence: median minus least distance over the offsets, as SyncNet defines it; but of
            unit vectors, so it lies in 0…2 and must not be compared with SyncNet's own numbers.
        distances: mean Euclidean distance of the unit vectors at the offsets -reach … reach.
    """

    frames: int
    confidence: float
    distances: tuple[float, ...]


class SyncExpert(nn.Module):
    """Two convolutional towers; sequences of F frames give F - 4 windows, one a frame."""

    config_type = SyncExpertConfig

    def __init__(self, config: SyncExpertConfig) -> None:
        super().__init__()
        self.config = config
        hidden, out = config.hidden, config.embedding
        # Five frames are ten features: a kernel of 4 in steps of 2, then one of 4.
        self.sound = nn.Sequential(
            *_layer(config.features + _PITCH_INPUTS, hidden, 1),
            *_layer(hidden, hidden, 4, stride=2),
            *_layer(hidden, hidden, 4),
            nn.Conv1d(hidden, out, 1),
        )
        self.lips = nn.Sequential(
            *_layer(2 * MOUTH_POINTS, hidden, 1),
            *_layer(hidden, hidden, 3),
            *_layer(hidden, hidden, 3),
            nn.Conv1d(hidden, out, 1),
        )

    def hear(self, features: Tensor, pitch_bins: Tensor) -> Tensor:
        """Sound → unit vectors.

        Args:
            features: (B, 2 F, features) float32 at 50 Hz, F ≥ 5.
            pitch_bins: (B, 2 F) integers in 1…255; 1 is unvoiced.

        Returns:
            (B, F - 4, embedding).
        """
        _check_frames(features.shape[1] // 2)
        voiced = (pitch_bins > FIRST_PITCH_BIN).to(features.dtype)
        height = pitch_bins.to(features.dtype) / LAST_PITCH_BIN
        joined = torch.cat((features, torch.stack((voiced, voiced * height), 2)), 2)
        return _unit(self.sound(joined.transpose(1, 2)))

    def see(self, mouth: Tensor) -> Tensor:
        """Lips (B, F, 20, 2), see `mouth_points`, F ≥ 5 → unit vectors (B, F - 4, embedding)."""
        _check_frames(mouth.shape[1])
        shape = _SHAPE_GAIN * mouth_shape(mouth)
        return _unit(self.lips(shape.transpose(1, 2)))

    def forward(self, features: Tensor, pitch_bins: Tensor, mouth: Tensor) -> Tensor:
        """Cosine similarity, -1…1, of sound and lips in every window: (B, F - 4)."""
        return (self.hear(features, pitch_bins) * self.see(mouth)).sum(-1)


def mouth_points(landmarks: Tensor) -> Tensor:
    """(…, 68, 3 or 2) or (…, 204) landmarks → the mouth (…, 20, 2): x to the right, y up.

    In units of any size. Pixels count y downwards: give ``-y``.
    """
    if landmarks.shape[-1] == 3 * LANDMARKS:
        landmarks = landmarks.unflatten(-1, (LANDMARKS, 3))
    return landmarks[..., MOUTH, :2]


def mouth_shape(mouth: Tensor) -> Tensor:
    """What speech does to a mouth, whoever's it is: (B, F, 20, 2) → (B, F, 40).

    Every frame is centred and turned until its corners are level, so head motion drops out; the
    clip's median width becomes 1, so size drops out; the clip's median shape is subtracted, so
    identity and a standing expression drop out.
    """
    centred = mouth - mouth.mean(-2, keepdim=True)
    across = centred[..., _CORNERS[1], :] - centred[..., _CORNERS[0], :]
    width = across.norm(dim=-1).clamp(min=1e-6)
    cosine, sine = (across / width[..., None]).unbind(-1)
    x, y = centred.unbind(-1)
    cosine, sine = cosine[..., None], sine[..., None]
    level = torch.stack((cosine * x + sine * y, cosine * y - sine * x), -1)
    scaled = level / width.median(dim=1).values[:, None, None, None]
    return (scaled - scaled.median(dim=1, keepdim=True).values).flatten(-2)


def offset_and_confidence(sound: Tensor, lips: Tensor, reach: int = REACH) -> SyncOffset:
    """Search the offset at which lips fit sound, as SyncNet does.

    Args:
        sound, lips: (W, embedding) unit vectors of one clip, from `hear` and `see`; W > 2 · reach.
        reach: offsets up to this many frames to either side are tried.

    Raises:
        BadInput: the clip is too short for that search.
    """
    windows = min(len(sound), len(lips))
    if windows <= 2 * reach:
        raise BadInput(
            "lip-sync offset",
            expected=f"more than {2 * reach + WINDOW - 1} frames of sound and lips",
            found=str(max(0, windows + WINDOW - 1)),
            remedy=f"use a longer clip, or search fewer than {reach} frames",
        )
    # Every offset is judged on the same windows of sound, so that the distances compare.
    heard = sound[reach : windows - reach]
    distances = [
        float((heard - lips[reach + k : windows - reach + k]).norm(dim=1).mean())
        for k in range(-reach, reach + 1)
    ]
    ordered = sorted(distances)
    best = distances.index(ordered[0]) - reach
    return SyncOffset(best, ordered[len(ordered) // 2] - ordered[0], tuple(distances))


def sync_loss(similarity: Tensor) -> Tensor:
    """L_Sync of Eq. 1: 1 - cosine similarity, mean over windows; 0 is perfect, 2 the worst."""
    return 1.0 - similarity.mean()


def _layer(inputs: int, outputs: int, kernel: int, stride: int = 1) -> tuple[nn.Module, ...]:
    convolution = nn.Conv1d(inputs, outputs, kernel, stride)
    nn.init.normal_(convolution.weight, std=(2 / (inputs * kernel)) ** 0.5)
    return convolution, nn.GELU()


def _unit(x: Tensor) -> Tensor:
    """(B, embedding, W) → (B, W, embedding) of length 1."""
    return F.normalize(x.float().transpose(1, 2), dim=-1, eps=1e-6)


def _check_frames(frames: int) -> None:
    if frames < WINDOW:
        raise BadInput(
            "lip-sync expert",
            expected=f"{WINDOW} frames or more",
            found=str(frames),
            remedy="use a longer clip",
        )
