"""The cheapest path through pitch candidates (Boersma 1993, section 3.4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...contract.units import FEATURES_PER_SECOND
from .autocorrelation import Candidates, Float64, PitchSettings

_COSTS_ARE_PER_SECOND = 100
"""Boersma states transition costs for steps of 10 ms."""


class PathFinder:
    """A Viterbi search that takes windows as they come and gives pitch with a delay of choice.

    The forward scores go on from window to window, so what `decide` says of a window depends on
    everything before it and on exactly those later windows that were added before the call.
    """

    def __init__(self, settings: PitchSettings) -> None:
        step = FEATURES_PER_SECOND / _COSTS_ARE_PER_SECOND
        self._settings = settings
        self._jump = settings.octave_jump_cost * step
        self._switch = settings.voiced_unvoiced_cost * step
        self._score: Float64 | None = None
        self._octave: Float64 = np.zeros(settings.candidates)
        self._pointers: list[NDArray[np.intp]] = []
        self._frequencies: list[Float64] = []

    @property
    def pending(self) -> int:
        """Windows added and not yet decided."""
        return len(self._frequencies)

    def add(self, candidates: Candidates, level: Float64) -> None:
        """Add T windows.

        Args:
            candidates: maxima of each window.
            level: (T,) the magnitude against which silence is judged.
        """
        settings = self._settings
        octave = np.log2(candidates.frequency)
        voiced = candidates.strength - settings.octave_cost * (
            np.log2(settings.ceiling_hz) - octave
        )
        merit = np.concatenate([self._unvoiced(candidates.peak, level)[:, None], voiced], axis=1)
        before = np.concatenate([self._octave[None], octave[:-1]]) if len(octave) else octave
        cost = np.full((len(octave), merit.shape[1], merit.shape[1]), self._switch)
        cost[:, 0, 0] = 0
        cost[:, 1:, 1:] = self._jump * np.abs(before[:, :, None] - octave[:, None, :])

        columns = np.arange(merit.shape[1])
        for t in range(len(merit)):
            if self._score is None:
                pointer, score = np.zeros(len(columns), np.intp), merit[t]
            else:
                total = self._score[:, None] - cost[t]
                pointer = total.argmax(axis=0)
                score = total[pointer, columns] + merit[t]
            # Only differences matter; without this the scores would lose digits for ever.
            self._score = score - score.max()
            self._pointers.append(pointer)
            self._frequencies.append(np.concatenate([[0.0], candidates.frequency[t]]))
        if len(octave):
            self._octave = octave[-1]

    def _unvoiced(self, peak: Float64, level: Float64) -> Float64:
        settings = self._settings
        loudness = np.divide(peak, level, out=np.zeros_like(peak), where=level > 0)
        quiet = 2 - loudness * (1 + settings.voicing_threshold) / settings.silence_threshold
        unvoiced: Float64 = settings.voicing_threshold + np.maximum(0, quiet)
        return unvoiced

    def decide(self, count: int) -> NDArray[np.float32]:
        """Pitch of the ``count`` oldest pending windows, (count,) float32 Hz, 0 where unvoiced."""
        pitch = self.guess()[:count]
        decided = np.zeros(count, np.float32)
        decided[: len(pitch)] = pitch
        del self._pointers[:count], self._frequencies[:count]
        return decided

    def guess(self) -> NDArray[np.float32]:
        """What `decide` would say of all pending windows now, (pending,) float32 Hz."""
        pitch = np.zeros(self.pending, np.float32)
        if self._score is None:
            return pitch
        state = int(self._score.argmax())
        for t in range(self.pending - 1, -1, -1):
            pitch[t] = self._frequencies[t][state]
            state = int(self._pointers[t][state])
        return pitch
