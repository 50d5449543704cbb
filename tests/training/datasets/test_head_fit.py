"""Poses, focal length and expression from landmarks whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from emogene.contract.errors import BadInput
from emogene.training.datasets.calibration import Calibration, CalibrationSettings, calibrate
from emogene.training.datasets.generic_face import (
    GENERIC_FACE,
    INTEROCULAR,
    STEADINESS,
    interocular,
)
from emogene.training.datasets.head_track import HeadTrack, track_head, whittaker
from emogene.training.datasets.rotations import exponential, logarithm, nearest, similarity

from .recordings import projected, speaking, turning

SIZE, NOISE_PX = (512, 512), 0.7
FRAMES = 400


def somebody() -> np.ndarray:
    """A face that is not the generic one: longer, narrower, with features of its own."""
    own = np.random.default_rng(3).normal(0, 0.03, (68, 3))
    face = GENERIC_FACE * (0.93, 1.06, 1.05) + own
    return face * INTEROCULAR / interocular(face)


class Scene:
    """Somebody speaking before a camera, and what was found from the picture alone."""

    def __init__(self, focal: float, yaw: float) -> None:
        self.face = somebody()
        moves = speaking(FRAMES) - GENERIC_FACE
        self.faces = self.face + moves
        self.poses = turning(FRAMES, yaw=yaw).astype(float)
        self.poses[:, 2, 3] *= focal / 1262  # the head keeps its size in the picture
        seen = projected(self.faces, self.poses, focal, SIZE)
        self.seen = seen + np.random.default_rng(0).normal(0, NOISE_PX, seen.shape)
        self.calibration = calibrate(self.seen, *SIZE)
        self.track = track_head("somebody.mp4", self.seen.astype(np.float32), self.calibration)

    def head_axes(self) -> tuple[float, np.ndarray, np.ndarray]:
        """The fitted head's axes in the true one: they are fixed by the generic face."""
        return similarity(self.calibration.face, self.face, STEADINESS)


@pytest.fixture(scope="module", params=[1262.0, 700.0], ids=["long lens", "wide lens"])
def scene(request: pytest.FixtureRequest) -> Scene:
    return Scene(request.param, yaw=0.35)


def test_the_focal_length_is_found(scene: Scene) -> None:
    true = scene.poses[:, 2, 3].mean() / 9 * 1262
    found = scene.calibration
    assert abs(found.camera.focal / true - 1) < 0.12
    assert abs(np.log(found.camera.focal / true)) < 3 * found.focal_error
    assert found.focal_error < 0.15


def test_turns_are_found_to_a_degree_and_a_half(scene: Scene) -> None:
    _, axes, _ = scene.head_axes()
    off = scene.track.poses[:, :, :3] @ axes.T @ np.swapaxes(scene.poses[:, :, :3], 1, 2)
    degrees = np.degrees(np.linalg.norm(logarithm(nearest(off)), axis=1))
    assert np.sqrt((degrees**2).mean()) < 1.5


def test_places_are_found_to_two_millimetres_across_the_line_of_sight(scene: Scene) -> None:
    scale, _, shift = scene.head_axes()
    true = scene.poses[:, :, :3] @ shift + scene.poses[:, :, 3]
    # A focal length that is off by a share puts the head off by it along the line of sight.
    away = scale * scene.track.poses[:, :, 3] - true
    assert np.sqrt((away[:, :2] ** 2).mean(0)).max() < 0.02
    assert np.abs(away[:, 2]).max() / true[:, 2].mean() < 0.15


def test_the_mouth_opens_as_it_did(scene: Scene) -> None:
    def opening(landmarks: np.ndarray) -> np.ndarray:
        return landmarks[:, 62, 1] - landmarks[:, 66, 1]

    found, true = opening(scene.track.landmarks), opening(scene.faces)
    assert np.corrcoef(found, true)[0, 1] > 0.95
    # Beside the detector's noise of 0.7 pixels, two points of 350 pixels a unit.
    assert np.std(found - true) < 0.012


def test_what_was_seen_is_where_the_landmarks_project(scene: Scene) -> None:
    track = scene.track
    again = projected(track.landmarks, track.poses, track.camera.focal, SIZE)
    np.testing.assert_allclose(again, scene.seen, atol=0.05)
    assert track.error_px == pytest.approx(NOISE_PX * 2**0.5, rel=0.35)


def test_poses_are_smoother_than_the_landmarks(scene: Scene) -> None:
    def jitter(poses: np.ndarray) -> float:
        return float(np.abs(np.diff(poses[:, :, 3], 2, axis=0)).max())

    assert jitter(scene.track.poses) < 3 * jitter(scene.poses) + 0.01


def test_the_eyes_are_63_millimetres_apart(scene: Scene) -> None:
    assert interocular(scene.calibration.face) == pytest.approx(0.63)


def test_a_known_focal_length_is_kept() -> None:
    seen = projected(speaking(60), turning(60).astype(float), 1262.0, SIZE)
    found = calibrate(seen, *SIZE, settings=CalibrationSettings(focal=1500.0))
    assert found.camera.focal == pytest.approx(1500, rel=0.01)


def gapped(missing: list[int]) -> tuple[HeadTrack, np.ndarray]:
    faces, poses = speaking(80), turning(80)
    seen = projected(faces, poses, 1262.0, SIZE)
    calibration = calibrate(seen, *SIZE)
    seen[missing] = np.nan
    return track_head("gaps.mp4", seen, calibration), poses


def test_short_gaps_are_filled_and_long_ones_are_not_believed() -> None:
    track, _ = gapped([10, 11, 12, *range(40, 60)])
    assert track.valid[:40].all()
    assert not track.valid[40:60].any()
    assert track.valid[60:].all()
    assert np.isfinite(track.landmarks).all()
    assert np.isfinite(track.poses).all()


def test_landmarks_in_another_order_are_refused() -> None:
    seen = projected(speaking(60), turning(60), 1262.0, SIZE)
    shuffled = seen[:, np.random.default_rng(0).permutation(68)]
    with pytest.raises(BadInput, match="check that one face is seen throughout"):
        track_head("mixed.mp4", shuffled, calibrate(shuffled.astype(float), *SIZE))


def test_no_face_at_all_is_said() -> None:
    calibration = Calibration(GENERIC_FACE, calibrate(*still()).camera, 0.1, 1.0)
    with pytest.raises(BadInput, match="a face, found none in 5 frames"):
        track_head("empty.mp4", np.full((5, 68, 2), np.nan, np.float32), calibration)


def test_points_in_one_place_are_refused() -> None:
    calibration = calibrate(*still())
    with pytest.raises(BadInput, match="one face is seen throughout"):
        track_head("points.mp4", np.full((5, 68, 2), 7, np.float32), calibration)


def still() -> tuple[np.ndarray, int, int]:
    return projected(speaking(4), turning(4), 1262.0, SIZE).astype(float), *SIZE


def test_whittaker_solves_its_least_squares() -> None:
    rng = np.random.default_rng(0)
    at = np.array([0, 1, 3, 4, 7, 9])
    values, weights, price = rng.normal(size=6), rng.uniform(0.5, 2, 6), 3.0
    second = np.diff(np.eye(10), 2, axis=0)
    normal = price * second.T @ second
    normal[at, at] += weights
    side = np.zeros(10)
    side[at] = weights * values
    expected = np.linalg.solve(normal, side)
    np.testing.assert_allclose(whittaker(10, at, values, weights, price), expected, atol=1e-10)


def test_rotations_come_back_from_their_vectors() -> None:
    vectors = np.random.default_rng(0).normal(0, 0.8, (50, 3))
    turns = exponential(vectors)
    np.testing.assert_allclose(
        turns @ np.swapaxes(turns, 1, 2), np.eye(3)[None].repeat(50, 0), atol=1e-12
    )
    np.testing.assert_allclose(logarithm(turns), vectors, atol=1e-9)
