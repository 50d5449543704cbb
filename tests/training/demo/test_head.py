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
from emogene.training.demo.head.anatomy import mouth_line, neck_excess
from emogene.training.demo.head.landmarks import SKIN_LANDMARKS, brow_means
from emogene.training.demo.head.looks import IRIS, PUPIL
from emogene.training.demo.head.parameters import (
    EMOTION_PRESETS,
    INDEX,
    MOUTH_PARAMETERS,
    PARAMETERS,
    emotion_offset,
    vector,
)
from emogene.training.demo.head.raster import z_buffer
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
    closed, apart = (
        points[UPPER_LIP_CENTRE, 1] - points[LOWER_LIP_CENTRE, 1]
        for points in (neutral(rig), neutral(rig, press=0.0))
    )
    assert closed < 0.6 * apart


def test_lids_close_over_the_eyes(rig):
    for lid_l, lid_r in ((1.0, 0.0), (0.0, 1.0)):
        points = neutral(rig, lidL=lid_l, lidR=lid_r)
        assert (distance(points, 37, 41) > 0.06) == (lid_r == 1.0)
        assert (distance(points, 44, 46) > 0.06) == (lid_l == 1.0)
    assert distance(neutral(rig, lidL=1.4), 43, 47) > distance(neutral(rig), 43, 47)


def pixels(rig, points, pose=None):
    """Columns and rows of head-space `points` in a picture of `SIZE` pixels."""
    pose = camera.pose() if pose is None else pose
    return camera.project(points, pose, camera.intrinsics(SIZE))[..., :2].astype(int).T


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_closed_lids_hide_the_eye(rig, emotion):
    """Not a subpixel of the eyeball is left, and what is seen there is opaque and skin."""
    face = vector() + emotion_offset(emotion)
    face[[INDEX["lidL"], INDEX["lidR"]]] = 0.0
    for yaw in (-0.3, 0.0, 0.3):
        pose = camera.pose(yaw)
        vertices, size = rig.stand(rig.deform(face), pose), 3 * SIZE
        lens = camera.intrinsics(size)
        seen = z_buffer(vertices, rig.faces, size, lens.focal, lens.cx, lens.cy, camera.DISTANCE)[1]
        shown = np.unique(rig.faces[seen[seen >= 0]])
        for side in "LR":
            ball = rig.parts["eye" + side]
            assert not ((shown >= ball.start) & (shown < ball.stop)).any()
    shot = render(rig, face, camera.pose(), SIZE)
    column, row = pixels(rig, rig.landmarks(face[None])[0, 36:48])
    assert (shot.head_alpha[row, column] == 255).all()


def test_the_gaze_never_moves():
    """No landmark could explain it to a field."""
    for preset in EMOTION_PRESETS.values():
        assert not {"gazeX", "gazeY"} & set(preset)


def test_upper_lids_cover_the_top_of_the_iris_at_rest():
    upper, lower = eyes.lid_edges("L", np.ones(1), np.zeros(1))
    middle = eyes.ALONG // 2
    assert PUPIL < upper[0, middle] < IRIS
    assert PUPIL < -lower[0, middle] < IRIS


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_creases_deepen_smoothly_with_what_draws_them(rig, emotion):
    skin = rig.parts["skin"]
    shade = [
        rig.lit(vector() + emotion_offset(emotion, intensity))[skin]
        for intensity in np.linspace(0, 1.5, 16)
    ]
    assert (shade[-1] <= shade[0]).all() and (shade[-1] > 0.3 * shade[0]).all()
    assert np.abs(np.diff(shade, axis=0)).max() < 0.08


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
    for name in ("neutral", "faces", "colour", "occlusion", "shadow", "below", "texture"):
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
    of_head = np.unique(rig.faces[(rig.below[rig.faces] < 0).any(1)])
    expected = mesh[of_head] @ pose[:, :3].T + pose[:, 3]
    np.testing.assert_allclose(stood[of_head], expected, atol=1e-5)
    skin = rig.neutral[rig.parts["skin"]]
    assert (neck_excess(skin[skin[:, 2] > 0.35]) < 0).all()  # the chin is the head's
    assert (neck_excess(skin[skin[:, 1] < -1.15]) > 0).all()  # and the neck the torso's


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


def test_the_layers_meet_in_a_clean_seam(rig):
    """Below the chin there is one edge from head to torso in every column, and depth is smooth."""
    for yaw in (-0.3, 0.0, 0.3):
        face, pose = vector({"press": 1.0, "jaw": 0.5}), camera.pose(yaw, 0.1)
        shot = render(rig, face, pose, 2 * SIZE)
        jaw = 2 * pixels(rig, rig.landmarks(face[None])[0, 4:13], pose)[0]
        for column in range(jaw.min() + 2, jaw.max() - 1):
            rows = np.flatnonzero(shot.head_alpha[:, column] > 127)
            assert np.diff(rows).max() == 1  # no speckle of head within the torso
        lip = 2 * pixels(rig, rig.landmarks(face[None])[0, 57], pose)[1] + 4
        for column in range(jaw[2], jaw[6] + 1):
            depth = shot.depth_far[lip:, column].astype(float)
            assert np.abs(np.diff(depth[depth > 0])).max() < 0.12


def test_the_head_stays_within_the_fields_bounds(rig):
    head = rig.below < 0
    for face in (
        vector(),
        *random_faces(6),
        *(vector() + emotion_offset(e, 1.5) for e in EMOTIONS),
    ):
        for points in (rig.deform(face)[head], rig.landmarks(face[None])[0]):
            assert np.isfinite(points).all()
            assert (np.abs(points[:, 0]) < 1.15).all() and (np.abs(points[:, 2]) < 1.30).all()
            assert points[:, 1].min() > -1.55 and points[:, 1].max() < 1.60


def test_a_frame_is_the_same_each_time(rig, rig_folder):
    (path,) = rig_folder.glob("head-*.npz")
    face = vector() + emotion_offset("happy")
    first = render(rig, face, camera.pose(0.2), SIZE)
    second = render(HeadRig(Sculpture.load(path)), face, camera.pose(0.2), SIZE)
    for name in ("image", "head_alpha", "torso_alpha", "depth_near", "depth_far"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_an_open_mouth_shows_its_dark_inside(rig):
    points = neutral(rig, jaw=0.8)
    middle = points[[UPPER_LIP_CENTRE, LOWER_LIP_CENTRE]].mean(0)
    column, row, _ = camera.project(middle, camera.pose(), camera.intrinsics(SIZE)).astype(int)
    opened = render(rig, vector({"jaw": 0.8}), camera.pose(), SIZE).image
    closed = render(rig, vector(), camera.pose(), SIZE).image
    assert opened[row, column].mean() < 0.75 * closed[row, column].mean()
    assert opened[row, column, 0] > 60  # dark red, not black


def test_the_distance_to_the_mouth_line_is_symmetric():
    for x in (0.0, 0.1, 0.25):
        assert mouth_line(x) == mouth_line(-x)
