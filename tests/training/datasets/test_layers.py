"""Depth and layers around a fitted head, against the rendered head's own."""

from __future__ import annotations

import numpy as np
import pytest

from emogene.training.datasets.layers import background_plate, separate
from emogene.training.datasets.surface import CENTRE, NEAR_TOLERANCE, HeadSurface, icosphere
from emogene.training.demo.head.camera import intrinsics

from .filmed_head import FILM_SIZE, FilmedHead

CHOSEN = (0, 7, 14, 21, 28)


@pytest.fixture(scope="module")
def surface(filmed: FilmedHead) -> HeadSurface:
    return HeadSurface.of(filmed.landmarks.mean(0).astype(float))


def test_a_sphere_of_triangles_is_closed_and_looks_outwards() -> None:
    points, faces = icosphere(2)
    assert (len(points), len(faces)) == (162, 320)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1)
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
    _, shared = np.unique(edges, axis=0, return_counts=True)
    assert (shared == 2).all()
    assert (np.linalg.det(points[faces]) > 0).all()


def test_the_surface_passes_the_landmarks_and_follows_them(surface: HeadSurface) -> None:
    def distances(landmarks: np.ndarray) -> np.ndarray:
        vertices = surface.at(landmarks)
        towards = (landmarks - CENTRE) / np.linalg.norm(landmarks - CENTRE, axis=1)[:, None]
        rays = (vertices - CENTRE) / np.linalg.norm(vertices - CENTRE, axis=1)[:, None]
        nearest = np.argmax(towards @ rays.T, axis=1)
        radii = np.linalg.norm(vertices[nearest] - CENTRE, axis=1)
        return np.abs(radii - np.linalg.norm(landmarks - CENTRE, axis=1))

    assert np.median(distances(surface.rest)) < 0.03
    lower = surface.rest.copy()
    lower[5:12, 1] -= 0.15  # the chin, as the jaw opens
    assert np.median(distances(lower)[5:12]) < 0.06


def test_depth_is_known_to_millimetres_at_the_face(
    filmed: FilmedHead, surface: HeadSurface
) -> None:
    camera = intrinsics(FILM_SIZE)
    face, everywhere = [], []
    for k in CHOSEN:
        z, tolerance = surface.depth(filmed.landmarks[k].astype(float), filmed.poses[k], camera)
        true = filmed.shots[k].depth_near.astype(float)
        both = (z > 0) & (true > 0)
        close = both & (tolerance < NEAR_TOLERANCE + 0.01)
        face.append(np.abs(z - true)[close])
        everywhere.append(np.abs(z - true)[both])
    assert sum(map(len, face)) > 0.4 * sum(map(len, everywhere))
    assert np.median(np.concatenate(face)) < 0.03
    assert np.quantile(np.concatenate(face), 0.9) < 0.08
    assert np.median(np.concatenate(everywhere)) < 0.06


def test_layers_are_the_rendered_ones_and_the_band_holds_the_surface(
    filmed: FilmedHead, surface: HeadSurface
) -> None:
    camera = intrinsics(FILM_SIZE)
    held = []
    for k in CHOSEN:
        shot = filmed.shots[k]
        person = np.maximum(shot.head_alpha, shot.torso_alpha)
        found = separate(person, surface, filmed.landmarks[k], filmed.poses[k], camera)
        np.testing.assert_array_equal(np.maximum(found.head_alpha, found.torso_alpha), person)
        assert not (found.head_alpha.astype(bool) & found.torso_alpha.astype(bool)).any()
        head, truth = found.head_alpha > 127, shot.head_alpha > 127
        assert (head & truth).sum() / (head | truth).sum() > 0.97
        assert ((found.depth_near > 0) == (found.head_alpha > 0)).all()
        near, far = found.depth_near.astype(float), found.depth_far.astype(float)
        true = shot.depth_near.astype(float)
        inside = (near <= true + 0.01) & (far >= true - 0.01)
        held.append(inside[head & truth].mean())
    assert np.mean(held) > 0.88


def test_the_background_is_what_is_seen_when_nobody_stands_there() -> None:
    rng = np.random.default_rng(0)
    behind = rng.integers(60, 90, (64, 64, 3)).astype(np.uint8)
    images = np.repeat(behind[None], 12, 0)
    persons = np.zeros((12, 64, 64), np.uint8)
    for k in range(12):
        persons[k, 20:60, 4 * k : 4 * k + 16] = 255
        persons[k, 40:64, 28:36] = 255  # somebody always stands here
        images[k][persons[k] > 0] = 255
    plate, unseen = background_plate(images, persons)
    always = (persons > 0).all(0)
    far = np.ones((64, 64), bool)
    far[38:, 26:38] = False
    np.testing.assert_array_equal(plate[far], behind[far])
    assert always.mean() <= unseen < 2 * always.mean()
    assert plate[always].max() < 120  # filled with background, not with somebody


def test_a_person_who_fills_every_picture_leaves_no_background() -> None:
    images = np.zeros((3, 32, 32, 3), np.uint8)
    plate, unseen = background_plate(images, np.full((3, 32, 32), 255, np.uint8))
    assert unseen == 1.0
    assert plate.shape == (32, 32, 3)
