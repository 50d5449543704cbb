"""`MotionSpec` put to work: the steps in their order, and the conditions they give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...contract.data import Condition, Float32
from ...contract.landmarks import LANDMARKS
from ...contract.motion import (
    BlinkStep,
    ClampStep,
    DeformStep,
    LleStep,
    MotionSpec,
    NormaliseStep,
    PeriodicBlinkStep,
    WindowStep,
)
from ...contract.weights import DATABASE, HIGH, LOW, MEAN, SCALE
from ..backends.protocol import Runner
from ..blocks import Blocks
from .blink import Blink
from .clamp import Clamp
from .deform import Deform
from .lle import Lle
from .normalise import Normalise
from .periodic_blink import PeriodicBlink
from .step import Moment, Step
from .window import window


@dataclass(frozen=True)
class Shaped:
    """A run of frames after all steps but the window.

    Attributes:
        landmarks: (F, 68, 3) float32 as they stand in head space; drive the displacement.
        code: (F, 204) float32 after the last step; what windows are cut from.
        torso: (F, 204) float32 landmarks that the torso is conditioned on, head space.
        eye_opening: (F,) float32, or None where the condition stage is not told.
    """

    landmarks: Float32
    code: Float32
    torso: Float32
    eye_opening: Float32 | None = None


class MotionPipeline:
    """The steps of one avatar, for one session's seed."""

    def __init__(
        self,
        spec: MotionSpec,
        weights: Mapping[str, NDArray],  # type: ignore[type-arg]
        deformation: Runner,
        seed: int,
    ) -> None:
        self._spec = spec
        self._steps: list[tuple[type, Step]] = []
        for step in spec.steps:
            made = _make(step, weights, deformation, seed)
            if made is not None:
                self._steps.append((type(step), made))

    @property
    def window(self) -> int:
        """Frames the condition encoder sees at once."""
        return self._spec.window

    def shape(self, neutral: Float32, moment: Moment) -> Shaped:
        """Run all steps on (F, 204) neutral landmarks."""
        landmarks, code = self._run(neutral, moment, leave_out=())
        torso = landmarks
        if self._spec.torso_condition == "neutral":
            torso, _ = self._run(neutral, moment, leave_out=(DeformStep, LleStep))
        opening = self._eye_opening(moment.first, len(neutral))
        return Shaped(landmarks.reshape(-1, LANDMARKS, 3), code, torso, opening)

    def _eye_opening(self, first: int, count: int) -> Float32 | None:
        """(count,) float32 as `EyeOpening` says; None where the avatar has none."""
        eyes = self._spec.eyes
        if eyes is None:
            return None
        opening: Float32 = np.full(count, eyes.rest, np.float32)
        for _, step in self._steps:
            if isinstance(step, (Blink, PeriodicBlink)):
                closed = step.closedness(first, count)
                mixed = eyes.open * (1 - closed) + eyes.closed * closed
                opening = np.where(closed > 0, mixed, opening).astype(np.float32)
        return opening

    def _run(
        self, points: Float32, moment: Moment, *, leave_out: tuple[type, ...]
    ) -> tuple[Float32, Float32]:
        """Landmarks before they are normalised, and the result of the last step."""
        in_head_space = None
        for kind, step in self._steps:
            if kind is NormaliseStep and in_head_space is None:
                in_head_space = points
            if kind not in leave_out:
                points = step(points, moment)
        return (points if in_head_space is None else in_head_space), points


def _make(
    step: object,
    weights: Mapping[str, NDArray],  # type: ignore[type-arg]
    deformation: Runner,
    seed: int,
) -> Step | None:
    if isinstance(step, DeformStep):
        return Deform(deformation)
    if isinstance(step, BlinkStep):
        return Blink(step, seed)
    if isinstance(step, PeriodicBlinkStep):
        return PeriodicBlink(step)
    if isinstance(step, LleStep):
        return Lle(step, weights[DATABASE])
    if isinstance(step, ClampStep):
        return Clamp(weights[LOW], weights[HIGH])
    if isinstance(step, NormaliseStep):
        return Normalise(weights[MEAN], weights[SCALE])
    if isinstance(step, WindowStep):
        return None  # cut by `Conditions`, which sees the frames around
    raise TypeError(f"no step for {step!r}")


class Conditions:
    """The condition of every frame of one utterance.

    Args:
        shaped: hop index → its frames (`MotionPipeline.shape`), followed by ``ahead`` frames that
            are guesses at the next hop's.
        hop: frames in a hop.
        width: frames in the condition's window.
        count: frames in the utterance, as far as is known.
        first: absolute index of its first frame.
        ahead: guessed frames; 0 where the next hop can be computed at any time.
    """

    def __init__(
        self,
        shaped: Callable[[int], Shaped],
        *,
        hop: int,
        width: int,
        count: Callable[[], int],
        first: int,
        ahead: int = 0,
    ) -> None:
        # A window no wider than a hop reaches into two hops at most.
        self._shaped = Blocks(shaped, keep=2 + width // hop)
        self._hop, self._width, self._count, self._first = hop, width, count, first
        self._ahead = ahead

    def __getitem__(self, frame: int) -> Condition:
        """The condition of frame ``frame`` of the utterance, F = 1."""
        here, place = self._shaped[frame // self._hop], frame % self._hop

        def code(other: int) -> Float32:
            return self._code(other, frame // self._hop)

        return Condition(
            landmarks=here.landmarks[place : place + 1],
            windows=window(code, frame, self._width, self._count())[None],
            torso=here.torso[place : place + 1],
            first=self._first + frame,
            eye_opening=None if here.eye_opening is None else here.eye_opening[place : place + 1],
        )

    def _code(self, frame: int, hop: int) -> Float32:
        """The code of ``frame`` as it is known in hop number ``hop``."""
        if self._ahead:
            # Beyond what is guessed the last guess holds.
            hop = min(hop, frame // self._hop)
            place = min(frame - hop * self._hop, self._hop + self._ahead - 1)
        else:
            hop, place = divmod(frame, self._hop)
        code: Float32 = self._shaped[hop].code[place]
        return code
