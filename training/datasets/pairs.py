"""Deformation pairs: the same words of the same person, neutral and with an emotion (Eq. 2–4).

MEAD's actors say some sentences both neutrally and in other moods, but its numbering does not say
which. So each emotional clip is compared with all neutral clips of its identity: the one that
sounds most alike is its partner, if it stands out from the others, and the two are laid over each
other frame by frame on their speech features.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...contract.emotions import EMOTIONS, NEUTRAL
from ...contract.errors import BadInput
from ...contract.units import FEATURES_PER_FRAME
from .clips import MANIFEST, Clips, RealClip, Split, open_clips
from .warping import Alignment, align

Float32 = NDArray[np.float32]

STANDS_OUT = 0.8
"""A partner's cost, at most, of the median cost of the identity's other neutral clips."""

ALONE = 0.5
"""A partner's cost, at most, where there is no other clip to compare it with."""

_LENGTHS = 2.0
"""Clips of the same words differ in length by at most this factor."""


@dataclass(frozen=True)
class AlignedPairs:
    """Frames that say the same sound, N in all.

    Attributes:
        neutral, emotional: (N, 204) float32 head space.
        emotion: (N,) int64 rows in the embedding; none is neutral.
        intensity: (N,) float32 of the emotional frame, 0…1.
        sources: (emotional, neutral) recordings that were paired.
    """

    neutral: Float32
    emotional: Float32
    emotion: NDArray[np.int64]
    intensity: Float32
    sources: tuple[tuple[str, str], ...]


def emotional_pairs(folder: Path | str, split: Split) -> AlignedPairs:
    """Pairs of all identities of `split` in a prepared data set.

    Raises:
        BadInput: as `open_clips`; or no emotional clip has a neutral partner.
    """
    clips = open_clips(folder, split)
    order = sorted(range(len(clips)), key=lambda k: clips.entries[k].identity)
    found = [
        pair
        for _, group in groupby(order, key=lambda k: clips.entries[k].identity)
        for pair in _pairs_of_identity(clips, list(group))
    ]
    if not found:
        kinds = ", ".join(sorted({entry.emotion for entry in clips.entries}))
        raise BadInput(
            str(Path(folder) / MANIFEST),
            expected=f"{split} clips of one identity that say the same, neutrally and not",
            found=f"none among {len(clips)} clips ({kinds})",
            remedy="prepare MEAD's neutral and emotional recordings of the same identities",
        )
    neutral, emotional, emotion, intensity, sources = zip(*found, strict=True)
    lengths = [len(frames) for frames in neutral]
    return AlignedPairs(
        np.concatenate(neutral),
        np.concatenate(emotional),
        np.repeat(np.array(emotion, np.int64), lengths),
        np.repeat(np.array(intensity, np.float32), lengths),
        tuple(sources),
    )


_Pair = tuple[Float32, Float32, int, float, tuple[str, str]]


def _pairs_of_identity(clips: Clips, members: list[int]) -> list[_Pair]:
    """The pairs of one identity; its neutral clips are held in memory, the others one by one."""
    neutral = [clips[k] for k in members if clips.entries[k].emotion == NEUTRAL]
    pairs: list[_Pair] = []
    for k in members:
        entry = clips.entries[k]
        if entry.emotion == NEUTRAL or not neutral:
            continue
        clip = clips[k]
        partner = _partner(clip, neutral)
        if partner is None:
            continue
        other, alignment = partner
        pairs.append(
            (
                _frames_of(other, alignment, entry.frames),
                clip.landmarks,
                EMOTIONS.index(entry.emotion),
                entry.intensity,
                (entry.source, other.entry.source),
            )
        )
    return pairs


def _partner(clip: RealClip, neutral: list[RealClip]) -> tuple[RealClip, Alignment] | None:
    """The neutral clip that says the same, and how the two lie over each other."""
    alike = [
        (other, align(clip.features, other.features))
        for other in neutral
        if 1 / _LENGTHS <= other.entry.frames / clip.entry.frames <= _LENGTHS
    ]
    if not alike:
        return None
    alike.sort(key=lambda pair: pair[1].cost)
    others = [alignment.cost for _, alignment in alike[1:]]
    limit = STANDS_OUT * float(np.median(others)) if others else ALONE
    return alike[0] if alike[0][1].cost <= limit else None


def _frames_of(neutral: RealClip, alignment: Alignment, frames: int) -> Float32:
    """(frames, 204): the neutral face at the time of each emotional frame."""
    at = alignment.second_at(FEATURES_PER_FRAME * frames)
    # Features k · 2 and k · 2 + 1 are heard in frame k, whose middle is k + 0.5.
    at = (at.reshape(frames, -1).mean(1) + 0.5) / FEATURES_PER_FRAME - 0.5
    at = np.clip(at, 0, neutral.entry.frames - 1)
    below = np.minimum(at.astype(int), max(neutral.entry.frames - 2, 0))
    above = np.minimum(below + 1, neutral.entry.frames - 1)
    share = (at - below)[:, None].astype(np.float32)
    return (1 - share) * neutral.landmarks[below] + share * neutral.landmarks[above]
