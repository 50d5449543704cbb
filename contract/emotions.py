"""The eight emotions, in the order of the embedding's rows: alphabetical, as labels sort."""

from __future__ import annotations

import difflib

from .errors import BadOption

EMOTIONS: tuple[str, ...] = (
    "angry",
    "contempt",
    "disgust",
    "fear",
    "happy",
    "neutral",
    "sad",
    "surprise",
)

NEUTRAL = "neutral"

MAX_INTENSITY = 1.5
"""Intensity scales the deformation: 0 is neutral, 1 as trained, 1.5 the most that is accepted."""


def emotion_index(name: str) -> int:
    """Row of ``name`` in the emotion embedding.

    Raises:
        BadOption: no such emotion; the message lists the eight and suggests the nearest.
    """
    if name in EMOTIONS:
        return EMOTIONS.index(name)
    near = difflib.get_close_matches(str(name).lower(), EMOTIONS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "choose one of them"
    raise BadOption(
        "emotion", expected=f"one of {', '.join(EMOTIONS)}", found=repr(name), remedy=hint
    )


def checked_intensity(value: float) -> float:
    """``value`` as a float in [0, 1.5]; raises `BadOption` otherwise (NaN included)."""
    if 0.0 <= float(value) <= MAX_INTENSITY:
        return float(value)
    raise BadOption(
        "intensity",
        expected=f"a number from 0 to {MAX_INTENSITY}",
        found=str(value),
        remedy="0 is neutral, 1 is the emotion as trained",
    )
