"""Who speaks when: one judgement a video frame, by energy.

Levels of 10 ms blocks are compared with a threshold that stands above the noise floor and within
reach of the loudest speech so far. What is found is smoothed: single blips are dropped, speech is
held a little before and after, and short gaps are closed. Every step looks a fixed number of frames
ahead and none depends on how the audio was cut.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from ...contract.errors import BadOption
from ...contract.units import FRAMES_PER_SECOND, SAMPLES_PER_FRAME

Float32 = NDArray[np.float32]
Bools = NDArray[np.bool_]

BLOCKS_PER_FRAME = 4
"""Level blocks in a frame; 10 ms is shorter than any sound of speech."""

STEADY_FRAMES = 6
"""Frames looked at to tell steady noise from speech, the frame itself included (240 ms)."""

STEADY_RANGE_DB = 6.0
"""Blocks that stay within this are steady. White noise spreads 3 dB, speech more than 10."""

NOISE_BELOW_SPEECH_DB = 10.0
"""A steady stretch closer than this to the speech level is a held vowel, not noise."""

NOISE_MEMORY_FRAMES = 2 * FRAMES_PER_SECOND + FRAMES_PER_SECOND // 2
"""How long a noise floor is believed: in 2.5 s everyone pauses for a moment."""

ASSUMED_FLOOR_DB = -60.0
"""Noise floor assumed of the time before the first sample, dBFS: a quiet room."""

ABOVE_FLOOR_DB, BELOW_SPEECH_DB, FAINTEST_DB = 8.0, 35.0, -85.0
"""Speech is this much above the floor, at most this much below the loudest, and not fainter."""

HYSTERESIS_DB = 4.0
"""Speech that has begun goes on until it is this much below the threshold."""

SPEECH_DECAY_DB = 3.0 / FRAMES_PER_SECOND
"""The speech level falls by this each frame, so that a shout is forgotten."""

DIGITAL_ZERO_DB = -95.0
"""Below the rounding noise of 16 bits: says nothing about the room."""

SHORTEST_SPEECH, SHORTEST_SILENCE = 2, 3
"""Frames; shorter ones are not believed."""

LEAD, HANGOVER = 1, 5
"""Frames held as speech before and after the sound: lips open early and words fade."""

LOOKAHEAD_FRAMES = (STEADY_FRAMES - 1) + (SHORTEST_SPEECH - 1) + LEAD + (SHORTEST_SILENCE - 1)
"""Frames after frame k that must be there before frame k is judged."""

TOLD_LATE = 5
"""Frames by which the head learns of speech and silence after they begin. Heads move a little after
the lips, and so a stream need not wait for `LOOKAHEAD_FRAMES`."""

TOLD_AFTER = LOOKAHEAD_FRAMES - TOLD_LATE
"""Frames after frame k that must be there before the head is told of frame k."""


def speaking(samples: Float32, first: int = 0) -> Bools:
    """Judge a whole utterance.

    Args:
        samples: (n,) float32, mono, 16 kHz.
        first: absolute index of the first sample, a multiple of 640.

    Returns:
        (ceil(n / 640),) bool: whether somebody speaks, for the frames from ``first // 640``.

    Raises:
        BadOption: ``first`` does not begin a frame.
    """
    if first % SAMPLES_PER_FRAME:
        raise BadOption(
            "first",
            expected=f"a multiple of {SAMPLES_PER_FRAME} samples, the start of a video frame",
            found=str(first),
            remedy="begin the audio at a frame",
        )
    judge = SilenceJudge()
    return np.concatenate([judge.push(samples), judge.flush()])


class SilenceJudge:
    """`speaking` for audio in pieces; frame k is given once k + LOOKAHEAD_FRAMES has arrived."""

    def __init__(self) -> None:
        self._tail: Float32 = np.zeros(0, np.float32)
        self._pushed = 0
        self._given = 0
        self._activity = _Activity()
        self._smoother = _Smoother()

    def push(self, samples: Float32) -> Bools:
        """Take (n,) float32 samples; return the judgements they complete, (F,) bool."""
        self._pushed += len(samples)
        judged = self._take(samples)
        self._given += len(judged)
        return judged

    def flush(self) -> Bools:
        """End the audio, as if silence followed: the judgements left. The judge is spent."""
        frames = -(-self._pushed // SAMPLES_PER_FRAME)
        end = (frames + LOOKAHEAD_FRAMES) * SAMPLES_PER_FRAME
        return self._take(np.zeros(end - self._pushed, np.float32))[: frames - self._given]

    def _take(self, samples: Float32) -> Bools:
        audio = np.concatenate([self._tail, samples])
        frames = len(audio) // SAMPLES_PER_FRAME
        self._tail = audio[frames * SAMPLES_PER_FRAME :].copy()
        judged: list[bool] = []
        for levels in block_levels(audio[: frames * SAMPLES_PER_FRAME]):
            for active in self._activity.step(levels):
                judged += self._smoother.step(active)
        return np.array(judged, np.bool_)


class Silences:
    """Whether nobody speaks, frame by frame, as the head is told: `TOLD_LATE` frames late.

    Frames must be asked for in order, each once the `TOLD_AFTER` frames after it were pushed.
    """

    def __init__(self) -> None:
        self._judge = SilenceJudge()
        self._silent: Bools = np.ones(TOLD_LATE, np.bool_)
        self._from = 0

    def push(self, samples: Float32) -> None:
        """Hear (n,) float32 samples more."""
        self._silent = np.concatenate([self._silent, ~self._judge.push(samples)])

    def flush(self) -> None:
        """End the audio, as if silence followed."""
        self._silent = np.concatenate([self._silent, ~self._judge.flush()])

    def __getitem__(self, frame: int) -> bool:
        if frame - self._from > NOISE_MEMORY_FRAMES:
            self._silent = self._silent[frame - self._from :]
            self._from = frame
        return bool(self._silent[frame - self._from])


def block_levels(samples: Float32) -> NDArray[np.float64]:
    """(F · 640,) float32 → (F, 4) float64 dBFS of each 10 ms, any offset taken out."""
    blocks = samples.astype(np.float64).reshape(-1, SAMPLES_PER_FRAME // BLOCKS_PER_FRAME)
    power = ((blocks - blocks.mean(axis=1, keepdims=True)) ** 2).mean(axis=1)
    levels: NDArray[np.float64] = 10 * np.log10(np.maximum(power, 1e-12))
    return levels.reshape(-1, BLOCKS_PER_FRAME)


class _Activity:
    """Which frames stand out of the noise; STEADY_FRAMES - 1 frames behind its input."""

    def __init__(self) -> None:
        self._ahead: deque[NDArray[np.float64]] = deque()
        self._lowest = deque([ASSUMED_FLOOR_DB] * NOISE_MEMORY_FRAMES, NOISE_MEMORY_FRAMES)
        self._noise, self._noise_age = 0.0, NOISE_MEMORY_FRAMES
        self._speech = -np.inf
        self._on = False

    def step(self, levels: NDArray[np.float64]) -> list[bool]:
        """Take the (4,) levels of the next frame; give what is now known: nothing or one frame."""
        self._ahead.append(levels)
        if len(self._ahead) < STEADY_FRAMES:
            return []
        seen = np.concatenate(self._ahead)
        here = self._ahead.popleft()
        loudest = float(seen.max())
        sounding = seen[seen > DIGITAL_ZERO_DB]
        self._lowest.append(float(sounding.min()) if len(sounding) else ASSUMED_FLOOR_DB)
        self._speech -= SPEECH_DECAY_DB
        self._noise_age += 1
        if loudest - float(seen.min()) <= STEADY_RANGE_DB:
            if loudest > DIGITAL_ZERO_DB:
                self._noise, self._noise_age = loudest, 0
        else:
            self._speech = max(self._speech, loudest)
        threshold = max(self._floor() + ABOVE_FLOOR_DB, self._speech - BELOW_SPEECH_DB, FAINTEST_DB)
        self._on = float(here.max()) > threshold - (HYSTERESIS_DB if self._on else 0.0)
        return [self._on]

    def _floor(self) -> float:
        fresh = self._noise_age < NOISE_MEMORY_FRAMES
        if fresh and self._noise < self._speech - NOISE_BELOW_SPEECH_DB:
            return self._noise
        if fresh and self._speech == -np.inf:
            return self._noise  # nothing but steady sound so far
        return min(self._lowest)


class _Smoother:
    """Drops blips, holds speech, closes gaps; the rest of LOOKAHEAD_FRAMES behind its input."""

    _AHEAD = LEAD + SHORTEST_SILENCE - 1

    def __init__(self) -> None:
        # Before the first frame nobody spoke; the answers about that time are skipped.
        self._raw = deque([False] * (2 * SHORTEST_SPEECH - 2), 2 * SHORTEST_SPEECH - 1)
        self._skip = SHORTEST_SPEECH - 1
        self._sure = deque([False] * HANGOVER, HANGOVER + 1 + self._AHEAD)
        self._speaking = False

    def step(self, active: bool) -> list[bool]:
        """Take the next frame's activity; give what is now known: nothing or one frame."""
        self._raw.append(active)
        if self._skip:
            self._skip -= 1
            return []
        self._sure.append(self._in_a_run())
        if len(self._sure) < HANGOVER + 1 + self._AHEAD:
            return []
        near = list(self._sure)[: HANGOVER + 1 + LEAD]
        self._speaking = any(near) or (self._speaking and any(self._sure))
        return [self._speaking]

    def _in_a_run(self) -> bool:
        """Whether the middle of the raw frames lies in a run of SHORTEST_SPEECH active ones."""
        raw, n = list(self._raw), SHORTEST_SPEECH
        return any(all(raw[start : start + n]) for start in range(n))
