"""What the renderer is given for a frame, and the frame it gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .units import FRAMES_PER_SECOND

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Condition:
    """What the fields are given for a run of frames.

    Attributes:
        landmarks: (F, 68, 3) float32, head space, emotional: drive the displacement.
        windows: (F, W, 204) float32: for the condition stage.
        torso: (F, 204) float32: head space, not normalised: what the torso is conditioned on.
        first: absolute index of the first frame.
        eye_opening: (F,) float32: for a condition stage that is told about the eyes, else None.
    """

    landmarks: Float32
    windows: Float32
    torso: Float32
    first: int
    eye_opening: Float32 | None = None

    @property
    def stage_inputs(self) -> dict[str, Float32]:
        """What the condition stage is given, by name."""
        inputs = {"windows": self.windows}
        return inputs if self.eye_opening is None else inputs | {"eye_opening": self.eye_opening}


@dataclass(frozen=True)
class Pose:
    """Where the head is.

    Attributes:
        matrix: (3, 4) float32 camera-from-head.
        idle: whether the frame shows nobody speaking.
    """

    matrix: Float32
    idle: bool


@dataclass(frozen=True)
class Frame:
    """One finished picture and the audio that belongs to it.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        index: absolute frame index in the session.
        audio: (640,) float32: the samples played while the frame is shown.
        idle: whether the frame shows nobody speaking.
        emotion: the emotion it wears.
        speech_seconds: time spent on hearing and motion for it, seconds; the first frame of a hop
            pays for all of it.
        render_seconds: time spent on rendering it, seconds.
        samples_per_ray: field samples taken, over rays that met the head.
    """

    image: NDArray[np.uint8]
    index: int
    audio: Float32
    idle: bool
    emotion: str
    speech_seconds: float = 0.0
    render_seconds: float = 0.0
    samples_per_ray: float = 0.0

    @property
    def time(self) -> float:
        """When the frame is shown, seconds from the session's start."""
        return self.index / FRAMES_PER_SECOND
