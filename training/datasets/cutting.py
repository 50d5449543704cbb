"""How a recording is divided into clips."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ...contract.units import FRAMES_PER_LATENT, FRAMES_PER_SECOND
from .clips import Split
from .sources import HELD_OUT_SHARE
from .speech import CLIP_FRAMES


def held_out_start(frames: int, shortest_s: float) -> int:
    """The first of a recording's last frames, which are held out: a tenth, at least one clip."""
    return max(0, frames - max(_shortest(shortest_s), round(HELD_OUT_SHARE * frames)))


def _shortest(shortest_s: float) -> int:
    """Frames of the shortest clip: whole latents."""
    frames = int(shortest_s * FRAMES_PER_SECOND)
    return max(FRAMES_PER_LATENT, frames - frames % FRAMES_PER_LATENT)


def cut(
    valid: NDArray[np.bool_], split: Split | None, shortest_s: float
) -> Iterator[tuple[int, int, Split]]:
    """Clips of a recording: (first, last + 1, split) of runs of valid frames.

    No clip is longer than ten seconds, nor shorter than `shortest_s`; all are whole latents. With
    no `split` the last tenth is held out, and no clip lies on both sides.
    """
    longest = CLIP_FRAMES - CLIP_FRAMES % FRAMES_PER_LATENT
    shortest = _shortest(shortest_s)
    border = len(valid) if split else held_out_start(len(valid), shortest_s)
    parts: list[tuple[int, int, Split]] = (
        [(0, len(valid), split)]
        if split
        else [(0, border, "training"), (border, len(valid), "held_out")]
    )
    for start, end, of in parts:
        edges = np.diff(np.concatenate([[0], valid[start:end].astype(np.int8), [0]]))
        for first, last in zip(
            np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True
        ):
            at, stop = start + int(first), start + int(last)
            while stop - at >= shortest:
                length = min(longest, stop - at)
                length -= length % FRAMES_PER_LATENT
                yield at, at + length, of
                at += length
