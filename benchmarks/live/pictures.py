"""Pictures of a live session beside those of an offline one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emogene.contract.data import Float32, Frame
from emogene.contract.measure import psnr
from emogene.runtime.avatar import Avatar
from emogene.runtime.profiles import LIVE, OFFLINE, Profile


@dataclass(frozen=True)
class PicturesRow:
    """The same speech said by both profiles.

    Attributes:
        emotion: worn.
        size: of the pictures, pixels.
        frames: how many were compared.
        psnr: of all pictures together (by their mean squared error), decibel.
        psnr_p5, psnr_least: of single frames: the 5th percentile and the least.
        idle: whether both were idle in the same frames.
    """

    emotion: str
    size: int
    frames: int
    psnr: float
    psnr_p5: float
    psnr_least: float
    idle: bool


def measure_pictures(
    avatar: Avatar, samples: Sequence[Float32], emotion: str, size: int
) -> PicturesRow:
    """Render every utterance with both profiles."""
    pairs = [
        pair
        for number, one in enumerate(samples)
        for pair in zip(
            *(_frames(avatar, one, emotion, number, size, p) for p in (LIVE, OFFLINE)), strict=True
        )
    ]
    single = np.array([psnr(live.image, whole.image) for live, whole in pairs])
    pooled = -10.0 * np.log10(np.mean(10.0 ** (-single / 10.0)))
    return PicturesRow(
        emotion=emotion,
        size=size,
        frames=len(pairs),
        psnr=float(pooled),
        psnr_p5=float(np.percentile(single, 5)),
        psnr_least=float(single.min()),
        idle=all(live.idle == whole.idle for live, whole in pairs),
    )


def _frames(
    avatar: Avatar, samples: Float32, emotion: str, seed: int, size: int, profile: Profile
) -> list[Frame]:
    return list(avatar.render(samples, emotion, seed=seed, profile=profile, size=size))
