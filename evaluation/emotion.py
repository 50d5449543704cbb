"""Emotions as they are seen: what the probes say of landmarks and of rendered frames."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..contract.emotions import EMOTIONS, MAX_INTENSITY, NEUTRAL
from ..contract.units import SAMPLES_PER_FRAME
from .material import Material
from .probes.networks import landmark_probe, pixel_probe, small_pictures
from .speaking import Spoken
from .subject import Subject

Picture = NDArray[np.uint8]

SIZE = 256
"""Largest size at which frames for the probe are rendered; it sees 64 × 64 of the face."""

UTTERANCES, FRAMES = 4, 4
"""Utterances rendered in each emotion, and frames of each."""

INTENSITIES = tuple(np.linspace(0.0, MAX_INTENSITY, 7).tolist())

_SLACK = 0.02  # of probability, where it has come near 1


@torch.no_grad()
def by_landmarks(landmarks: NDArray[np.floating]) -> Tensor:
    """(N, 68, 2 or 3) landmarks, x to the right and y up, seen from the front → (N, 8) logits."""
    flat = np.ascontiguousarray(landmarks[..., :2], np.float32)
    return landmark_probe()(torch.from_numpy(flat))


def by_pixels(pictures: Iterable[Picture]) -> Tensor:
    """Whole pictures of the demo's face → (N, 8) logits."""
    return by_small_pictures(small_pictures(pictures))


@torch.no_grad()
def by_small_pictures(faces: Tensor) -> Tensor:
    """The same of `probes.networks.small_pictures`."""
    return pixel_probe()(faces)


def accuracy(logits: Tensor, emotion: str) -> float:
    """Share of (N, 8) logits that name `emotion`."""
    return float((logits.argmax(1) == EMOTIONS.index(emotion)).float().mean())


def emotion_pictures(
    subject: Subject,
    material: Material,
    emotion: str,
    intensity: float = 1.0,
    utterances: int = UTTERANCES,
) -> list[Picture]:
    """Frames of sessions that say held-out sentences, `FRAMES` spread evenly over each."""
    pictures = []
    size = min(SIZE, material.config.size)
    for one in material.corpus.held_out[:utterances]:
        performed = subject.perform(one.samples, emotion, intensity)
        frames = len(one.samples) // SAMPLES_PER_FRAME
        poses = subject.walk(np.array([performed.silent(k) for k in range(frames)]))
        for place in ((np.arange(FRAMES) + 0.5) / FRAMES * frames).astype(int):
            pictures.append(subject.picture(performed.condition(place), poses[place], size))
    return pictures


def probe_figures(spoken: Spoken, shown: dict[str, list[Picture]]) -> dict[str, float]:
    """Do the probes name the emotion that was asked for?

    Args:
        shown: emotion → rendered frames of it.

    Returns:
        emotion_probe_accuracy: of rendered frames; .E for each emotion.
        emotion_probe_accuracy.landmarks: of the landmarks behind them, of every frame of speech;
        .landmarks.without_deformation: the same of the neutral landmarks;
        .landmarks.true: the same of the rig's; .landmarks.E… the same for each emotion.
    """
    pixels = {emotion: accuracy(by_pixels(frames), emotion) for emotion, frames in shown.items()}
    name = "emotion_probe_accuracy"
    figures = {f"{name}.{emotion}": value for emotion, value in pixels.items()}
    figures[name] = float(np.mean(list(pixels.values())))
    plain = by_landmarks(np.concatenate(spoken.neutral))
    ends = ("", ".without_deformation", ".true")
    for emotion in EMOTIONS:
        moved, true = spoken.emotional(emotion), spoken.true(emotion)
        logits = (by_landmarks(np.concatenate(moved)), plain, by_landmarks(np.concatenate(true)))
        for end, said in zip(ends, logits, strict=True):
            figures[f"{name}.landmarks.{emotion}{end}"] = accuracy(said, emotion)
    for end in ends:
        each = [figures[f"{name}.landmarks.{emotion}{end}"] for emotion in EMOTIONS]
        figures[f"{name}.landmarks{end}"] = float(np.mean(each))
    return figures


def intensity_figures(subject: Subject, material: Material) -> dict[str, float | bool]:
    """Does more intensity look like more emotion, from 0 to 1.5?

    Returns, for every emotion E but neutral:
        intensity.E.monotonic: whether, over seven intensities, the landmarks' mean distance from
            the neutral face grows from each to the next, and the pixel probe's probability of E,
            averaged over the same rendered frames, never falls by more than `_SLACK`.
        intensity.E.probability: by how much that probability rises from 0 to 1.5;
        intensity.E.log_odds: the same of E's log-odds against neutral;
        intensity.E.moved_mm: the distance at 1.5.
    """
    figures: dict[str, float | bool] = {}
    one = max(material.corpus.held_out, key=lambda u: u.seconds)
    neutral = subject.neutral(one.samples)
    for k, emotion in enumerate(EMOTIONS):
        if emotion == NEUTRAL:
            continue
        chances, odds, moved = [], [], []
        for intensity in INTENSITIES:
            frames = emotion_pictures(subject, material, emotion, intensity, utterances=1)
            logits = by_pixels(frames)
            chances.append(float(logits.softmax(1)[:, k].mean()))
            odds.append(float((logits[:, k] - logits[:, EMOTIONS.index(NEUTRAL)]).mean()))
            apart = subject.emotional(neutral, emotion, intensity) - neutral
            moved.append(float(np.linalg.norm(apart, axis=-1).mean()))
        figures |= {
            f"intensity.{emotion}.monotonic": bool(
                (np.diff(moved) > 0).all() and (np.diff(chances) >= -_SLACK).all()
            ),
            f"intensity.{emotion}.probability": chances[-1] - chances[0],
            f"intensity.{emotion}.log_odds": odds[-1] - odds[0],
            f"intensity.{emotion}.moved_mm": 100.0 * moved[-1],
        }
    return figures
