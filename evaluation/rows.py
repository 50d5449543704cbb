"""Rows of the method table: the film's own frames, made again from sound, with and without parts.

All rows keep the film's head poses, as comparisons of talking heads do, so pictures can be laid on
each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..contract.data import Condition
from ..contract.emotions import NEUTRAL
from ..contract.measure import psnr
from ..training.fields.film import Film
from .emotion import by_pixels
from .frechet import dct_features, frechet_distance
from .given import rendered_from_truth
from .images import ssim
from .landmarks import landmark_distance
from .material import RUN, Material, Take
from .subject import Subject

Picture = NDArray[np.uint8]

TRUE, FULL, NEUTRAL_ONLY, MUTE = (
    "true landmarks", "full", "without deformation", "one face for all",
)  # fmt: skip
"""Names of our rows: upper bound, the avatar as it is, the avatar without Eq. 2–4, lower bound."""


@dataclass(frozen=True)
class Row:
    """One way to make the film's frames.

    Attributes:
        name: of the way.
        pictures: (H, W, 3) uint8 of every frame of the film.
        landmarks: (N, 68, 3) float32 head space, behind them.
        figures: psnr, ssim, lmd, lmd.mouth, emotion_accuracy, frechet.dct.
    """

    name: str
    pictures: list[Picture]
    landmarks: NDArray[np.float32]
    figures: dict[str, float]


def film_rows(subject: Subject, material: Material) -> tuple[list[Row], dict[str, float]]:
    """All rows, and the figures of `given.rendered_from_truth`."""
    film = material.film
    pictures, given = rendered_from_truth(subject, material)
    rows = [Row(TRUE, pictures, film.landmarks, _figures(film, pictures, film.landmarks))]

    def spoken(emotion_of: Callable[[Take], str]) -> Iterator[Condition]:
        for take in material.takes:
            samples = material.corpus.held_out[take.utterance].samples
            performed = subject.perform(samples, emotion_of(take))
            for frame in range(take.first, take.first + RUN):
                yield performed.condition(frame)

    mean = film.landmarks.mean(0, keepdims=True)
    rows.append(_row(subject, film, FULL, spoken(lambda take: take.emotion)))
    rows.append(_row(subject, film, NEUTRAL_ONLY, spoken(lambda take: NEUTRAL)))
    rows.append(_row(subject, film, MUTE, (subject.given(mean)[0] for _ in range(len(film)))))
    return rows, given


def _row(subject: Subject, film: Film, name: str, conditions: Iterator[Condition]) -> Row:
    pictures, landmarks = [], []
    for condition, pose in zip(conditions, film.poses, strict=True):
        pictures.append(subject.picture(condition, pose, film.camera.size))
        landmarks.append(condition.landmarks[0])
    stacked = np.stack(landmarks)
    return Row(name, pictures, stacked, _figures(film, pictures, stacked))


def _figures(
    film: Film, pictures: list[Picture], landmarks: NDArray[np.float32]
) -> dict[str, float]:
    pairs = list(zip(pictures, film.images, strict=True))
    seen = replace(film, landmarks=landmarks).projected()
    apart = landmark_distance(seen, film.projected(), film.camera.size)
    named = by_pixels(pictures).argmax(1).numpy() == film.emotions
    return {
        "psnr": float(np.mean([psnr(x, y) for x, y in pairs])),
        "ssim": float(np.mean([ssim(x, y) for x, y in pairs])),
        "lmd": apart.pixels,
        "lmd.mouth": apart.mouth,
        "emotion_accuracy": float(named.mean()),
        "frechet.dct": frechet_distance(
            dct_features(pictures), dct_features(np.asarray(image) for image in film.images)
        ),
    }
