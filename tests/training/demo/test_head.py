"""The head rig: landmarks, parameters, geometry, and what the camera sees of them."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

from emogene.contract.emotions import EMOTIONS
from emogene.contract.landmarks import (
    BROWS,
    LOWER_LIDS,
    LOWER_LIP_CENTRE,
    MOUTH,
    UPPER_LIDS,
    UPPER_LIP_CENTRE,
)
from emogene.training.demo.head import camera, eyes
from emogene.training.demo.head import surface as surfaces
from emogene.training.demo.head.anatomy import NECK_CUT, mouth_line, neck_height
from emogene.training.demo.head.landmarks import SKIN_LANDMARKS, brow_means
from emogene.training.demo.head.parameters import (
    EMOTION_PRESETS,
    INDEX,
    MOUTH_PARAMETERS,
    PARAMETERS,
    emotion_offset,
    vector,
)
from emogene.training.demo.head.render import backdrop, render
from emogene.training.demo.head.rig import HeadRig
from emogene.training.demo.head.sculpture import Sculpture

SIZE = 96
MIRROR = np.r_[
    16:-1:-1, 26:16:-1, 27:31, 35:30:-1, 45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    54:47:-1, 59:54:-1, 64:59:-1, 67:64:-1,
]  # fmt: skip


def neutral(rig, **values):
    return rig.landmarks(vector({"press": 1.0, **values})[None])[0]


def random_faces(count, seed=0):
    noise = np.random.default_rng(seed).normal(0, 0.4, (count, len(PARAMETERS)))
    return (vector() + noise).astype(np.float32)


def distance(points, a, b):
    return float(np.linalg.norm(points[a] - points[b]))


def test_parameters_and_presets_agree_with_the_contract():
    assert len(set(PARAMETERS)) == 21
    assert PARAMETERS[:8] == MOUTH_PARAMETERS
    assert tuple(EMOTION_PRESETS) == EMOTIONS
    assert vector({})[INDEX["lidL"]] == 1.0 and vector({})[INDEX["press"]] == 0.0
    assert not emotion_offset("neutral").any()
    np.testing.assert_array_equal(emotion_offset("sad", 0.5), 0.5 * emotion_offset("sad"))
    with pytest.raises(KeyError, match="no face parameter 'jwa'"):
        vector({"jwa": 1.0})
    with pytest.raises(KeyError, match="the emotions are angry"):
        emotion_offset("bored")


def test_landmarks_are_those_of_the_deformed_mesh(rig):
    faces = random_faces(8)
    landmarks = rig.landmarks(faces)
    assert landmarks.shape == (8, 68, 3) and landmarks.dtype == np.float32
    for face, points in zip(faces, landmarks, strict=True):
        mesh = rig.deform(face)
        np.testing.assert_allclose(mesh[rig.landmark_vertices], points[SKIN_LANDMARKS], atol=1e-5)
        np.testing.assert_allclose(brow_means(mesh[rig.parts["browL"]]), points[22:27], atol=1e-5)
        np.testing.assert_allclose(
            brow_means(mesh[rig.parts["browR"]]), points[21:16:-1], atol=1e-5
        )
        for side, row in (("R", 36), ("L", 42)):
            upper = mesh[rig.parts["upperLid" + side]].reshape(eyes.ALONG, eyes.ACROSS, 3)
            lower = mesh[rig.parts["lowerLid" + side]].reshape(eyes.ALONG, eyes.ACROSS, 3)
            np.testing.assert_allclose(upper[[0, -1], -2], points[[row, row + 3]], atol=1e-5)
            assert np.linalg.norm(upper[:, -2] - points[row + 1], axis=1).min() < 1e-5
            assert np.linalg.norm(lower[:, -2] - points[row + 5], axis=1).min() < 1e-5


def test_landmarks_mirror_with_the_parameters(rig):
    symmetric = neutral(rig, jaw=0.4, wide=0.3, browInL=0.5, browInR=0.5, lidL=0.6, lidR=0.6)
    np.testing.assert_allclose(symmetric[MIRROR] * (-1, 1, 1), symmetric, atol=1e-4)
    left, right = neutral(rig, smileL=1.0, squintL=0.5), neutral(rig, smileR=1.0, squintR=0.5)
    np.testing.assert_allclose(left[MIRROR] * (-1, 1, 1), right, atol=1e-4)
    assert np.abs(left - right).max() > 0.05


def test_landmarks_lie_where_ibug_says(rig):
    points = neutral(rig)
    assert (np.diff(points[:17, 0]) > 0.0).sum() >= 14  # ear to ear, image left to right
    assert points[8, 1] == points[:17, 1].min()  # the chin
    assert points[30, 2] == points[:, 2].max()  # the tip of the nose
    assert (points[BROWS, 1] > points[36:48, 1].max()).all()
    for upper, lower in zip(UPPER_LIDS, LOWER_LIDS, strict=True):
        assert points[upper, 1] > points[lower, 1]
    assert points[MOUTH, 0].argmin() == 0 and points[MOUTH, 0].argmax() == 54 - 48


def test_the_jaw_opens_the_mouth_and_press_closes_it(rig):
    openings = [
        distance(neutral(rig, jaw=jaw), UPPER_LIP_CENTRE, LOWER_LIP_CENTRE)
        for jaw in (0.0, 0.3, 0.6, 0.9)
    ]
    assert all(b > a + 0.05 for a, b in pairwise(openings))
    apart = neutral(rig, press=0.0)
    assert openings[0] < 0.6 * distance(apart, UPPER_LIP_CENTRE, LOWER_LIP_CENTRE)


def test_lids_close_over_the_eyes(rig):
    for lid_l, lid_r in ((1.0, 0.0), (0.0, 1.0)):
        points = neutral(rig, lidL=lid_l, lidR=lid_r)
        assert (distance(points, 37, 41) > 0.06) == (lid_r == 1.0)
        assert (distance(points, 44, 46) > 0.06) == (lid_l == 1.0)
    assert distance(neutral(rig, lidL=1.4), 43, 47) > distance(neutral(rig), 43, 47)


def test_emotions_differ_pairwise(rig):
    faces = np.stack([vector() + emotion_offset(emotion) for emotion in EMOTIONS])
    landmarks = rig.landmarks(faces)
    for a, b in combinations(range(len(EMOTIONS)), 2):
        moved = np.linalg.norm(landmarks[a] - landmarks[b], axis=1)
        assert moved.max() > 0.05, (EMOTIONS[a], EMOTIONS[b])
        assert moved.mean() > 0.008, (EMOTIONS[a], EMOTIONS[b])


def test_skipping_far_blocks_finds_the_same_surface():
    low, h, shape = np.array([-0.6, -0.9, 0.3]), 0.03, (40, 30, 30)
    quick = surfaces._sample(surfaces.SKIN, low, h, shape)
    for i in range(0, shape[0], 3):
        for j in range(0, shape[1], 3):
            for k in range(0, shape[2], 3):
                x, y, z = low + h * np.array([i, j, k])
                exact = surfaces.distance(surfaces.SKIN, x, y, z)
                assert (exact < 0) == (quick[i, j, k] < 0)


def test_meshes_are_closed_where_they_are_not_cut_off(rig):
    faces = rig.sculpture.hair.faces
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    there = set(map(tuple, edges.tolist()))
    assert all((b, a) in there for a, b in there)


def test_a_cached_rig_is_the_built_rig(rig, rig_folder):
    (path,) = rig_folder.glob("head-*.npz")
    again = HeadRig(Sculpture.load(path))
    for name in ("neutral", "faces", "colour", "occlusion", "shadow", "layer"):
        np.testing.assert_array_equal(getattr(again, name), getattr(rig, name))
    face = random_faces(1)
    np.testing.assert_array_equal(again.landmarks(face), rig.landmarks(face))


def test_poses_turn_about_the_neck_and_can_be_undone():
    pose = camera.pose(0.3, -0.1, 0.05, (0.02, 0.01, -0.03))
    assert pose.shape == (3, 4) and pose.dtype == np.float32
    turn, shift = camera.head_motion(pose)
    np.testing.assert_allclose(turn, camera.rotation(0.3, -0.1, 0.05), atol=1e-6)
    np.testing.assert_allclose(shift, (0.02, 0.01, -0.03), atol=1e-6)
    pivot = np.float32(camera.NECK_PIVOT)
    np.testing.assert_allclose(
        camera.pose(0.3, 0.2)[:, :3] @ pivot + camera.pose(0.3, 0.2)[:, 3],
        camera.pose()[:, :3] @ pivot + camera.pose()[:, 3],
        atol=1e-6,
    )
    column, row, z = camera.project(np.zeros(3), camera.pose(), camera.intrinsics(512))
    assert (column, row, z) == (256.0, 0.46 * 512, 9.0)
    nose = np.float32([0.0, 0.0, 1.0])
    right, down = camera.project(nose, camera.pose(0.3, 0.2), camera.intrinsics(512))[:2]
    assert right > 256 and down > 0.46 * 512


def test_the_head_layer_is_rigid(rig):
    """A field in head space can only show what the pose alone moves."""
    pose = camera.pose(0.3, -0.1, 0.1, (0.05, 0.02, 0.1))
    mesh = rig.deform(vector())
    stood = rig.stand(mesh, pose) * (1, -1, -1) + (0, 0, camera.DISTANCE)
    of_head = np.unique(rig.faces[rig.layer == 1])
    expected = mesh[of_head] @ pose[:, :3].T + pose[:, 3]
    np.testing.assert_allclose(stood[of_head], expected, atol=1e-5)
    skin = rig.neutral[rig.parts["skin"]]
    chin = (skin[:, 2] > 0.4) & (skin[:, 1] > -1.2)
    assert (neck_height(skin[chin]) > NECK_CUT).all()


def test_rendered_layers_fit_image_depth_and_landmarks(rig):
    face, pose = vector({"press": 1.0, "jaw": 0.3}), camera.pose(0.15, 0.05, 0.02)
    shot = render(rig, face, pose, SIZE)
    head, torso = shot.head_alpha, shot.torso_alpha
    assert shot.image.shape == (SIZE, SIZE, 3) and shot.image.dtype == np.uint8
    assert (head.astype(int) + torso <= 256).all()
    empty = (head == 0) & (torso == 0)
    np.testing.assert_array_equal(shot.image[empty], backdrop(SIZE)[empty])
    assert np.abs(shot.image[head == 255].astype(int) - backdrop(SIZE)[head == 255]).mean() > 20
    assert ((shot.depth_near > 0) == (head > 0)).all()
    assert (shot.depth_far >= shot.depth_near).all()
    inside = shot.depth_near[head == 255]
    assert inside.min() > 7.5 and inside.max() < 10.5

    points = rig.landmarks(face[None])[0]
    column, row, z = camera.project(points, pose, camera.intrinsics(SIZE)).T
    u, v = column.astype(int), row.astype(int)
    nearby = np.lib.stride_tricks.sliding_window_view(np.pad(head, 1), (3, 3)).max((2, 3))
    assert (nearby[v, u] > 0).all()  # the contour may lie on the silhouette's last pixel
    assert (head[v, u] > 0).sum() >= 64
    nose = slice(27, 36)
    np.testing.assert_allclose(shot.depth_near[v, u][nose], z[nose], atol=0.12)


def test_an_open_mouth_shows_its_dark_inside(rig):
    points = neutral(rig, jaw=0.8)
    middle = points[[UPPER_LIP_CENTRE, LOWER_LIP_CENTRE]].mean(0)
    column, row, _ = camera.project(middle, camera.pose(), camera.intrinsics(SIZE)).astype(int)
    opened = render(rig, vector({"jaw": 0.8}), camera.pose(), SIZE).image
    closed = render(rig, vector(), camera.pose(), SIZE).image
    assert opened[row, column].mean() < 0.6 * closed[row, column].mean()


def test_the_distance_to_the_mouth_line_is_symmetric():
    for x in (0.0, 0.1, 0.25):
        assert mouth_line(x) == mouth_line(-x)
