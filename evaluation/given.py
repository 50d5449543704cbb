"""The fields by themselves: rendered from true landmarks and poses, beside the film."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..contract.measure import psnr
from ..runtime.render.head import HeadImage
from ..training.fields.evaluate import HeadPicture, score_frame
from ..training.fields.film import Film
from .images import flicker, ssim
from .material import RUN, Material
from .subject import Subject

Picture = NDArray[np.uint8]

UNTOUCHED = 3
"""Levels of 255 of the head's coverage below which a pixel belongs to torso and background."""


def rendered_from_truth(
    subject: Subject, material: Material
) -> tuple[list[Picture], dict[str, float]]:
    """Render every frame of the film from its landmarks and pose.

    Returns:
        the pictures, and means over the frames of
        psnr.head, psnr.mouth: in the head's box and the mouth's, head over grey on both sides, as
            trainings report it (`training.fields.evaluate.score_frame`), dB.
        psnr.torso: torso and background: where the film shows no head at all, dB.
        psnr.picture, ssim: the whole picture.
        samples_per_ray: field samples over rays that took any.
        flicker, flicker.film: see `images.flicker`, over the film's takes.
    """
    film, size = material.film, material.film.camera.size
    box = film.head_box()
    pictures: list[Picture] = []
    rows = []
    for take in material.takes:
        shown = slice(take.start, take.start + RUN)
        conditions = subject.given(film.landmarks[shown])
        for k, frame in enumerate(range(take.start, take.start + RUN)):
            given = conditions[k], film.poses[frame], size
            pictures.append(subject.picture(*given))
            rows.append(_figures(film, frame, box, subject.head(*given), pictures[-1]))
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    return pictures, means | flicker_of(pictures, film)


def flicker_of(pictures: list[Picture], film: Film) -> dict[str, float]:
    """`images.flicker` of pictures of the film's frames, a mean over its takes."""
    found = [
        flicker(pictures[start : start + RUN], film.images[start : start + RUN])
        for start in range(0, len(pictures) - RUN + 1, RUN)
    ]
    pairs = [pair for pair in found if pair is not None]
    if not pairs:
        return {}
    ours, theirs = np.mean(pairs, axis=0)
    return {"flicker": float(ours), "flicker.film": float(theirs)}


def _figures(
    film: Film, frame: int, box: tuple[int, int, int, int], head: HeadImage, picture: Picture
) -> dict[str, float]:
    top, bottom, left, right = box
    size = film.camera.size
    score = score_frame(
        HeadPicture(
            head.colour.reshape(size, size, 3)[top:bottom, left:right],
            head.opacity.reshape(size, size)[top:bottom, left:right],
            np.zeros((bottom - top, right - left), np.int64),
        ),
        film,
        frame,
        box,
    )
    truth = np.asarray(film.images[frame])
    free = film.head_alpha[frame] < UNTOUCHED
    return {
        "psnr.head": score.head_db,
        "psnr.mouth": score.mouth_db,
        "psnr.torso": psnr(picture[free], truth[free]),
        "psnr.picture": psnr(picture, truth),
        "ssim": ssim(picture, truth),
        "samples_per_ray": head.samples / max(1, head.rays),
    }
