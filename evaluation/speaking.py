"""From sound to landmarks: does the face say what is heard, in every emotion?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..contract.emotions import EMOTIONS, NEUTRAL
from ..training.demo.head.camera import pose, project
from ..training.demo.performance import expression
from ..training.demo.speech.corpus import Utterance
from ..training.lips import Closures, closures, mouth_opening
from ..training.vae_data import mouth_of
from .frechet import frechet_distance, mouth_features
from .landmarks import (
    PICTURE,
    landmark_distance,
    mouth_error_ratio,
    opening_correlation,
    opening_lag,
)
from .material import Material
from .subject import Subject

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Spoken:
    """Held-out utterances and the faces that belong to them; lists run over the utterances.

    Attributes:
        subject: whose avatar speaks.
        material: where the truth comes from.
        utterances: what is said.
    """

    subject: Subject
    material: Material
    utterances: tuple[Utterance, ...]

    @cached_property
    def neutral(self) -> list[Float32]:
        """(F, 68, 3) each, as the avatar hears them, before any emotion."""
        return [self.subject.neutral(one.samples) for one in self.utterances]

    @cached_property
    def mouths(self) -> list[Float32]:
        """(F, 8) each, the true mouth parameters."""
        return [mouth_of(one) for one in self.utterances]

    def emotional(self, emotion: str) -> list[Float32]:
        """(F, 68, 3) each, the avatar's with its deformation."""
        return [self.subject.emotional(face, emotion) for face in self.neutral]

    def true(self, emotion: str) -> list[Float32]:
        """(F, 68, 3) each, the rig's, eyes never blinking."""
        landmarks_of = self.material.rig.landmarks
        return [landmarks_of(expression(mouth, emotion)) for mouth in self.mouths]


def speaking_figures(spoken: Spoken) -> dict[str, float]:
    """How well the neutral face speaks.

    Returns:
        mouth_error_ratio: see `landmarks.mouth_error_ratio`.
        mouth_opening_correlation: Pearson's r, a mean over utterances.
        mouth_opening_lag_frames: > 0 when the mouth is late, by cross-correlation with the truth.
        frechet.mouth: Fréchet distance of `frechet.mouth_features`, head units²: whether the mouth
            moves through the same shapes, whenever it does.
    """
    found, true = spoken.neutral, spoken.true(NEUTRAL)
    opened = [mouth_opening(face) for face in found]
    should = [mouth_opening(face) for face in true]
    features = (mouth_features(np.concatenate(faces)) for faces in (found, true))
    return {
        "mouth_error_ratio": mouth_error_ratio(found, true),
        "mouth_opening_correlation": opening_correlation(opened, should),
        "mouth_opening_lag_frames": float(opening_lag(opened, should)),
        "frechet.mouth": frechet_distance(*features),
    }


def emotion_figures(spoken: Spoken) -> dict[str, float]:
    """How well the face speaks in each emotion at full intensity.

    Returns, for every emotion E:
        lmd.E: LMD in pixels of 512² with deformation, lmd.E.mouth over the mouth alone,
            lmd.E.normalised in inter-ocular distances (`landmarks.LandmarkDistance`), seen from
            the front; and lmd.E.without_deformation, lmd.E.mouth.without_deformation.
        closure.E: share of p, b and m whose lips close (`training.lips.closures`), and
            closure.E.true, the rig's own share.
        lmd.mean, lmd.mean.without_deformation: over the emotions; closure.lowest.
    """
    figures: dict[str, float] = {}
    plain = _seen(spoken, spoken.neutral)
    for emotion in EMOTIONS:
        moved, true = spoken.emotional(emotion), spoken.true(emotion)
        truth = _seen(spoken, true)
        with_, without = (landmark_distance(x, truth) for x in (_seen(spoken, moved), plain))
        figures |= {
            f"lmd.{emotion}": with_.pixels,
            f"lmd.{emotion}.mouth": with_.mouth,
            f"lmd.{emotion}.normalised": with_.normalised,
            f"lmd.{emotion}.without_deformation": without.pixels,
            f"lmd.{emotion}.mouth.without_deformation": without.mouth,
            f"closure.{emotion}": _closing(spoken, moved),
            f"closure.{emotion}.true": _closing(spoken, true),
        }
    for end in ("", ".without_deformation"):
        figures[f"lmd.mean{end}"] = float(np.mean([figures[f"lmd.{e}{end}"] for e in EMOTIONS]))
    figures["closure.lowest"] = min(figures[f"closure.{e}"] for e in EMOTIONS)
    return figures


def _closing(spoken: Spoken, faces: list[Float32]) -> float:
    counts = (
        closures(face, one.segments) for face, one in zip(faces, spoken.utterances, strict=True)
    )
    return sum(counts, Closures(0, 0)).rate


def _seen(spoken: Spoken, faces: list[Float32]) -> NDArray[np.float64]:
    """All frames' landmarks in a picture of 512², the head upright: (N, 68, 2)."""
    camera = spoken.subject.camera.scaled(PICTURE)
    return project(np.concatenate(faces), pose(), camera)[..., :2]
