"""The ordered steps between neutral landmarks and what the fields are given.

A `MotionSpec` is written into the manifest; ``runtime/motion/`` has one small file a step. A step's
tensors live in the engine directory's weights under the names given here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class DeformStep:
    """Add the landmark deformation of the frame's emotion, times its intensity (Eq. 4).

    ``neutral`` bypasses the model: its embedding row is never trained.
    """

    kind: Literal["deform"] = "deform"


@dataclass(frozen=True)
class BlinkStep:
    """Draw the upper lids towards the lower ones, now and then, keyed by (seed, absolute frame).

    Attributes:
        shape: closedness of the successive frames of one blink, 0 open, 1 closed.
        shortest, longest: frames between the starts of two blinks.
        gap: share of the lid distance that remains when closed.
    """

    shape: tuple[float, ...]
    shortest: int
    longest: int
    gap: float = 0.0
    kind: Literal["blink"] = "blink"


@dataclass(frozen=True)
class ClampStep:
    """Clamp every coordinate between the tensors ``motion.low`` and ``motion.high``, (204,)."""

    kind: Literal["clamp"] = "clamp"


@dataclass(frozen=True)
class NormaliseStep:
    """Subtract ``motion.mean`` and divide by ``motion.scale``, both (204,)."""

    kind: Literal["normalise"] = "normalise"


@dataclass(frozen=True)
class WindowStep:
    """Give the condition stage the frames around each frame, zeros beyond the utterance's ends.

    Attributes:
        width: frames of the window, odd; it looks ahead by ``width // 2``.
    """

    width: int
    kind: Literal["window"] = "window"


MotionStep = DeformStep | BlinkStep | ClampStep | NormaliseStep | WindowStep


@dataclass(frozen=True)
class MotionSpec:
    """Steps in order, and what the torso is conditioned on.

    Attributes:
        steps: executed in order; steps before `NormaliseStep` work in head space, and the landmarks
            as they stand there drive the field's displacement.
        torso_condition: ``emotional`` landmarks as Eq. 8 says, or the ``neutral`` ones.
    """

    steps: tuple[MotionStep, ...]
    torso_condition: Literal["emotional", "neutral"] = "emotional"

    @property
    def window(self) -> int:
        """Frames the condition stage sees at once."""
        return next((s.width for s in self.steps if isinstance(s, WindowStep)), 1)

    @property
    def look_ahead(self) -> int:
        """Frames of the future that a frame's condition needs."""
        return self.window // 2


@dataclass(frozen=True)
class IdleSpec:
    """How still stretches are found in the training poses (Eq. 10).

    Attributes:
        tolerance: consecutive poses count as still when their cosine similarity, in float64, is
            ≥ 1 - tolerance. The paper's literal rule is ≥ 1 in float32, which rounding decides.
        gap: frames between idle segments in Algorithm 1.
    """

    tolerance: float = 1e-9
    gap: int = 25
