"""Lip-sync offset and confidence, by the sync expert that `emogene-train sync` trains.

The expert hears by an avatar's speech encoder, so it fits that encoder and no other. Before it is
believed it must find the offset of true faces; one that does not is left out, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..contract.errors import BadInput
from ..contract.units import FEATURES_PER_FRAME
from ..reference.checkpoint import load_network, save_network
from ..reference.sync_expert import (
    REACH,
    WINDOW,
    SyncExpert,
    mouth_points,
    offset_and_confidence,
)
from ..runtime.audio.pitch import pitch_bins
from ..training.networks import NETWORK
from .probes.networks import DATA

Float32 = NDArray[np.float32]

SHIPPED = DATA / "sync_expert"
"""The expert of the shipped avatar's encoder."""

SHORTEST = 2 * REACH + WINDOW
"""Frames a clip must have for an offset to be found."""

BELIEVED = 0.8
"""Share of true clips whose offset an expert must find within a frame."""


@dataclass(frozen=True)
class Sync:
    """Offsets of clips.

    Attributes:
        offset: their median, frames; > 0 when lips are late.
        confidence: their mean confidence, see `reference.sync_expert.SyncOffset`.
        within_one: share of clips in sync within a frame.
        clips: how many were long enough to be judged.
    """

    offset: float
    confidence: float
    within_one: float
    clips: int


class SyncJudge:
    """An expert and the encoder it hears by.

    Args:
        features: (n,) samples → (T, D) of the avatar's encoder.
        folder: of the expert.

    Raises:
        BadCheckpoint: there is no expert in the folder, or it is damaged.
        BadInput: it was trained on features of another width.
    """

    def __init__(self, features: Callable[[Float32], Float32], folder: Path = SHIPPED) -> None:
        self._features = features
        self._expert = load_network(folder, SyncExpert)
        width = features(np.zeros(2 * 640, np.float32)).shape[1]
        if width != self._expert.config.features:
            raise BadInput(
                str(folder),
                expected=f"an expert for features of width {width}",
                found=f"one for {self._expert.config.features}",
                remedy="train it with the avatar's encoder: emogene-train sync",
            )

    @torch.no_grad()
    def judge(self, speech: Sequence[Float32], faces: Sequence[Float32]) -> Sync:
        """Judge clips of speech (n,) and landmarks (F, 68, 2 or 3), x to the right and y up.

        Raises:
            BadInput: no clip has `SHORTEST` frames.
        """
        found = []
        for samples, face in zip(speech, faces, strict=True):
            frames = min(len(face), len(samples) // 640)
            if frames < SHORTEST:
                continue
            heard = self._features(samples)[: frames * FEATURES_PER_FRAME]
            bins = pitch_bins(samples)[: len(heard)]
            sound = self._expert.hear(
                torch.from_numpy(heard)[None], torch.from_numpy(bins.astype(np.int64))[None]
            )
            points = np.ascontiguousarray(face[:frames], np.float32)
            lips = self._expert.see(mouth_points(torch.from_numpy(points))[None])
            found.append(offset_and_confidence(sound[0], lips[0]))
        if not found:
            raise BadInput(
                "lip-sync offset",
                expected=f"a clip of at least {SHORTEST} frames",
                found=f"{max((len(face) for face in faces), default=0)} frames at most",
                remedy="judge more speech",
            )
        offsets = np.array([one.frames for one in found])
        return Sync(
            offset=float(np.median(offsets)),
            confidence=float(np.mean([one.confidence for one in found])),
            within_one=float((np.abs(offsets) <= 1).mean()),
            clips=len(found),
        )


def take_expert(work: Path, folder: Path) -> None:
    """Copy the expert that `emogene-train sync` left below `work` to ``folder/sync_expert``.

    Raises:
        BadCheckpoint: there is none, or it is damaged.
    """
    expert = load_network(work / "sync" / NETWORK, SyncExpert)
    save_network(folder / SHIPPED.name, expert, half=True)
