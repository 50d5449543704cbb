"""How much of the sound a session has heard when it must say what the mouth does.

Offline, a feature knows its whole utterance. Live, the encoder runs every hop anew on a piece of
the stream: some left context, the hop, and a little look-ahead; and its input is normalised by the
moments of what has been heard so far. Networks trained on both give nearly the same face for both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ..contract.units import (
    FEATURES_PER_FRAME,
    FEATURES_PER_SECOND,
    HUBERT_RECEPTIVE_FIELD,
    SAMPLES_PER_FEATURE,
)
from ..reference.speech_encoder import SpeechEncoder
from ..runtime.audio.normalise import RunningMoments, normalise
from ..runtime.profiles import LIVE as LIVE_PROFILE
from .devices import on_device

Float32 = NDArray[np.float32]

_OVERHANG = HUBERT_RECEPTIVE_FIELD - SAMPLES_PER_FEATURE
_BATCH = 16  # pieces that are encoded together


@dataclass(frozen=True)
class Hearing:
    """What the encoder is given for each hop, in features of 20 ms."""

    left: int
    """Features before the hop."""
    hop: int
    """Features that are kept."""
    right: int
    """Features after it: the look-ahead."""

    @staticmethod
    def draw(rng: np.random.Generator) -> Hearing:
        """At random: 0.4 to 2.4 s of left context, 0.08 to 0.8 s of look-ahead, hops of 0.48 s.

        Long hops, for the sake of time; their features have from `right` up to `right` + 0.46 s
        of look-ahead.
        """
        left = 0.4 * 6.0 ** rng.random()
        right = 0.08 * 10.0 ** rng.random()
        seconds = (left, 0.48, right)
        return Hearing(*(round(x * FEATURES_PER_SECOND) for x in seconds))


assert LIVE_PROFILE.lookahead is not None
LIVE = Hearing(
    *(FEATURES_PER_FRAME * x for x in (LIVE_PROFILE.left, LIVE_PROFILE.hop, LIVE_PROFILE.lookahead))
)
"""As the runtime's live profile hears: what drift is measured with."""


@torch.no_grad()
def hear(
    encoder: SpeechEncoder, samples: Float32, count: int, hearing: Hearing | None = None
) -> Float32:
    """Features of one utterance as a session computes them: offline, or hop by hop.

    Args:
        samples: (N,) at 16 kHz, not normalised; silence follows their end.
        hearing: None knows the whole utterance.

    Returns:
        (count, D) float32.
    """
    if hearing is None:
        whole = _padded(normalise(samples), count)
        features: Float32 = encoder(on_device(whole)[None])[0].cpu().numpy()
        return features
    raw = _padded(samples, count)
    listener = Listener(raw)
    found = np.empty((count, encoder.config.hidden), np.float32)
    for group in _groups(count, hearing):
        pieces = []
        for hop in group:
            begin, end = hop.first * SAMPLES_PER_FEATURE, hop.end * SAMPLES_PER_FEATURE + _OVERHANG
            pieces.append(listener.hear(begin, end))
        encoded = encoder(on_device(np.stack(pieces))).cpu().numpy()
        for features, hop in zip(encoded, group, strict=True):
            found[hop.start : hop.last] = features[hop.start - hop.first : hop.last - hop.first]
    return found


class Listener:
    """Pieces of one stream, in order, each scaled by the moments of all up to its end.

    Args:
        samples: (N,) float32, not normalised.
    """

    def __init__(self, samples: Float32) -> None:
        self._samples, self._moments, self._told = samples, RunningMoments(), 0

    def hear(self, begin: int, end: int) -> Float32:
        """Samples ``begin`` … ``end - 1``, (end - begin,) float32, as live sessions scale them."""
        self._moments.push(self._samples[self._told : end])
        self._told = max(self._told, end)
        return self._moments.scale(self._samples[begin:end])


class _Hop(NamedTuple):
    """Features first … end - 1 are encoded, start … last - 1 are kept."""

    first: int
    start: int
    last: int
    end: int


def _groups(count: int, hearing: Hearing) -> Iterator[list[_Hop]]:
    """The hops of `count` features, neighbours whose pieces are equally long together."""
    hops = [
        _Hop(
            max(0, start - hearing.left),
            start,
            min(start + hearing.hop, count),
            min(start + hearing.hop + hearing.right, count),
        )
        for start in range(0, count, hearing.hop)
    ]
    for _, alike in groupby(hops, key=lambda hop: hop.end - hop.first):
        group = list(alike)
        for first in range(0, len(group), _BATCH):
            yield group[first : first + _BATCH]


def _padded(samples: Float32, count: int) -> Float32:
    """What `count` features see: cut, or followed by silence."""
    padded = np.zeros(count * SAMPLES_PER_FEATURE + _OVERHANG, np.float32)
    used = samples[: len(padded)]
    padded[: len(used)] = used
    return padded
