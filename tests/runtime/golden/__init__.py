"""Ten frames of the built-in avatar, kept as one picture."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import emogene
from emogene.runtime.audio.load import load

PICTURE = Path(__file__).with_name("frames.png")

SIZE = 192
"""Side of a frame, pixels."""

COUNT = 10

EVERY = 6
"""Every sixth frame is kept, and the emotion changes with each: all eight are seen."""


def render() -> NDArray[np.uint8]:
    """The frames as the package renders them now, side by side: (192, 1920, 3) uint8."""
    samples = load(str(files("emogene.runtime") / "data" / "sample.wav"))
    kept = []
    with emogene.open() as avatar, avatar.session(seed=11, size=SIZE) as session:
        for number in range(COUNT):
            session.set_emotion(emogene.EMOTIONS[number % len(emogene.EMOTIONS)])
            session.push(samples[640 * EVERY * number : 640 * EVERY * (number + 1)])
        session.flush()
        kept = [frame.image for frame in session if frame.index % EVERY == EVERY - 1]
    return np.concatenate(kept, axis=1)
