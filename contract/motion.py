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
class PeriodicBlinkStep:
    """Blink as the published inference does: at fixed absolute frames.

    In every frame the four upper-lid points are raised and the four lower ones lowered by ``lift``.
    During a blink, lids are mixed towards a closed eye, whose lid points stand on the line between
    the eye's corners, at a third and two thirds of it (0.33 and 0.67 as published).

    Attributes:
        shape: closedness of the successive frames of one blink, 0 open, 1 closed.
        period: frames between the starts of two blinks.
        first: frame at which the first begins.
        lift: how far lids are opened beforehand, head-space units.
    """

    shape: tuple[float, ...] = (0.1, 0.5, 0.7, 1.0, 0.7, 0.5, 0.1)
    period: int = 100
    first: int = 75
    lift: float = 0.03
    kind: Literal["periodic_blink"] = "periodic_blink"


@dataclass(frozen=True)
class LleStep:
    """Draw landmarks towards the training data: locally linear embedding (LLE).

    The frame x is projected on the affine hull of its nearest neighbours f_1 … f_K in the tensor
    ``motion.database`` (N, 204): with A = (f_2 - f_1, …) and w = (AᵀA + regulariser I)⁻¹ Aᵀ (x -
    f_1), the projection is f_1 + A w, and the result (1 - share) x + share (f_1 + A w).

    Attributes:
        neighbours: K, at least 2; all of the database where it is smaller.
        share: of the projection, 0…1.
        regulariser: squared head-space units.
    """

    neighbours: int = 10
    share: float = 0.2
    regulariser: float = 1e-8
    kind: Literal["lle"] = "lle"


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


MotionStep = (
    DeformStep | BlinkStep | PeriodicBlinkStep | LleStep | ClampStep | NormaliseStep | WindowStep
)


@dataclass(frozen=True)
class EyeOpening:
    """How far the eyes are open, as a number the condition stage is given beside the landmarks.

    Attributes:
        rest: between blinks.
        open, closed: what a blink mixes by its closedness. (In the published inference ``rest`` is
            0.6 while it blinks, whatever ``open`` is.)
    """

    rest: float
    open: float
    closed: float


@dataclass(frozen=True)
class MotionSpec:
    """Steps in order, and what the torso is conditioned on.

    Attributes:
        steps: executed in order; steps before `NormaliseStep` work in head space, and the landmarks
            as they stand there drive the field's displacement.
        torso_condition: ``emotional`` landmarks as Eq. 8 says, or the ``neutral`` ones: as if no
            `DeformStep` and no `LleStep` were there.
        eyes: what the condition stage is told about the eyes; None leaves that input out.
    """

    steps: tuple[MotionStep, ...]
    torso_condition: Literal["emotional", "neutral"] = "emotional"
    eyes: EyeOpening | None = None

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
