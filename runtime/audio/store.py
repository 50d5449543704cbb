"""Audio that is pushed at one end and forgotten at the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

LOOSE_PIECES = 1024
"""Pushes that are joined into one array, so that tiny ones do not cost an array each."""


class SampleStore:
    """Samples on absolute indices, 0 the first that was pushed.

    Attributes:
        end: how many were pushed in all.
    """

    def __init__(self) -> None:
        self._pieces: list[Float32] = []
        self._start = 0
        self._loose = 0
        self.end = 0

    @property
    def held(self) -> int:
        """Samples in memory."""
        return self.end - self._start

    @property
    def pieces(self) -> int:
        """Arrays that hold them."""
        return len(self._pieces)

    def push(self, samples: Float32) -> None:
        """Store (n,) float32 samples; they must not change afterwards."""
        self._pieces.append(samples)
        self.end += len(samples)
        self._loose += 1
        if self._loose == LOOSE_PIECES:
            self._pieces[-LOOSE_PIECES:] = [np.concatenate(self._pieces[-LOOSE_PIECES:])]
            self._loose = 0

    def read(self, first: int, last: int) -> Float32:
        """Samples ``first`` … ``last - 1``, (last - first,) float32; zeros beyond the end."""
        assert first >= self._start, "forgotten"
        piece = self._joined()[first - self._start : max(first, last) - self._start]
        if len(piece) == last - first:
            return piece
        padded: Float32 = np.zeros(last - first, np.float32)
        padded[: len(piece)] = piece
        return padded

    def forget(self, before: int) -> None:
        """Samples before index ``before`` will not be read again."""
        before = min(before, self.end)
        # Cutting copies what is left, so it waits until at least half can go.
        if 2 * (before - self._start) >= self.held > 0:
            self._pieces = [self._joined()[before - self._start :].copy()]
            self._start, self._loose = before, 0

    def _joined(self) -> Float32:
        if len(self._pieces) != 1:
            self._pieces = [np.concatenate([*self._pieces, np.zeros(0, np.float32)])]
            self._loose = 0
        return self._pieces[0]
