"""The probes that ship know the head that ships, however it is moved and lit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial import procrustes

from emogene.contract.emotions import EMOTIONS
from emogene.contract.errors import BadCheckpoint
from emogene.evaluation.emotion import by_landmarks, by_pixels
from emogene.evaluation.material import Material
from emogene.evaluation.probes.networks import aligned, landmark_probe, small_pictures
from emogene.training.demo.head.camera import pose
from emogene.training.demo.head.render import render
from emogene.training.demo.performance import expression
from emogene.training.demo.speech.visemes import TARGETS


def silent_faces() -> np.ndarray:
    """(8, 21): every emotion at full intensity, the mouth at rest."""
    rest = TARGETS["silence"].astype(np.float32)[None]
    return np.concatenate([expression(rest, emotion) for emotion in EMOTIONS])


def test_alignment_is_procrustes() -> None:
    rng = np.random.default_rng(0)
    mean = rng.normal(size=(68, 2)).astype(np.float32)
    shape = mean + 0.1 * rng.normal(size=(68, 2)).astype(np.float32)
    angle, scale = 0.4, 30.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = (scale * shape @ turn.T + (5, -9)).astype(np.float32)
    found = aligned(torch.from_numpy(moved)[None], torch.from_numpy(mean))[0].numpy()
    one, two, _ = procrustes(mean, moved)
    size = np.linalg.norm(mean - mean.mean(0))
    np.testing.assert_allclose((found - mean.mean(0)) / size, two, atol=1e-5)
    np.testing.assert_allclose((mean - mean.mean(0)) / size, one, atol=1e-6)


def test_landmarks_name_every_emotion_wherever_the_face_is(material: Material) -> None:
    landmarks = material.rig.landmarks(silent_faces())
    assert by_landmarks(landmarks).argmax(1).tolist() == list(range(8))
    pixels = 140 * landmarks[..., :2] + (256, 300)
    assert by_landmarks(pixels).argmax(1).tolist() == list(range(8))


def test_pixels_name_every_emotion(material: Material) -> None:
    pictures = [render(material.rig, face, pose(0.05), 128).image for face in silent_faces()]
    named = by_pixels(pictures).argmax(1).numpy()
    # The coarse head of the tests is not quite the one the probe was trained on.
    assert (named == np.arange(8)).sum() >= 7


def test_small_pictures_are_means_of_the_face() -> None:
    flat = np.full((200, 200, 3), 51, np.uint8)
    flat[:, :20] = 255  # outside the face
    small = small_pictures([flat, flat[::2, ::2]])
    assert small.shape == (2, 3, 64, 64)
    assert torch.allclose(small, torch.tensor(0.2), atol=1e-6)


def test_a_damaged_probe_is_refused(tmp_path) -> None:
    (tmp_path / "landmark_probe.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}")
    with pytest.raises(BadCheckpoint, match="emogene-eval probes"):
        landmark_probe(tmp_path)
